// Replication of servers and the fleet of workers; points are point_calls.h.
#include <grpcpp/server_context.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/convert.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/rpc/handlers.h"
#include "services/replication/coordinator/rpc/point_calls.h"
#include "services/replication/coordinator/rpc/watch.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr absl::Duration kMostUndoWindow = absl::Hours(24 * 365);

class ReplicationHandler final : public PointCalls, public Handler {
 public:
  ReplicationHandler(pg::Pool& pool, Servers& servers, Points& points, Verifications& verifications)
      : PointCalls(points, verifications), pool_(pool), servers_(servers), watch_(pool) {}

  grpc::Service* service() override { return this; }
  void Stop() override { watch_.Stop(); }

  grpc::Status GetReplication(grpc::ServerContext* context,
                              const pb::GetReplicationRequest* request,
                              pb::Replication* response) override {
    return rpc::Serve(context, "replication.GetReplication", rpc::kReaders,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const std::string id,
                                         ReplicationServerId("name", request->name()));
                        ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
                        ASSIGN_OR_RETURN(const Server server, store::LoadServer(*connection, id));
                        ToProto(server, response);
                        return absl::OkStatus();
                      });
  }

  grpc::Status ListReplications(grpc::ServerContext* context,
                                const pb::ListReplicationsRequest* request,
                                pb::ListReplicationsResponse* response) override {
    return rpc::Serve(
        context, "replication.ListReplications", rpc::kReaders,
        [&](const rpc::Call& call) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          if (!request->page_token().empty()) {
            RETURN_IF_ERROR(CheckId("page_token", "s-", request->page_token()));
          }
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
          ASSIGN_OR_RETURN(
              const std::vector<Server> servers,
              call.scope == nullptr
                  ? store::ListServers(*connection, request->page_token(), size + 1)
                  : store::ListServersWithin(*connection, call.scope->Ids("sourceServers"),
                                             request->page_token(), size + 1));
          for (int i = 0; i < std::min<int>(size, static_cast<int>(servers.size())); ++i) {
            ToProto(servers[static_cast<std::size_t>(i)], response->add_replications());
          }
          if (static_cast<int>(servers.size()) > size) {
            response->set_next_page_token(servers[static_cast<std::size_t>(size) - 1].id);
          }
          return absl::OkStatus();
        });
  }

  grpc::Status WatchReplications(grpc::ServerContext* context,
                                 const pb::WatchReplicationsRequest* request,
                                 grpc::ServerWriter<pb::Replication>* writer) override {
    return rpc::ToGrpc(watch_.Serve(*context, *request, *writer));
  }

  grpc::Status PauseReplication(grpc::ServerContext* context,
                                const pb::ReplicationVerbRequest* request,
                                pb::Replication* response) override {
    return Verb(context, "replication.PauseReplication", *request, &Servers::Pause, response);
  }
  grpc::Status ResumeReplication(grpc::ServerContext* context,
                                 const pb::ReplicationVerbRequest* request,
                                 pb::Replication* response) override {
    return Verb(context, "replication.ResumeReplication", *request, &Servers::Resume, response);
  }
  grpc::Status RetryReplication(grpc::ServerContext* context,
                                const pb::ReplicationVerbRequest* request,
                                pb::Replication* response) override {
    return Verb(context, "replication.RetryReplication", *request, &Servers::Retry, response);
  }

  grpc::Status ListWorkers(grpc::ServerContext* context, const pb::ListWorkersRequest* request,
                           pb::ListWorkersResponse* response) override {
    return rpc::Serve(
        context, "replication.ListWorkers", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          if (!request->page_token().empty()) {
            RETURN_IF_ERROR(CheckId("page_token", "w-", request->page_token()));
          }
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
          ASSIGN_OR_RETURN(const std::vector<Worker> workers,
                           store::ListWorkers(*connection, request->page_token(), size + 1));
          for (int i = 0; i < std::min<int>(size, static_cast<int>(workers.size())); ++i) {
            ToProto(workers[static_cast<std::size_t>(i)], response->add_workers());
          }
          if (static_cast<int>(workers.size()) > size) {
            response->set_next_page_token(workers[static_cast<std::size_t>(size) - 1].id);
          }
          return absl::OkStatus();
        });
  }

  grpc::Status DrainWorker(grpc::ServerContext* context, const pb::WorkerVerbRequest* request,
                           pb::Worker* response) override {
    return SetDraining(context, "replication.DrainWorker", *request, true, response);
  }
  grpc::Status UndrainWorker(grpc::ServerContext* context, const pb::WorkerVerbRequest* request,
                             pb::Worker* response) override {
    return SetDraining(context, "replication.UndrainWorker", *request, false, response);
  }

  grpc::Status StartServer(grpc::ServerContext* context, const pb::StartServerRequest* request,
                           pb::Replication* response) override {
    return rpc::Serve(
        context, "replication.StartServer", rpc::kServices, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id,
                           ServerId("source_server", request->source_server()));
          RETURN_IF_ERROR(CheckRequestId(request->request_id()));
          ASSIGN_OR_RETURN(const Server server, servers_.Start(id, request->request_id()));
          ToProto(server, response);
          return absl::OkStatus();
        });
  }

  grpc::Status EndServer(grpc::ServerContext* context, const pb::EndServerRequest* request,
                         pb::Replication* response) override {
    return rpc::Serve(
        context, "replication.EndServer", rpc::kServices, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id,
                           ServerId("source_server", request->source_server()));
          RETURN_IF_ERROR(CheckRequestId(request->request_id()));
          ASSIGN_OR_RETURN(const absl::Duration undo_window,
                           ToDuration("undo_window", request->undo_window(), kMostUndoWindow));
          ASSIGN_OR_RETURN(const Server server, servers_.End(id, request->request_id(),
                                                             {.stop_only = request->stop_only(),
                                                              .keep_agent = request->keep_agent(),
                                                              .undo_window = undo_window}));
          ToProto(server, response);
          return absl::OkStatus();
        });
  }

 private:
  using ServerVerb = absl::StatusOr<Server> (Servers::*)(const std::string&, const std::string&);

  grpc::Status Verb(grpc::ServerContext* context, absl::string_view method,
                    const pb::ReplicationVerbRequest& request, ServerVerb verb,
                    pb::Replication* response) {
    return rpc::Serve(context, method, rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const std::string id, ReplicationServerId("name", request.name()));
      RETURN_IF_ERROR(CheckRequestId(request.request_id()));
      ASSIGN_OR_RETURN(const Server server, (servers_.*verb)(id, request.request_id()));
      ToProto(server, response);
      return absl::OkStatus();
    });
  }

  grpc::Status SetDraining(grpc::ServerContext* context, absl::string_view method,
                           const pb::WorkerVerbRequest& request, bool draining,
                           pb::Worker* response) {
    return rpc::Serve(context, method, rpc::kAdminsAndServices,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const std::string id,
                                         ParseName("name", "workers", "w-", request.name()));
                        RETURN_IF_ERROR(CheckRequestId(request.request_id()));
                        ASSIGN_OR_RETURN(const Worker worker,
                                         servers_.SetDraining(id, request.request_id(), draining));
                        ToProto(worker, response);
                        return absl::OkStatus();
                      });
  }

  pg::Pool& pool_;
  Servers& servers_;
  ReplicationWatch watch_;
};

}  // namespace

std::unique_ptr<Handler> MakeReplicationHandler(pg::Pool& pool, Servers& servers, Points& points,
                                                Verifications& verifications) {
  return std::make_unique<ReplicationHandler>(pool, servers, points, verifications);
}

}  // namespace godwit::coordinator
