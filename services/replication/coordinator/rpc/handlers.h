// The three gRPC services: parse and check, one use case, convert.
#pragma once

#include <memory>

#include "services/common/pg/pool.h"
#include "services/replication/coordinator/engine/agent_reports.h"
#include "services/replication/coordinator/engine/points.h"
#include "services/replication/coordinator/engine/servers.h"
#include "services/replication/coordinator/engine/verifications.h"
#include "services/replication/coordinator/engine/worker_reports.h"

namespace grpc {
class Service;
}

namespace godwit::coordinator {

class Handler {
 public:
  virtual ~Handler() = default;
  virtual grpc::Service* service() = 0;
  // Ends streams that would hold up the shutdown of the server.
  virtual void Stop() {}
};

// What is passed must outlive the handlers.
std::unique_ptr<Handler> MakeAgentHandler(AgentReports& agents);
std::unique_ptr<Handler> MakeWorkerHandler(WorkerReports& workers);
std::unique_ptr<Handler> MakeReplicationHandler(pg::Pool& pool, Servers& servers, Points& points,
                                                Verifications& verifications);

}  // namespace godwit::coordinator
