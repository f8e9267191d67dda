// jobs retry.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using registry::v1::SourceServerService;
using registry::v1::StartLaunchRequest;

absl::StatusOr<Job> StartAgain(Context& context, const Job& job) {
  StartLaunchRequest request;
  request.set_request_id(NewUuid());
  request.set_failed_of(job.name());
  switch (job.type()) {
    case Job::TEST_LAUNCH:
      return Call(context, &SourceServerService::Stub::StartTest, request);
    case Job::CUTOVER_LAUNCH:
      return Call(context, &SourceServerService::Stub::StartCutover, request);
    case Job::TERMINATE:
      return Call(context, &SourceServerService::Stub::TerminateTargetInstances, request);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(ShortName(job.name()), ": jobs of kind ", EnumWord(job.type()),
                       " are begun anew by the command that began them"));
  }
}

Command Retry() {
  auto wait = std::make_shared<WaitOptions>();
  return {.words = "jobs retry",
          .arguments = "JOB",
          .purpose = "a new job of the same kind for those of its servers that failed",
          .least = 1,
          .most = 1,
          .options = [wait](Options& options) { wait->AddTo(options); },
          .run = [wait](Context& context, const Options& options,
                        const Arguments& arguments) -> absl::Status {
            RETURN_IF_ERROR(wait->Check(context, options, "jobs"));
            jobs::v1::GetJobRequest get;
            ASSIGN_OR_RETURN(*get.mutable_name(), JobName(arguments[0]));
            ASSIGN_OR_RETURN(const Job job,
                             Call(context, &jobs::v1::JobService::Stub::GetJob, get));
            ASSIGN_OR_RETURN(Job started, StartAgain(context, job));
            return ShowJob(context, std::move(started), *wait);
          }};
}

}  // namespace

std::vector<Command> RetryCommands() { return {Retry()}; }

}  // namespace godwit::cli
