// The three gRPC services: parse and check, one use case, convert.
#pragma once

#include <memory>

#include "services/common/pg/pool.h"
#include "services/replication/coordinator/app/agent_reports.h"
#include "services/replication/coordinator/app/points.h"
#include "services/replication/coordinator/app/servers.h"
#include "services/replication/coordinator/app/worker_reports.h"

namespace grpc {
class Service;
}

namespace godwit::coordinator {

// What is passed must outlive the handlers.
std::unique_ptr<grpc::Service> MakeAgentHandler(AgentReports& agents);
std::unique_ptr<grpc::Service> MakeWorkerHandler(WorkerReports& workers);

// Watch streams end when `Stop` was called.
class ReplicationHandlerBase {
 public:
  virtual ~ReplicationHandlerBase() = default;
  virtual grpc::Service* service() = 0;
  virtual void Stop() = 0;
};
std::unique_ptr<ReplicationHandlerBase> MakeReplicationHandler(pg::Pool& pool, Servers& servers,
                                                               Points& points);

}  // namespace godwit::coordinator
