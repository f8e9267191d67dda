// preflight: will it boot, before anything is launched.
#include <memory>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/job_view.h"
#include "cli/views/preflight_view.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/serve.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;

struct Given {
  std::string profile, boot_mode;
  absl::Duration timeout = absl::Minutes(15);
};

// What the server's launch settings say, as far as nothing else was asked for.
absl::Status TakeSettings(Context& context, const Given& given,
                          jobs::v1::StartPreflightRequest* request) {
  registry::v1::GetSettingsRequest get;
  get.set_name(request->source_server());
  ASSIGN_OR_RETURN(const auto settings,
                   Call(context, &registry::v1::SourceServerService::Stub::GetLaunchSettings, get));
  request->set_profile(given.profile.empty() ? settings.profile() : given.profile);
  request->set_boot_mode(settings.boot_mode());
  request->set_windows_allow_unclean(settings.windows_allow_unclean());
  return absl::OkStatus();
}

absl::Status Run(Context& context, const Given& given, const std::string& server) {
  RETURN_IF_ERROR(context.Need("jobs"));
  RETURN_IF_ERROR(context.Need("conversion"));
  jobs::v1::StartPreflightRequest request;
  request.set_request_id(NewUuid());
  ASSIGN_OR_RETURN(*request.mutable_source_server(), ServerName(context, server));
  RETURN_IF_ERROR(TakeSettings(context, given, &request));
  if (!given.boot_mode.empty()) {
    ASSIGN_OR_RETURN(
        const int mode,
        ParseEnum("--boot-mode", jobs::v1::LaunchSettings::BootMode_descriptor(), given.boot_mode));
    request.set_boot_mode(static_cast<jobs::v1::LaunchSettings::BootMode>(mode));
  }
  ASSIGN_OR_RETURN(Job job, Call(context, &jobs::v1::JobService::Stub::StartPreflight, request));
  ASSIGN_OR_RETURN(job, WaitForJob(context, job.name(), given.timeout));
  if (job.state() != Job::SUCCEEDED || job.servers_size() != 1) {
    return rpc::WithInfo(OperationFailed(JobFailure(job)),
                         {.reason = "JOB_FAILED", .metadata = {{"job", job.name()}}});
  }
  conversion::v1::GetTaskRequest get;
  get.set_name(job.servers(0).conversion_task());
  ASSIGN_OR_RETURN(const auto task,
                   Call(context, &conversion::v1::ConversionService::Stub::GetTask, get));
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context, task));
  } else {
    PrintPreflight(task, server, job.servers(0).point(), context.out());
  }
  const std::string failure = PreflightFailure(task);
  if (failure.empty()) return absl::OkStatus();
  return rpc::WithInfo(OperationFailed(failure),
                       {.reason = task.unfinished() ? "NOT_COMPLETE" : "WILL_NOT_BOOT",
                        .metadata = {{"task", task.name()}}});
}

}  // namespace

std::vector<Command> PreflightCommands() {
  auto given = std::make_shared<Given>();
  return {
      {.words = "preflight",
       .arguments = "SERVER",
       .purpose = "whether its copy will boot on each target profile, and why not",
       .least = 1,
       .most = 1,
       .options =
           [given](Options& options) {
             options.String("profile", &given->profile, "PROFILE",
                            "what it is to be launched on [as its launch settings say]");
             options.String("boot-mode", &given->boot_mode, "MODE",
                            "use-source, legacy-bios or uefi [as its launch settings say]");
             options.Duration("timeout", &given->timeout, "longest wait");
           },
       .run = [given](Context& context, const Options&,
                      const Arguments& arguments) { return Run(context, *given, arguments[0]); }}};
}

}  // namespace godwit::cli
