#include "services/jobs/rpc/job_handler.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/quotas.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/rpc/messages.h"
#include "services/jobs/rpc/requests.h"
#include "services/jobs/rpc/since.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kWatchPauseOfServer = absl::Milliseconds(5);

absl::StatusOr<std::string> JobId(const std::string& name) {
  return ParseName("name", "jobs", "job-", name);
}

// Says which job is in the way, for programs.
absl::Status Explain(const absl::Status& status) {
  const std::string job = JobOf(status);
  if (job.empty()) return rpc::ExplainQuota(status, "jobs");
  return rpc::WithInfo(status, {.reason = "JOB_UNDER_WAY",
                                .domain = "jobs",
                                .metadata = {{"job", absl::StrCat("jobs/", job)}}});
}

}  // namespace

grpc::Status JobHandler::CreateJob(grpc::ServerContext* context,
                                   const v1::CreateJobRequest* request, v1::Job* response) {
  return rpc::Serve(context, "jobs.CreateJob", rpc::kServices,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(NewJob job, ReadCreate(*request));
                      if (job.initiated_by.empty()) job.initiated_by = call.peer.Principal();
                      return Create(std::move(job), response);
                    });
}

grpc::Status JobHandler::StartPreflight(grpc::ServerContext* context,
                                        const v1::StartPreflightRequest* request,
                                        v1::Job* response) {
  return rpc::Serve(context, "jobs.StartPreflight", rpc::kWriters,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(NewJob job, ReadPreflight(*request));
                      job.initiated_by = call.peer.Principal();
                      return Create(std::move(job), response);
                    });
}

absl::Status JobHandler::Create(NewJob job, v1::Job* response) {
  job.steps = options_.step_names.at(job.type);
  const auto created = store_.Create(job, options_.quotas);
  if (!created.ok()) return Explain(created.status());
  *response = ToMessage(*created);
  options_.wake();
  return absl::OkStatus();
}

grpc::Status JobHandler::GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                                v1::Job* response) {
  return rpc::Serve(context, "jobs.GetJob", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
    ASSIGN_OR_RETURN(const Job job, store_.Get(id));
    *response = ToMessage(job);
    return absl::OkStatus();
  });
}

grpc::Status JobHandler::ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                                  v1::ListJobsResponse* response) {
  return rpc::Serve(context, "jobs.ListJobs", rpc::kReaders,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(JobFilter filter, ReadList(*request));
                      if (call.scope != nullptr) filter.within = call.scope->Ids("sourceServers");
                      ASSIGN_OR_RETURN(const JobPage page, store_.List(filter));
                      for (const Job& job : page.jobs) *response->add_jobs() = ToMessage(job);
                      if (page.next_before != 0) {
                        response->set_next_page_token(absl::StrCat(page.next_before));
                      }
                      return absl::OkStatus();
                    });
}

grpc::Status JobHandler::CancelJob(grpc::ServerContext* context,
                                   const v1::CancelJobRequest* request, v1::Job* response) {
  return rpc::Serve(context, "jobs.CancelJob", rpc::kWriters,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
                      RETURN_IF_ERROR(CheckUuid("request_id", request->request_id()));
                      ASSIGN_OR_RETURN(const Job job, store_.Cancel(id));
                      *response = ToMessage(job);
                      options_.wake();
                      return absl::OkStatus();
                    });
}

grpc::Status JobHandler::DeleteJob(grpc::ServerContext* context,
                                   const v1::DeleteJobRequest* request, v1::DeleteJobResponse*) {
  return rpc::Serve(context, "jobs.DeleteJob", rpc::kWriters,
                    [&](const rpc::Call&) -> absl::Status {
                      ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
                      return store_.Delete(id);
                    });
}

grpc::Status JobHandler::ListJobLogItems(grpc::ServerContext* context,
                                         const v1::ListJobLogItemsRequest* request,
                                         v1::ListJobLogItemsResponse* response) {
  return rpc::Serve(
      context, "jobs.ListJobLogItems", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
        ASSIGN_OR_RETURN(const int limit, ReadPageSize(request->page_size()));
        ASSIGN_OR_RETURN(const std::int64_t after, ReadPageToken(request->page_token()));
        ASSIGN_OR_RETURN(const std::vector<LogItem> items, store_.ListLog(id, after, limit + 1));
        for (const LogItem& item : items) {
          if (response->items_size() == limit) {
            response->set_next_page_token(
                absl::StrCat(response->items(response->items_size() - 1).sequence()));
            break;
          }
          *response->add_items() = ToMessage(item);
        }
        return absl::OkStatus();
      });
}

grpc::Status JobHandler::WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                                  grpc::ServerWriter<v1::Job>* writer) {
  const auto call = rpc::Admit(*context, "jobs.WatchJob", rpc::kReaders);
  if (!call.ok()) return rpc::ToGrpc(call.status());
  const auto id = JobId(request->name());
  if (!id.ok()) return rpc::ToGrpc(id.status());
  const auto since = ReadSince(request->since());
  if (!since.ok()) return rpc::ToGrpc(since.status());
  if (++watchers_ > options_.most_watchers) {
    --watchers_;
    return rpc::ToGrpc(absl::ResourceExhaustedError("too many watches are open; use GetJob"));
  }
  const absl::Status status = Watch(context, call->peer, *id, *since, writer);
  --watchers_;
  return rpc::ToGrpc(status);
}

absl::Status JobHandler::Watch(grpc::ServerContext* context, const rpc::Identity& peer,
                               const std::string& job_id, std::int64_t since,
                               grpc::ServerWriter<v1::Job>* writer) {
  std::int64_t shown = kNothingSeen;
  if (since != kNothingSeen) {
    ASSIGN_OR_RETURN(const Job job, store_.Get(job_id));
    RETURN_IF_ERROR(CheckSince(absl::StrCat("jobs/", job_id), since, job.version));
    if (job.version == since && IsFinal(job)) return absl::OkStatus();
    shown = since;
  }
  absl::Duration pause = options_.watch_poll;
  while (!context->IsCancelled()) {
    if (stopping_) return absl::UnavailableError("the service is stopping; watch again");
    RETURN_IF_ERROR(rpc::ScopeNow(*context, peer).status());
    ASSIGN_OR_RETURN(const std::int64_t version, store_.Version(job_id));
    if (version != shown) {
      ASSIGN_OR_RETURN(const Job job, store_.Get(job_id));
      shown = job.version;
      // The message grows with the servers, and so does how often something changes.
      pause = std::max(options_.watch_poll,
                       kWatchPauseOfServer * static_cast<std::int64_t>(job.runs.size()));
      if (!writer->Write(ToMessage(job)) || IsFinal(job)) return absl::OkStatus();
    }
    absl::SleepFor(pause);
  }
  return absl::CancelledError("the watcher went away");
}

grpc::Status JobHandler::ReadConsole(grpc::ServerContext* context,
                                     const v1::ReadConsoleRequest* request,
                                     v1::ReadConsoleResponse* response) {
  return rpc::Serve(
      context, "jobs.ReadConsole", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        RETURN_IF_ERROR(CheckId("machine_id", "i-", request->machine_id()));
        ASSIGN_OR_RETURN(const Run launch, store_.FindMachine(request->machine_id()));
        const auto target = options_.targets.find(launch.input.settings.target);
        if (target == options_.targets.end()) {
          return absl::FailedPreconditionError("the machine's target is not set up here");
        }
        ASSIGN_OR_RETURN(ConsoleChunk chunk,
                         target->second->ReadConsole(request->machine_id(), request->offset()));
        response->set_content(std::move(chunk.content));
        response->set_next_offset(chunk.next_offset);
        return absl::OkStatus();
      });
}

grpc::Status JobHandler::GetScreenshot(grpc::ServerContext* context,
                                       const v1::GetScreenshotRequest* request,
                                       v1::Screenshot* response) {
  return rpc::Serve(
      context, "jobs.GetScreenshot", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string id, JobId(request->name()));
        ASSIGN_OR_RETURN(const std::string server, ParseName("source_server", "sourceServers", "s-",
                                                             request->source_server()));
        ASSIGN_OR_RETURN(ScreenshotRecord screen, store_.GetScreenshot(id, server));
        response->set_png(std::move(screen.png));
        SetTime(screen.time, response->mutable_time());
        return absl::OkStatus();
      });
}

}  // namespace godwit::jobs
