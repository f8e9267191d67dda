#include "cli/job_wait.h"

#include <map>
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/views/job_view.h"
#include "cli/watch.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;

// Says a line for every step that began or ended since the last message.
class StepLines {
 public:
  explicit StepLines(Progress& progress) : progress_(progress) {}

  void See(const Job& job) {
    for (const auto& server : job.servers()) {
      for (const JobStep& step : server.steps()) {
        int& known = states_[{server.source_server(), step.step()}];
        if (known == step.state()) continue;
        known = step.state();
        if (step.state() != JobStep::WAITING && step.state() != JobStep::RUNNING)
          Say(server.source_server(), step);
      }
    }
  }

 private:
  void Say(const std::string& server, const JobStep& step) {
    std::string text =
        absl::StrCat(ShortName(server), "  ", step.step(), "  ", EnumWord(step.state()));
    if (step.has_start_time() && step.has_end_time()) {
      absl::StrAppend(&text, " after ", Span(ToTime(step.end_time()) - ToTime(step.start_time())));
    }
    if (!step.message().empty()) absl::StrAppend(&text, ": ", step.message());
    progress_.Line(text);
  }

  Progress& progress_;
  std::map<std::pair<std::string, std::string>, int> states_;
};

absl::Status StillRunning(const Job& job, const std::string& name, absl::Duration timeout) {
  return rpc::WithInfo(
      absl::DeadlineExceededError(absl::StrCat(ShortName(name), " is ", EnumWord(job.state()),
                                               " after ", Span(timeout), "; it goes on")),
      {.reason = "WAIT_OVER", .metadata = {{"job", name}}});
}

}  // namespace

void WaitOptions::AddTo(Options& options) {
  options.Bool("wait", &wait, "stay until it ended");
  options.Duration("timeout", &timeout, "longest wait; only with --wait");
}

absl::Status WaitOptions::Check(const Context& context, const Options& options,
                                absl::string_view service) const {
  if (!wait) {
    return options.Given("timeout")
               ? absl::InvalidArgumentError("--timeout: only together with --wait")
               : absl::OkStatus();
  }
  if (timeout <= absl::ZeroDuration())
    return absl::InvalidArgumentError("--timeout: must be longer than 0");
  return context.Need(service);
}

absl::StatusOr<Job> WaitForJob(Context& context, const std::string& name, absl::Duration timeout) {
  jobs::v1::WatchJobRequest request;
  request.set_name(name);
  Job last;
  Progress progress(context);
  StepLines lines(progress);
  const absl::Status watched =
      WatchStates(context, &jobs::v1::JobService::Stub::WatchJob, request,
                  context.clock().Monotonic() + timeout, &Job::etag,
                  std::function<bool(const Job&)>([&](const Job& job) {
                    last = job;
                    lines.See(job);
                    if (Ended(job)) return false;
                    progress.Show(absl::StrCat(ShortName(name), " ", EnumWord(job.state())),
                                  JobNow(job), JobFraction(job));
                    return true;
                  }));
  if (absl::IsDeadlineExceeded(watched)) return StillRunning(last, name, timeout);
  RETURN_IF_ERROR(watched);
  return last;
}

absl::Status ShowJob(Context& context, Job job, const WaitOptions& wait) {
  if (wait.wait) {
    context.err() << ShortName(job.name()) << " " << EnumWord(job.type()) << " began" << std::endl;
    ASSIGN_OR_RETURN(job, WaitForJob(context, job.name(), wait.timeout));
  }
  if (context.json()) {
    RETURN_IF_ERROR(PrintJson(context, job));
  } else if (wait.wait || Ended(job)) {
    PrintJob(job, context.out());
  } else {
    context.out() << ShortName(job.name()) << " " << EnumWord(job.type()) << " "
                  << EnumWord(job.state()) << "\nfollow it with: godwit jobs watch "
                  << ShortName(job.name()) << std::endl;
  }
  if (job.state() != Job::FAILED && job.state() != Job::CANCELLED) return absl::OkStatus();
  return rpc::WithInfo(OperationFailed(JobFailure(job)),
                       {.reason = "JOB_FAILED", .metadata = {{"job", job.name()}}});
}

}  // namespace godwit::cli
