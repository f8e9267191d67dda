// Figures that services have in common: readiness, certificates, connections to the database.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/rpc/channel.h"

namespace godwit {

namespace rpc {
class Lifeline;
}

// Whether it is ready, and when its certificates end. `lifeline` may be null: a process without a
// server.
void CollectService(const rpc::Lifeline* lifeline, const rpc::TlsMaterial& tls, Samples& to);

// `PoolT` is pg::Pool: processes without a database do not link it.
template <typename PoolT>
void CollectPool(const PoolT& pool, Samples& to) {
  const auto load = pool.load();
  to.Gauge("godwit_database_connections", "Open connections of the pool, by use.",
           {{"use", "busy"}}, load.open - load.idle);
  to.Gauge("godwit_database_connections", "Open connections of the pool, by use.",
           {{"use", "idle"}}, load.idle);
  to.Gauge("godwit_database_waiting", "Threads that wait for a connection.", {}, load.waiting);
  to.Counter("godwit_database_wait_seconds_total", "Time that threads waited for a connection.", {},
             absl::ToDoubleSeconds(load.waited));
  to.Counter("godwit_database_failures_total",
             "Connections that could not be had: the database is away, or all were busy too long.",
             {}, static_cast<double>(load.failures));
}

}  // namespace godwit
