#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/replication_view.h"
#include "cli/views/server_view.h"
#include "cli/watch.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::ServerVerbRequest;
using registry::v1::SourceServer;
using registry::v1::SourceServerService;
using replication::v1::Replication;
using replication::v1::ReplicationService;
using replication::v1::ReplicationVerbRequest;

using CoordinatorMethod = grpc::Status (ReplicationService::Stub::*)(grpc::ClientContext*,
                                                                     const ReplicationVerbRequest&,
                                                                     Replication*);
using RegistryMethod = grpc::Status (SourceServerService::Stub::*)(grpc::ClientContext*,
                                                                   const ServerVerbRequest&,
                                                                   SourceServer*);

Command List() {
  return {.words = "replication list",
          .purpose = "state, lag, backlog, worker of all servers",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &ReplicationService::Stub::ListReplications,
                                          replication::v1::ListReplicationsRequest()));
            if (context.json()) return PrintJson(context, list);
            PrintReplications(list, HostNames(context), context.clock().Now(), context.out());
            return absl::OkStatus();
          }};
}

Command Get() {
  return {.words = "replication get",
          .arguments = "SERVER",
          .purpose = "everything about the replication of one server",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            replication::v1::GetReplicationRequest request;
            request.set_name(absl::StrCat(server, "/replication"));
            ASSIGN_OR_RETURN(const Replication replication,
                             Call(context, &ReplicationService::Stub::GetReplication, request));
            if (context.json()) return PrintJson(context, replication);
            PrintReplication(replication, context.clock().Now(), context.out());
            return absl::OkStatus();
          }};
}

// pause, resume, retry: asked of the coordinator.
Command OfCoordinator(std::string verb, std::string purpose, CoordinatorMethod method) {
  return {.words = absl::StrCat("replication ", verb),
          .arguments = "SERVER",
          .purpose = std::move(purpose),
          .least = 1,
          .most = 1,
          .run = [method](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            ReplicationVerbRequest request;
            request.set_name(absl::StrCat(server, "/replication"));
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(const Replication replication, Call(context, method, request));
            if (context.json()) return PrintJson(context, replication);
            context.out() << ReplicationLine(replication, context.clock().Now()) << std::endl;
            return absl::OkStatus();
          }};
}

// start, stop: changes of the life cycle.
Command OfRegistry(std::string verb, std::string purpose, RegistryMethod method) {
  return {.words = absl::StrCat("replication ", verb),
          .arguments = "SERVER",
          .purpose = std::move(purpose),
          .least = 1,
          .most = 1,
          .run = [method](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            ServerVerbRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(const SourceServer server, Call(context, method, request));
            if (context.json()) return PrintJson(context, server);
            context.out() << ServerLine(server) << std::endl;
            return absl::OkStatus();
          }};
}

Command WatchReplications() {
  return {.words = "replication watch",
          .arguments = "[SERVER...]",
          .purpose = "a line for every change, until interrupted",
          .most = kAnyNumber,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            replication::v1::WatchReplicationsRequest request;
            ASSIGN_OR_RETURN(const std::vector<std::string> names, ServerNames(context, arguments));
            for (const std::string& name : names)
              request.add_names(absl::StrCat(name, "/replication"));
            request.set_show_deleted(true);
            absl::Status printed;
            const absl::Status watched =
                WatchStates(
                    context, &ReplicationService::Stub::WatchReplications, request,
                    absl::InfiniteDuration(), &Replication::watch_token,
                    std::function<bool(const Replication&)>([&](const Replication& replication) {
                      const absl::Time now = context.clock().Now();
                      if (context.json()) {
                        printed = PrintJson(context, replication, true);
                      } else {
                        context.out()
                            << absl::FormatTime("%H:%M:%SZ  ", now, absl::UTCTimeZone())
                            << (replication.deleted()
                                    ? absl::StrCat(ShortName(ServerOf(replication.name())), " gone")
                                    : ReplicationLine(replication, now))
                            << std::endl;
                      }
                      return printed.ok() && context.out().good();
                    }));
            return printed.ok() ? watched : printed;
          }};
}

}  // namespace

std::vector<Command> ReplicationCommands() {
  using Coordinator = ReplicationService::Stub;
  using Registry = SourceServerService::Stub;
  return {
      List(),
      Get(),
      OfCoordinator("pause", "stops sending; changes are remembered",
                    &Coordinator::PauseReplication),
      OfCoordinator("resume", "goes on after a pause", &Coordinator::ResumeReplication),
      OfCoordinator("retry", "leaves a stall at once", &Coordinator::RetryReplication),
      OfRegistry("start", "begins anew, with a full initial sync", &Registry::StartReplication),
      OfRegistry("stop", "removes staging; agent and settings stay", &Registry::StopReplication),
      WatchReplications(),
  };
}

}  // namespace godwit::cli
