#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/commands.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/launch_verbs.h"
#include "services/registry/rpc/server_reads.h"
#include "services/registry/rpc/settings_calls.h"
#include "services/registry/rpc/verbs.h"
#include "services/registry/rpc/watch.h"

namespace godwit::registry {
namespace {

using Context = grpc::ServerContext;

constexpr absl::Duration kDefaultUndoWindow = absl::Hours(72);

Verb VerbOf(Event event, const pb::ServerVerbRequest& request) {
  return {.event = event,
          .name = request.name(),
          .etag = request.etag(),
          .request_id = request.request_id(),
          .request = &request};
}

absl::StatusOr<absl::Duration> UndoWindow(const SourceServer& server) {
  pb::ReplicationSettings settings;
  RETURN_IF_ERROR(FromJson(server.replication_settings, &settings));
  return settings.has_undo_window() ? DurationOf(settings.undo_window()) : kDefaultUndoWindow;
}

// Watching is a callback reactor: streams are many and mostly idle.
using Base = pb::SourceServerService::WithCallbackMethod_WatchSourceServers<
    pb::SourceServerService::Service>;

class SourceServerHandler final : public Base {
 public:
  explicit SourceServerHandler(Backend& backend) : backend_(backend) {}

  grpc::ServerWriteReactor<pb::SourceServer>* WatchSourceServers(
      grpc::CallbackServerContext* context, const pb::WatchSourceServersRequest* request) override {
    return StartWatch(*context, backend_.watch_hub, *request);
  }

  grpc::Status GetReplicationSettings(Context* context, const pb::GetSettingsRequest* request,
                                      pb::ReplicationSettings* response) override {
    return rpc::Serve(context, "SourceServerService.GetReplicationSettings", rpc::kReaders,
                      [&](const rpc::Call&) {
                        return registry::GetReplicationSettings(backend_, *request, response);
                      });
  }
  grpc::Status GetLaunchSettings(Context* context, const pb::GetSettingsRequest* request,
                                 jobs_pb::LaunchSettings* response) override {
    return rpc::Serve(context, "SourceServerService.GetLaunchSettings", rpc::kReaders,
                      [&](const rpc::Call&) {
                        return registry::GetLaunchSettings(backend_, *request, response);
                      });
  }
  grpc::Status UpdateReplicationSettings(Context* context,
                                         const pb::UpdateReplicationSettingsRequest* request,
                                         pb::ReplicationSettings* response) override {
    return ServeUpdateReplicationSettings(context, backend_, *request, response);
  }
  grpc::Status UpdateLaunchSettings(Context* context,
                                    const pb::UpdateLaunchSettingsRequest* request,
                                    jobs_pb::LaunchSettings* response) override {
    return ServeUpdateLaunchSettings(context, backend_, *request, response);
  }

  grpc::Status GetSourceServer(Context* context, const pb::GetSourceServerRequest* request,
                               pb::SourceServer* response) override {
    return rpc::Serve(context, "SourceServerService.GetSourceServer", rpc::kReaders,
                      [&](const rpc::Call&) { return GetServer(backend_, *request, response); });
  }
  grpc::Status ListSourceServers(Context* context, const pb::ListSourceServersRequest* request,
                                 pb::ListSourceServersResponse* response) override {
    return rpc::Serve(
        context, "SourceServerService.ListSourceServers", rpc::kReaders,
        [&](const rpc::Call& call) { return ListServers(backend_, call, *request, response); });
  }
  grpc::Status ListServerHistory(Context* context, const pb::ListServerHistoryRequest* request,
                                 pb::ListServerHistoryResponse* response) override {
    return rpc::Serve(context, "SourceServerService.ListServerHistory", rpc::kReaders,
                      [&](const rpc::Call&) { return ListHistory(backend_, *request, response); });
  }
  grpc::Status CreateSourceServer(Context* context, const pb::CreateSourceServerRequest* request,
                                  pb::SourceServer* response) override {
    return ServeCreateServer(context, backend_, *request, response);
  }
  grpc::Status UpdateSourceServer(Context* context, const pb::UpdateSourceServerRequest* request,
                                  pb::SourceServer* response) override {
    return ServeUpdateServer(context, backend_, *request, response);
  }
  grpc::Status DeleteSourceServer(Context* context, const pb::DeleteSourceServerRequest* request,
                                  pb::DeleteSourceServerResponse* response) override {
    return ServeDeleteServer(context, backend_, *request, response);
  }

  grpc::Status StartTest(Context* context, const pb::StartLaunchRequest* request,
                         jobs_pb::Job* response) override {
    return ServeLaunch(context, backend_, Event::kStartTest, *request, response);
  }
  grpc::Status StartCutover(Context* context, const pb::StartLaunchRequest* request,
                            jobs_pb::Job* response) override {
    return ServeLaunch(context, backend_, Event::kStartCutover, *request, response);
  }
  grpc::Status TerminateTargetInstances(Context* context, const pb::StartLaunchRequest* request,
                                        jobs_pb::Job* response) override {
    return ServeLaunch(context, backend_, Event::kTerminateTargetInstances, *request, response);
  }

  grpc::Status MarkReadyForCutover(Context* context, const pb::ServerVerbRequest* request,
                                   pb::SourceServer* response) override {
    return ServeVerb(context, backend_, VerbOf(Event::kMarkReadyForCutover, *request), response);
  }
  grpc::Status RevertToReadyForTest(Context* context, const pb::ServerVerbRequest* request,
                                    pb::SourceServer* response) override {
    return ServeVerb(context, backend_, VerbOf(Event::kRevertToReadyForTest, *request), response);
  }
  grpc::Status RevertCutover(Context* context, const pb::ServerVerbRequest* request,
                             pb::SourceServer* response) override {
    return ServeVerb(context, backend_, VerbOf(Event::kRevertCutover, *request), response);
  }
  grpc::Status Archive(Context* context, const pb::ServerVerbRequest* request,
                       pb::SourceServer* response) override {
    return ServeVerb(context, backend_, VerbOf(Event::kArchive, *request), response);
  }
  grpc::Status Unarchive(Context* context, const pb::ServerVerbRequest* request,
                         pb::SourceServer* response) override {
    return ServeVerb(context, backend_, VerbOf(Event::kUnarchive, *request), response);
  }
  grpc::Status FinalizeCutover(Context* context, const pb::FinalizeRequest* request,
                               pb::SourceServer* response) override {
    return End(context, Event::kFinalizeCutover, *request, response);
  }
  grpc::Status DisconnectFromService(Context* context, const pb::FinalizeRequest* request,
                                     pb::SourceServer* response) override {
    return End(context, Event::kDisconnectFromService, *request, response);
  }

  grpc::Status StartReplication(Context* context, const pb::ServerVerbRequest* request,
                                pb::SourceServer* response) override {
    Verb verb = VerbOf(Event::kStartReplication, *request);
    verb.command = [](pg::Connection& connection, const SourceServer&, const SourceServer& after) {
      return EnqueueStartServer(connection, after.id);
    };
    return ServeVerb(context, backend_, verb, response);
  }
  grpc::Status StopReplication(Context* context, const pb::ServerVerbRequest* request,
                               pb::SourceServer* response) override {
    Verb verb = VerbOf(Event::kStopReplication, *request);
    verb.precheck = [this](const SourceServer& server) { return CheckCutoverJobEnded(server); };
    verb.command = [](pg::Connection& connection, const SourceServer&, const SourceServer& after) {
      return EnqueueEndServer(connection, after.id, {.stop_only = true, .keep_agent = true});
    };
    return ServeVerb(context, backend_, verb, response);
  }

 private:
  // The machine that takes over hangs on staging until its job has ended, even when it runs
  // already.
  absl::Status CheckCutoverJobEnded(const SourceServer& server) {
    if (server.lifecycle != Lifecycle::kCuttingOver || server.last_cutover.job.empty()) {
      return absl::OkStatus();
    }
    const std::string name = absl::StrCat("jobs/", server.last_cutover.job);
    const absl::StatusOr<std::string> bytes = backend_.sender.FetchJob(name);
    if (absl::IsNotFound(bytes.status())) return absl::OkStatus();  // only ended jobs are deleted
    jobs_pb::Job job;
    if (!bytes.ok() || !job.ParseFromString(*bytes)) {
      return absl::UnavailableError(absl::StrCat(
          "whether ", name, " has ended is not known: ", bytes.status().message(), "; try again"));
    }
    if (job.state() == jobs_pb::Job::SUCCEEDED || job.state() == jobs_pb::Job::FAILED ||
        job.state() == jobs_pb::Job::CANCELLED) {
      return absl::OkStatus();
    }
    return rpc::WithInfo(
        absl::FailedPreconditionError(absl::StrCat("sourceServers/", server.id, ": ", name,
                                                   " has not ended; wait for it or cancel it")),
        {.reason = "LAUNCH_UNDER_WAY",
         .domain = "registry",
         .metadata = {{"server", absl::StrCat("sourceServers/", server.id)},
                      {"job", name},
                      {"helpful_call", "WatchJob"}}});
  }

  // An action of the launch that had to succeed and did not stands in the way of the end.
  static absl::Status CheckActions(const SourceServer& server) {
    jobs_pb::LaunchedMachine machine;
    if (server.machine.empty() || !FromJson(server.machine, &machine).ok()) return absl::OkStatus();
    for (const jobs_pb::ActionResult& action : machine.actions()) {
      if (!action.blocks_cutover()) continue;
      return rpc::WithInfo(absl::FailedPreconditionError(absl::StrCat(
                               "sourceServers/", server.id, ": post-launch action ",
                               action.action_id(), " must succeed and failed (", action.message(),
                               "); mend its cause and start the cutover again, or revert it")),
                           {.reason = "POST_LAUNCH_ACTION_FAILED",
                            .domain = "registry",
                            .metadata = {{"server", absl::StrCat("sourceServers/", server.id)},
                                         {"action", action.action_id()},
                                         {"helpful_call", "RevertCutover"}}});
    }
    return absl::OkStatus();
  }

  // The server leaves the service: its agent is released, staging goes after the undo window.
  grpc::Status End(Context* context, Event event, const pb::FinalizeRequest& request,
                   pb::SourceServer* response) {
    const auto command = [&request](pg::Connection& connection, const SourceServer& before,
                                    const SourceServer& after) -> absl::StatusOr<std::string> {
      if (before.public_key_hash.empty()) return std::string();  // no agent ever
      ASSIGN_OR_RETURN(const absl::Duration undo_window, UndoWindow(after));
      return EnqueueEndServer(connection, after.id,
                              {.keep_agent = request.keep_agent(), .undo_window = undo_window});
    };
    return ServeVerb(context, backend_,
                     {.event = event,
                      .name = request.name(),
                      .etag = request.etag(),
                      .request_id = request.request_id(),
                      .request = &request,
                      .precheck = [this, event](const SourceServer& server) -> absl::Status {
                        RETURN_IF_ERROR(CheckCutoverJobEnded(server));
                        const bool ends = event == Event::kFinalizeCutover &&
                                          server.lifecycle == Lifecycle::kCuttingOver;
                        return ends ? CheckActions(server) : absl::OkStatus();
                      },
                      .command = command},
                     response);
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSourceServerHandler(Backend& backend) {
  return std::make_unique<SourceServerHandler>(backend);
}

}  // namespace godwit::registry
