#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/commands/console.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/job_view.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using jobs::v1::JobService;

constexpr absl::Duration kPoll = absl::Seconds(1);
constexpr int kPageSize = 500;

absl::StatusOr<Job> ReadJob(Context& context, const std::string& name) {
  jobs::v1::GetJobRequest request;
  request.set_name(name);
  return Call(context, &JobService::Stub::GetJob, request);
}

Command List() {
  struct Given {
    std::string server;
    bool active = false;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "jobs list",
      .purpose = "jobs, newest first",
      .options =
          [given](Options& options) {
            options.String("server", &given->server, "SERVER", "only jobs with this server");
            options.Bool("active", &given->active, "only jobs that have not ended");
          },
      .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
        jobs::v1::ListJobsRequest request;
        request.set_active_only(given->active);
        if (!given->server.empty()) {
          ASSIGN_OR_RETURN(*request.mutable_source_server(), ServerName(context, given->server));
        }
        ASSIGN_OR_RETURN(const auto list,
                         CallAllPages(context, &JobService::Stub::ListJobs, request));
        if (context.json()) return PrintJson(context, list);
        PrintJobs(list,
                  list.jobs().empty() ? std::map<std::string, std::string>() : HostNames(context),
                  context.out());
        return absl::OkStatus();
      }};
}

Command Get() {
  return {.words = "jobs get",
          .arguments = "JOB",
          .purpose = "servers, steps, machines, errors",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string name, JobName(arguments[0]));
            ASSIGN_OR_RETURN(const Job job, ReadJob(context, name));
            if (context.json()) return PrintJson(context, job);
            PrintJob(job, context.out());
            return absl::OkStatus();
          }};
}

// Prints the items after `token`, moving it to where the next ones come.
absl::Status PrintNewItems(Context& context, const std::string& job, std::int64_t& last_sequence) {
  jobs::v1::ListJobLogItemsRequest request;
  request.set_name(job);
  request.set_page_size(kPageSize);
  ASSIGN_OR_RETURN(const auto list,
                   CallAllPages(context, &JobService::Stub::ListJobLogItems, request));
  for (const auto& item : list.items()) {
    if (item.sequence() <= last_sequence) continue;
    last_sequence = item.sequence();
    if (context.json()) {
      RETURN_IF_ERROR(PrintJson(context, item, true));
    } else {
      context.out() << LogLine(item) << std::endl;
    }
  }
  return absl::OkStatus();
}

absl::Status FollowLog(Context& context, const std::string& name) {
  std::int64_t last_sequence = 0;
  while (true) {
    // The state is read first: what was logged until it ended is then printed too.
    ASSIGN_OR_RETURN(const Job job, ReadJob(context, name));
    RETURN_IF_ERROR(PrintNewItems(context, name, last_sequence));
    if (Ended(job)) return absl::OkStatus();
    context.clock().Sleep(kPoll);
  }
}

Command Log() {
  auto follow = std::make_shared<bool>(false);
  return {
      .words = "jobs log",
      .arguments = "JOB",
      .purpose = "the job's events",
      .least = 1,
      .most = 1,
      .options =
          [follow](Options& options) { options.Bool("follow", follow.get(), "until it ended"); },
      .run = [follow](Context& context, const Options&,
                      const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string name, JobName(arguments[0]));
        if (*follow) return FollowLog(context, name);
        if (!context.json()) {
          std::int64_t last_sequence = 0;
          return PrintNewItems(context, name, last_sequence);
        }
        jobs::v1::ListJobLogItemsRequest request;
        request.set_name(name);
        ASSIGN_OR_RETURN(const auto list,
                         CallAllPages(context, &JobService::Stub::ListJobLogItems, request));
        return PrintJson(context, list);
      }};
}

Command WatchUntilEnd() {
  auto wait = std::make_shared<WaitOptions>(WaitOptions{.wait = true});
  return {
      .words = "jobs watch",
      .arguments = "JOB",
      .purpose = "progress until it ended; ends with 1 when the job failed or was cancelled",
      .least = 1,
      .most = 1,
      .options =
          [wait](Options& options) { options.Duration("timeout", &wait->timeout, "longest wait"); },
      .run = [wait](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string name, JobName(arguments[0]));
        ASSIGN_OR_RETURN(Job job, WaitForJob(context, name, wait->timeout));
        return ShowJob(context, std::move(job), {});
      }};
}

Command Cancel() {
  auto wait = std::make_shared<WaitOptions>();
  return {.words = "jobs cancel",
          .arguments = "JOB",
          .purpose = "asks it to stop and to remove what it made",
          .least = 1,
          .most = 1,
          .options = [wait](Options& options) { wait->AddTo(options); },
          .run = [wait](Context& context, const Options& options,
                        const Arguments& arguments) -> absl::Status {
            RETURN_IF_ERROR(wait->Check(context, options, "jobs"));
            jobs::v1::CancelJobRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), JobName(arguments[0]));
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(Job job, Call(context, &JobService::Stub::CancelJob, request));
            if (wait->wait) {
              ASSIGN_OR_RETURN(job, WaitForJob(context, job.name(), wait->timeout));
            }
            if (context.json()) {
              RETURN_IF_ERROR(PrintJson(context, job));
            } else {
              context.out() << ShortName(job.name()) << " " << EnumWord(job.state()) << std::endl;
            }
            if (wait->wait && job.state() != Job::CANCELLED) {
              return OperationFailed(absl::StrCat("it was not cancelled: ", JobFailure(job)));
            }
            return absl::OkStatus();
          }};
}

Command Delete() {
  return {.words = "jobs delete",
          .arguments = "JOB",
          .purpose = "removes the record of an ended job",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            jobs::v1::DeleteJobRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), JobName(arguments[0]));
            ASSIGN_OR_RETURN(const auto answer,
                             Call(context, &JobService::Stub::DeleteJob, request));
            if (context.json()) return PrintJson(context, answer);
            context.out() << ShortName(request.name()) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

Command Screenshot() {
  auto path = std::make_shared<std::string>();
  return {
      .words = "jobs screenshot",
      .arguments = "JOB SERVER",
      .purpose = "the machine's screen as its boot proof ended, as a PNG file",
      .least = 2,
      .most = 2,
      .options =
          [path](Options& options) {
            options.String("output", path.get(), "FILE", "where it is written; required");
          },
      .run = [path](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        if (path->empty()) return absl::InvalidArgumentError("--output: is required");
        jobs::v1::GetScreenshotRequest request;
        ASSIGN_OR_RETURN(*request.mutable_name(), JobName(arguments[0]));
        ASSIGN_OR_RETURN(*request.mutable_source_server(), ServerName(context, arguments[1]));
        ASSIGN_OR_RETURN(const auto screen,
                         Call(context, &JobService::Stub::GetScreenshot, request));
        RETURN_IF_ERROR(WriteFileAtomically(*path, screen.png(), 0644));
        if (context.json()) {
          context.out() << nlohmann::json({{"path", *path}, {"bytes", screen.png().size()}}).dump()
                        << std::endl;
        } else {
          context.out() << *path << "  " << Bytes(static_cast<std::int64_t>(screen.png().size()))
                        << "  taken " << When(screen.time()) << std::endl;
        }
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> JobCommands() {
  return {List(), Get(), Log(), WatchUntilEnd(), Cancel(), Delete(), Console(), Screenshot()};
}

}  // namespace godwit::cli
