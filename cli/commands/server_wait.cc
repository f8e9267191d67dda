#include "cli/commands/server_wait.h"

#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/replication_view.h"
#include "cli/views/server_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::SourceServer;
using replication::v1::Replication;

constexpr absl::Duration kPoll = absl::Seconds(1);

// Whether a server in `state` can no longer come to `wanted` by itself.
bool IsHopeless(const SourceServer& server, SourceServer::LifecycleState wanted) {
  const SourceServer::LifecycleState state = server.lifecycle_state();
  if (state == wanted) return false;
  if (state == SourceServer::DISCONNECTED) return true;
  return state == SourceServer::CUTOVER && wanted != SourceServer::DISCONNECTED;
}

// Shows where the replication stands; silence when the coordinator does not answer (the next poll
// may).
void ShowReplication(Context& context, const SourceServer& server, Progress& progress) {
  std::string phase = EnumWord(server.lifecycle_state());
  replication::v1::GetReplicationRequest request;
  request.set_name(absl::StrCat(server.name(), "/replication"));
  if (context.Knows("replication")) {
    const auto replication =
        Call(context, &replication::v1::ReplicationService::Stub::GetReplication, request,
             absl::ZeroDuration());
    if (replication.ok()) {
      absl::StrAppend(&phase, ", ", EnumWord(replication->state()));
      const bool syncing = replication->state() == Replication::INITIAL_SYNC;
      progress.Show(phase, ReplicationFigures(*replication, context.clock().Now()),
                    syncing ? InitialSyncFraction(*replication) : -1);
      return;
    }
  }
  progress.Show(phase, "", -1);
}

absl::Status Wait(Context& context, const std::string& name, SourceServer::LifecycleState wanted,
                  absl::Duration timeout) {
  registry::v1::GetSourceServerRequest request;
  request.set_name(name);
  const absl::Duration deadline = context.clock().Monotonic() + timeout;
  Progress progress(context);
  absl::Duration lost = absl::InfiniteDuration();  // when the registry stopped answering
  while (true) {
    const auto server = Call(context, &registry::v1::SourceServerService::Stub::GetSourceServer,
                             request, absl::ZeroDuration());
    const absl::Duration now = context.clock().Monotonic();
    const bool again =
        absl::IsUnavailable(server.status()) && now < std::min(lost, now) + absl::Minutes(1);
    if (!server.ok() && !again) return server.status();
    lost = server.ok() ? absl::InfiniteDuration() : std::min(lost, now);
    if (server.ok()) {
      if (server->lifecycle_state() == wanted) {
        if (context.json()) return PrintJson(context, *server);
        context.out() << ServerLine(*server) << std::endl;
        return absl::OkStatus();
      }
      if (IsHopeless(*server, wanted)) {
        return OperationFailed(absl::StrCat(ShortName(name), " is ",
                                            EnumWord(server->lifecycle_state()),
                                            " and will not become ", EnumWord(wanted)));
      }
      ShowReplication(context, *server, progress);
    }
    if (now >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(ShortName(name), " is not ", EnumWord(wanted), " after ", Span(timeout)));
    }
    context.clock().Sleep(std::min(kPoll, deadline - now));
  }
}

}  // namespace

Command ServerWait() {
  struct Given {
    std::string state = "READY_FOR_TEST";
    absl::Duration timeout = absl::Hours(1);
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "servers wait",
      .arguments = "SERVER",
      .purpose = "waits for a life-cycle state, showing the progress of initial sync",
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.String("state", &given->state, "STATE",
                           "the state to wait for [READY_FOR_TEST]");
            options.Duration("timeout", &given->timeout, "longest wait");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(
            const int state,
            ParseEnum("state", SourceServer::LifecycleState_descriptor(), given->state));
        ASSIGN_OR_RETURN(const std::string name, ServerName(context, arguments[0]));
        return Wait(context, name, static_cast<SourceServer::LifecycleState>(state),
                    given->timeout);
      }};
}

}  // namespace godwit::cli
