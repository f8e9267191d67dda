// What dashboards and scripts do meanwhile: list, get, watch.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/programs/latencies.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/rpc/channel.h"

namespace grpc {
class ClientContext;
}

namespace godwit::bench {

// Reads for as long as it lives. `tls` is a user's who may change tags.
class FleetReaders {
 public:
  struct Options {
    std::string registry, replication;
    rpc::TlsMaterial tls;
    std::vector<std::string> servers;  // to be got and watched
    absl::Duration list_every = absl::Milliseconds(500), get_every = absl::Milliseconds(20),
                   touch_every = absl::Milliseconds(500);
  };
  explicit FleetReaders(Options options);
  ~FleetReaders();

  // A list of 1,000 servers, and of 1,000 replications: two pages of 500 each.
  Latencies list_servers, list_replications;
  Latencies get_server, get_replication;
  // From the answer to a change of a server until a stream told of it.
  Latencies watch;

 private:
  void KeepListing(const std::stop_token& stop);
  void KeepGetting(const std::stop_token& stop);
  void KeepTouching(const std::stop_token& stop);
  void KeepWatching();

  const Options options_;
  std::unique_ptr<registry::v1::SourceServerService::Stub> servers_;
  std::unique_ptr<replication::v1::ReplicationService::Stub> replications_;
  std::unique_ptr<grpc::ClientContext> watching_;
  absl::Mutex mutex_;
  std::string awaited_ ABSL_GUARDED_BY(mutex_);  // value of the tag
  absl::Time changed_ ABSL_GUARDED_BY(mutex_);   // InfinitePast: not answered yet
  absl::Time told_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;
};

}  // namespace godwit::bench
