#include <grpcpp/server_context.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/convert.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/rpc/handlers.h"
#include "services/replication/coordinator/rpc/watch.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr absl::Duration kDefaultPointTimeout = absl::Minutes(10);
constexpr absl::Duration kMostPointTimeout = absl::Hours(24);
constexpr absl::Duration kMostUndoWindow = absl::Hours(24 * 365);
// Callers with longer deadlines ask again; so a call does not hold its thread for minutes.
constexpr absl::Duration kCloneWait = absl::Seconds(30);
constexpr absl::Duration kCloneMargin = absl::Seconds(1);

std::string RequestName(const store::PointRequest& request) {
  return absl::StrCat("sourceServers/", request.server_id, "/pointRequests/", request.id);
}

void WriteProgress(const Points::Progress& progress, pb::PointRequest* out) {
  out->set_name(RequestName(progress.request));
  out->set_state(static_cast<pb::PointRequest::State>(progress.request.state));
  if (progress.point) ToProto(*progress.point, out->mutable_point());
  out->set_error_message(progress.request.error_message);
}

// Of lists that go by a falling number; 0 for the first page.
absl::StatusOr<std::int64_t> NumberToken(const std::string& page_token) {
  std::int64_t before = 0;
  if (!page_token.empty() && (!absl::SimpleAtoi(page_token, &before) || before < 1)) {
    return rpc::FieldError("page_token", "is none of this list");
  }
  return before;
}

absl::Status CheckRequestId(const std::string& request_id) {
  const absl::Status status = CheckUuid("request_id", request_id);
  return status.ok() ? status : rpc::FieldError("request_id", "must be an UUIDv4 in lower case");
}

class ReplicationHandler final : public pb::ReplicationService::Service, public Handler {
 public:
  ReplicationHandler(pg::Pool& pool, Servers& servers, Points& points, Verifications& verifications)
      : pool_(pool),
        servers_(servers),
        points_(points),
        verifications_(verifications),
        watch_(pool) {}

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
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          if (!request->page_token().empty()) {
            RETURN_IF_ERROR(CheckId("page_token", "s-", request->page_token()));
          }
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
          ASSIGN_OR_RETURN(const std::vector<Server> servers,
                           store::ListServers(*connection, request->page_token(), size + 1));
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

  grpc::Status RequestPoint(grpc::ServerContext* context, const pb::RequestPointRequest* request,
                            pb::PointRequest* response) override {
    return rpc::Serve(
        context, "replication.RequestPoint", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
          store::PointRequest in{.id = request->request_id(),
                                 .quiesce = request->quiesce(),
                                 .stay_quiesced = request->stay_quiesced(),
                                 .description = request->description(),
                                 .timeout = kDefaultPointTimeout};
          ASSIGN_OR_RETURN(in.server_id, ServerId("parent", request->parent()));
          RETURN_IF_ERROR(CheckRequestId(in.id));
          RETURN_IF_ERROR(CheckText("description", in.description, 256));
          if (in.stay_quiesced && !in.quiesce) {
            return rpc::FieldError("stay_quiesced", "needs quiesce");
          }
          if (request->has_timeout()) {
            ASSIGN_OR_RETURN(in.timeout,
                             ToDuration("timeout", request->timeout(), kMostPointTimeout));
            if (in.timeout < absl::Seconds(1)) {
              return rpc::FieldError("timeout", "is less than 1 s");
            }
            in.timeout = absl::Ceil(in.timeout, absl::Seconds(1));
          }
          ASSIGN_OR_RETURN(const Points::Progress progress, points_.Request(in));
          WriteProgress(progress, response);
          return absl::OkStatus();
        });
  }

  grpc::Status GetPointRequest(grpc::ServerContext* context,
                               const pb::GetPointRequestRequest* request,
                               pb::PointRequest* response) override {
    return rpc::Serve(context, "replication.GetPointRequest", rpc::kReaders,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const ChildName name,
                                         ParseChild("name", "pointRequests", "", request->name()));
                        ASSIGN_OR_RETURN(const Points::Progress progress,
                                         points_.GetRequest(name.server_id, name.id));
                        WriteProgress(progress, response);
                        return absl::OkStatus();
                      });
  }

  grpc::Status GetPoint(grpc::ServerContext* context, const pb::GetPointRequestByName* request,
                        pb::Point* response) override {
    return rpc::Serve(
        context, "replication.GetPoint", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const ChildName name,
                           ParseChild("name", "points", "p-", request->name()));
          ASSIGN_OR_RETURN(const store::Point point, points_.Get(name.server_id, name.id));
          ToProto(point, response);
          return absl::OkStatus();
        });
  }

  grpc::Status ListPoints(grpc::ServerContext* context, const pb::ListPointsRequest* request,
                          pb::ListPointsResponse* response) override {
    return rpc::Serve(
        context, "replication.ListPoints", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string server, ServerId("parent", request->parent()));
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const std::int64_t before, NumberToken(request->page_token()));
          ASSIGN_OR_RETURN(const std::vector<store::Point> points,
                           points_.List(server, before, size + 1));
          for (int i = 0; i < std::min<int>(size, static_cast<int>(points.size())); ++i) {
            ToProto(points[static_cast<std::size_t>(i)], response->add_points());
          }
          if (static_cast<int>(points.size()) > size) {
            response->set_next_page_token(
                absl::StrCat(points[static_cast<std::size_t>(size) - 1].epoch));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status UpdatePoint(grpc::ServerContext* context, const pb::UpdatePointRequest* request,
                           pb::Point* response) override {
    return rpc::Serve(
        context, "replication.UpdatePoint", rpc::kWriters, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const ChildName name,
                           ParseChild("name", "points", "p-", request->name()));
          std::optional<std::string> description;
          std::optional<bool> pinned;
          if (request->has_description()) description = request->description();
          if (request->has_pinned()) pinned = request->pinned();
          RETURN_IF_ERROR(CheckText("description", request->description(), 256));
          ASSIGN_OR_RETURN(const store::Point point,
                           points_.Update(name.server_id, name.id, description, pinned));
          ToProto(point, response);
          return absl::OkStatus();
        });
  }

  grpc::Status DeletePoint(grpc::ServerContext* context, const pb::DeletePointRequest* request,
                           pb::DeletePointResponse*) override {
    return rpc::Serve(context, "replication.DeletePoint", rpc::kWriters,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const ChildName name,
                                         ParseChild("name", "points", "p-", request->name()));
                        return points_.Delete(name.server_id, name.id);
                      });
  }

  grpc::Status VerifyReplication(grpc::ServerContext* context,
                                 const pb::VerifyReplicationRequest* request,
                                 pb::Verification* response) override {
    return rpc::Serve(context, "replication.VerifyReplication", rpc::kWriters,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const std::string server,
                                         ServerId("parent", request->parent()));
                        RETURN_IF_ERROR(CheckRequestId(request->request_id()));
                        ASSIGN_OR_RETURN(const Verification verification,
                                         verifications_.Request(server, request->request_id()));
                        ToProto(verification, response);
                        return absl::OkStatus();
                      });
  }

  grpc::Status GetVerification(grpc::ServerContext* context,
                               const pb::GetVerificationRequest* request,
                               pb::Verification* response) override {
    return rpc::Serve(context, "replication.GetVerification", rpc::kReaders,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const ChildName name,
                                         ParseChild("name", "verifications", "", request->name()));
                        ASSIGN_OR_RETURN(const Verification verification,
                                         verifications_.Get(name.server_id, name.id));
                        ToProto(verification, response);
                        return absl::OkStatus();
                      });
  }

  grpc::Status ListVerifications(grpc::ServerContext* context,
                                 const pb::ListVerificationsRequest* request,
                                 pb::ListVerificationsResponse* response) override {
    return rpc::Serve(
        context, "replication.ListVerifications", rpc::kReaders,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string server, ServerId("parent", request->parent()));
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const std::int64_t before, NumberToken(request->page_token()));
          ASSIGN_OR_RETURN(std::vector<Verification> found,
                           verifications_.List(server, before, size + 1));
          if (static_cast<int>(found.size()) > size) {
            found.pop_back();
            response->set_next_page_token(absl::StrCat(found.back().ordinal));
          }
          for (const Verification& each : found) ToProto(each, response->add_verifications());
          return absl::OkStatus();
        });
  }

  grpc::Status CreateClone(grpc::ServerContext* context, const pb::CreateCloneRequest* request,
                           pb::Clone* response) override {
    return rpc::Serve(
        context, "replication.CreateClone", rpc::kWriters,
        [&](const rpc::Call& call) -> absl::Status {
          ASSIGN_OR_RETURN(const ChildName name,
                           ParseChild("point", "points", "p-", request->point()));
          RETURN_IF_ERROR(CheckRequestId(request->request_id()));
          const absl::Time until = std::min(call.deadline - kCloneMargin, absl::Now() + kCloneWait);
          ASSIGN_OR_RETURN(
              const store::Clone clone,
              points_.CreateClone(name.server_id, name.id, request->request_id(), until));
          ToProto(clone, response);
          return absl::OkStatus();
        });
  }

  grpc::Status DeleteClone(grpc::ServerContext* context, const pb::DeleteCloneRequest* request,
                           pb::DeleteCloneResponse*) override {
    return rpc::Serve(context, "replication.DeleteClone", rpc::kWriters,
                      [&](const rpc::Call&) -> absl::Status {
                        ASSIGN_OR_RETURN(const ChildName name,
                                         ParseChild("name", "clones", "c-", request->name()));
                        return points_.DeleteClone(name.server_id, name.id);
                      });
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
  Points& points_;
  Verifications& verifications_;
  ReplicationWatch watch_;
};

}  // namespace

std::unique_ptr<Handler> MakeReplicationHandler(pg::Pool& pool, Servers& servers, Points& points,
                                                Verifications& verifications) {
  return std::make_unique<ReplicationHandler>(pool, servers, points, verifications);
}

}  // namespace godwit::coordinator
