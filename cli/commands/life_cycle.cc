#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/server_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::FinalizeRequest;
using registry::v1::ServerVerbRequest;
using registry::v1::SourceServer;
using registry::v1::SourceServerService;
using registry::v1::StartLaunchRequest;

using LaunchMethod = grpc::Status (SourceServerService::Stub::*)(grpc::ClientContext*,
                                                                 const StartLaunchRequest&,
                                                                 jobs::v1::Job*);
template <typename Request>
using VerbMethod = grpc::Status (SourceServerService::Stub::*)(grpc::ClientContext*, const Request&,
                                                               SourceServer*);

absl::Status PrintAnswer(Context& context, const SourceServer& server, bool one_line) {
  if (context.json()) return PrintJson(context, server, one_line);
  context.out() << ServerLine(server) << std::endl;
  return absl::OkStatus();
}

// A verb that answers with a job. `method` may take a point when `with_point`.
Command Launch(std::string words, std::string purpose, LaunchMethod method, bool with_point) {
  struct Given {
    std::string point;
    WaitOptions wait;
  };
  auto given = std::make_shared<Given>();
  return {.words = std::move(words),
          .arguments = "SERVER...",
          .purpose = std::move(purpose),
          .least = 1,
          .most = kAnyNumber,
          .options =
              [given, with_point](Options& options) {
                if (with_point) {
                  options.String("point", &given->point, "POINT",
                                 "this point instead of a fresh one (one server only)");
                }
                given->wait.AddTo(options);
              },
          .run = [given, method](Context& context, const Options& options,
                                 const Arguments& arguments) -> absl::Status {
            RETURN_IF_ERROR(given->wait.Check(context, options, "jobs"));
            StartLaunchRequest request;
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(const std::vector<std::string> names, ServerNames(context, arguments));
            request.mutable_names()->Assign(names.begin(), names.end());
            if (!given->point.empty()) {
              if (names.size() != 1)
                return absl::InvalidArgumentError("--point: only with one server");
              ASSIGN_OR_RETURN(*request.mutable_point(), PointName(names[0], given->point));
            }
            ASSIGN_OR_RETURN(jobs::v1::Job job, Call(context, method, request));
            return ShowJob(context, std::move(job), given->wait);
          }};
}

// One call a server, in order; the first refusal ends it.
template <typename Request>
absl::Status ForEachServer(Context& context, const Arguments& arguments, const Request& prototype,
                           VerbMethod<Request> method) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ServerNames(context, arguments));
  for (const std::string& name : names) {
    context.set_subject(name);
    Request request = prototype;
    request.set_name(name);
    request.set_request_id(NewUuid());
    ASSIGN_OR_RETURN(const SourceServer server, Call(context, method, request));
    RETURN_IF_ERROR(PrintAnswer(context, server, names.size() > 1));
  }
  return absl::OkStatus();
}

Command Verb(std::string words, std::string purpose, VerbMethod<ServerVerbRequest> method) {
  return {.words = std::move(words),
          .arguments = "SERVER...",
          .purpose = std::move(purpose),
          .least = 1,
          .most = kAnyNumber,
          .run = [method](Context& context, const Options&, const Arguments& arguments) {
            return ForEachServer(context, arguments, ServerVerbRequest(), method);
          }};
}

Command End(std::string words, std::string purpose, VerbMethod<FinalizeRequest> method) {
  auto keep_agent = std::make_shared<bool>(false);
  return {.words = std::move(words),
          .arguments = "SERVER...",
          .purpose = std::move(purpose),
          .least = 1,
          .most = kAnyNumber,
          .options =
              [keep_agent](Options& options) {
                options.Bool("keep-agent", keep_agent.get(),
                             "leave the agent installed, but stopped");
              },
          .run =
              [keep_agent, method](Context& context, const Options&, const Arguments& arguments) {
                FinalizeRequest prototype;
                prototype.set_keep_agent(*keep_agent);
                return ForEachServer(context, arguments, prototype, method);
              }};
}

// One step back from the state the server is in.
absl::StatusOr<VerbMethod<ServerVerbRequest>> RevertMethod(Context& context,
                                                           const std::string& name,
                                                           const std::string& to) {
  if (to == "ready-for-cutover") return &SourceServerService::Stub::RevertCutover;
  if (to == "ready-for-test") return &SourceServerService::Stub::RevertToReadyForTest;
  if (!to.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--to: ", to, " is neither ready-for-test nor ready-for-cutover"));
  }
  registry::v1::GetSourceServerRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(const SourceServer server,
                   Call(context, &SourceServerService::Stub::GetSourceServer, request));
  if (server.lifecycle_state() == SourceServer::CUTTING_OVER)
    return &SourceServerService::Stub::RevertCutover;
  return &SourceServerService::Stub::RevertToReadyForTest;
}

Command Revert() {
  auto to = std::make_shared<std::string>();
  return {
      .words = "revert",
      .arguments = "SERVER",
      .purpose = "one step back in the life cycle",
      .least = 1,
      .most = 1,
      .options =
          [to](Options& options) {
            options.String("to", to.get(), "STATE",
                           "ready-for-test or ready-for-cutover [follows from the state]");
          },
      .run = [to](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string name, ServerName(context, arguments[0]));
        ASSIGN_OR_RETURN(const auto method, RevertMethod(context, name, *to));
        return ForEachServer(context, {name}, ServerVerbRequest(), method);
      }};
}

}  // namespace

std::vector<Command> LifeCycleCommands() {
  using Stub = SourceServerService::Stub;
  return {
      Launch("test", "launches test machines", &Stub::StartTest, true),
      Verb("mark-ready", "the tester accepted: ready for cutover", &Stub::MarkReadyForCutover),
      Revert(),
      Launch("cutover", "launches the machines that take over", &Stub::StartCutover, true),
      End("finalize", "ends replication; the undo window begins", &Stub::FinalizeCutover),
      End("disconnect", "takes a server out of service", &Stub::DisconnectFromService),
      Verb("archive", "hides a finished server", &Stub::Archive),
      Verb("unarchive", "shows an archived server again", &Stub::Unarchive),
      Launch("terminate", "removes launched machines", &Stub::TerminateTargetInstances, false),
  };
}

}  // namespace godwit::cli
