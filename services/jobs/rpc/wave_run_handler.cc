#include "services/jobs/rpc/wave_run_handler.h"

#include <grpcpp/grpcpp.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/wave_errors.h"
#include "services/jobs/domain/wave_rules.h"
#include "services/jobs/rpc/requests.h"
#include "services/jobs/rpc/since.h"
#include "services/jobs/rpc/wave_messages.h"
#include "services/jobs/rpc/wave_requests.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostNamed = 5;  // servers in a refusal

// "field: text" of the plan as a field violation.
absl::Status AsFieldError(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status) || !rpc::GetInfo(status).reason.empty()) return status;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(status.message(), absl::MaxSplits(": ", 1));
  return rpc::FieldError(parts.first, parts.second);
}

// The first of what stands in the way, for the refusal of a start.
absl::Status CheckFree(const WavePlan& plan, bool skip_blocked) {
  std::vector<std::string> lines;
  for (const WaveFinding& finding : plan.findings) {
    if (finding.blocks) lines.push_back(finding.message);
  }
  for (const PlannedGroup& group : plan.groups) {
    for (const PlannedServer& server : group.servers) {
      for (const WaveFinding& finding : server.findings) {
        if (!finding.blocks || skip_blocked) continue;
        lines.push_back(absl::StrCat(server.hostname.empty() ? server.id : server.hostname, ": ",
                                     finding.message));
      }
    }
  }
  if (lines.empty()) return absl::OkStatus();
  const std::size_t more = lines.size() > kMostNamed ? lines.size() - kMostNamed : 0;
  lines.resize(lines.size() - more);
  return rpc::WithInfo(absl::FailedPreconditionError(
                           absl::StrCat("the plan has blockers: ", absl::StrJoin(lines, "; "),
                                        more == 0 ? "" : absl::StrCat("; and ", more, " more"))),
                       {.reason = "WAVE_BLOCKED",
                        .domain = "jobs",
                        .metadata = {{"wave", absl::StrCat("waves/", plan.wave)}}});
}

absl::Status ExplainActive(const absl::Status& status) {
  const std::string run = WaveRunOf(status);
  if (run.empty()) return status;
  return rpc::WithInfo(absl::FailedPreconditionError(status.message()),
                       {.reason = "WAVE_RUN_UNDER_WAY",
                        .domain = "jobs",
                        .metadata = {{"wave_run", absl::StrCat("waveRuns/", run)}}});
}

absl::Status ExplainState(const absl::Status& status, const WaveRun& run) {
  if (!absl::IsFailedPrecondition(status)) return status;
  const std::string name = absl::StrCat("waveRuns/", run.id);
  const std::string state = v1::WaveRun::State_Name(static_cast<v1::WaveRun::State>(run.state));
  return rpc::WithInfo(
      absl::FailedPreconditionError(absl::StrCat(name, " is ", state, ": ", status.message())),
      {.reason = "WRONG_RUN_STATE",
       .domain = "jobs",
       .metadata = {{"wave_run", name}, {"state", state}}});
}

}  // namespace

absl::StatusOr<WavePlan> WaveRunHandler::Plan(const WaveRequest& request) {
  ASSIGN_OR_RETURN(const FleetWave wave, fleet_.ReadWave(request.wave, Launches(request.kind)));
  std::vector<std::string> servers;
  for (const FleetApplication& application : wave.applications) {
    for (const FleetServer& server : application.servers) servers.push_back(server.id);
  }
  ASSIGN_OR_RETURN(const auto jobs, store_.JobsUnderWay(servers));
  absl::StatusOr<WavePlan> plan = MakePlan(request, wave, jobs);
  if (!plan.ok()) return AsFieldError(plan.status());
  return plan;
}

grpc::Status WaveRunHandler::PlanWaveRun(grpc::ServerContext* context,
                                         const v1::PlanWaveRunRequest* request,
                                         v1::WaveRunPlan* response) {
  return rpc::Serve(context, "waves.Plan", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
    ASSIGN_OR_RETURN(const WaveRequest wanted,
                     ReadWaveRequest(request->wave(), request->kind(), request->options()));
    ASSIGN_OR_RETURN(const WavePlan plan, Plan(wanted));
    *response = ToMessage(plan, request->options());
    return absl::OkStatus();
  });
}

grpc::Status WaveRunHandler::StartWaveRun(grpc::ServerContext* context,
                                          const v1::StartWaveRunRequest* request,
                                          v1::WaveRun* response) {
  return rpc::Serve(context, "waves.Start", rpc::kWriters, [&](const rpc::Call& call) {
    return Start(*request, call.peer.Principal(), response);
  });
}

absl::Status WaveRunHandler::Start(const v1::StartWaveRunRequest& request,
                                   const std::string& principal, v1::WaveRun* response) {
  RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  ASSIGN_OR_RETURN(const WaveRequest wanted,
                   ReadWaveRequest(request.wave(), request.kind(), request.options()));
  NewWaveRun made{.request_id = request.request_id(), .request_hash = FingerprintOf(request)};
  // A repeated request gives the run it made, whatever stands in the way by now.
  absl::StatusOr<WaveRun> run = store_.FindRequest(made.request_id, made.request_hash);
  if (absl::IsNotFound(run.status())) {
    ASSIGN_OR_RETURN(const WaveRunPage active,
                     store_.List({.wave = wanted.wave, .active_only = true, .limit = 1}));
    if (!active.runs.empty()) return ExplainActive(RunUnderWay(active.runs.front().id));
    ASSIGN_OR_RETURN(const WavePlan plan, Plan(wanted));
    RETURN_IF_ERROR(CheckFree(plan, wanted.skip_blocked));
    made.run = MakeRun(plan, DerivedId("wr-", request.request_id()), principal);
    made.run.request = OptionsText(request.options());
    run = store_.Create(made);
  }
  if (!run.ok()) return ExplainActive(run.status());
  *response = ToMessage(*run);
  options_.wake();
  return absl::OkStatus();
}

grpc::Status WaveRunHandler::GetWaveRun(grpc::ServerContext* context,
                                        const v1::GetWaveRunRequest* request,
                                        v1::WaveRun* response) {
  return rpc::Serve(context, "waves.Get", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ReadWaveRunName(request->name()));
    ASSIGN_OR_RETURN(const WaveRun run, store_.Get(id));
    *response = ToMessage(run);
    return absl::OkStatus();
  });
}

grpc::Status WaveRunHandler::ListWaveRuns(grpc::ServerContext* context,
                                          const v1::ListWaveRunsRequest* request,
                                          v1::ListWaveRunsResponse* response) {
  return rpc::Serve(context, "waves.List", rpc::kReaders,
                    [&](const rpc::Call& call) -> absl::Status {
                      ASSIGN_OR_RETURN(WaveRunFilter filter, ReadWaveList(*request));
                      if (call.scope != nullptr) filter.within = call.scope->Ids("waves");
                      ASSIGN_OR_RETURN(const WaveRunPage page, store_.List(filter));
                      for (const WaveRun& run : page.runs)
                        *response->add_wave_runs() = ToMessage(run);
                      if (page.next_before != 0)
                        response->set_next_page_token(absl::StrCat(page.next_before));
                      return absl::OkStatus();
                    });
}

grpc::Status WaveRunHandler::ListWaveRunEvents(grpc::ServerContext* context,
                                               const v1::ListWaveRunEventsRequest* request,
                                               v1::ListWaveRunEventsResponse* response) {
  return rpc::Serve(context, "waves.Events", rpc::kReaders, [&](const rpc::Call&) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string id, ReadWaveRunName(request->name()));
    ASSIGN_OR_RETURN(const int limit, ReadPageSize(request->page_size()));
    ASSIGN_OR_RETURN(const std::int64_t after, ReadPageToken(request->page_token()));
    ASSIGN_OR_RETURN(const auto records, store_.ListEvents(id, after, limit + 1));
    for (int i = 0; i < limit && i < static_cast<int>(records.size()); ++i) {
      *response->add_events() = ToMessage(records[i]);
    }
    if (static_cast<int>(records.size()) > limit) {
      response->set_next_page_token(absl::StrCat(records[limit - 1].sequence));
    }
    return absl::OkStatus();
  });
}

grpc::Status WaveRunHandler::WatchWaveRun(grpc::ServerContext* context,
                                          const v1::WatchWaveRunRequest* request,
                                          grpc::ServerWriter<v1::WaveRun>* writer) {
  const auto call = rpc::Admit(*context, "waves.Watch", rpc::kReaders);
  if (!call.ok()) return rpc::ToGrpc(call.status());
  const auto id = ReadWaveRunName(request->name());
  if (!id.ok()) return rpc::ToGrpc(id.status());
  const auto since = ReadSince(request->since());
  if (!since.ok()) return rpc::ToGrpc(since.status());
  const absl::Cleanup leave = [this] { --watchers_; };
  if (++watchers_ > options_.most_watchers) {
    return rpc::ToGrpc(absl::ResourceExhaustedError("too many watches are open; use GetWaveRun"));
  }
  return rpc::ToGrpc(Watch(context, call->peer, *id, *since, writer));
}

absl::Status WaveRunHandler::Watch(grpc::ServerContext* context, const rpc::Identity& peer,
                                   const std::string& run_id, std::int64_t since,
                                   grpc::ServerWriter<v1::WaveRun>* writer) {
  if (since != kNothingSeen) {
    ASSIGN_OR_RETURN(const WaveRun run, store_.Get(run_id));
    RETURN_IF_ERROR(CheckSince(absl::StrCat("waveRuns/", run_id), since, run.version));
    if (run.version == since && Ended(run.state)) return absl::OkStatus();
  }
  for (std::int64_t shown = since; !context->IsCancelled(); absl::SleepFor(options_.watch_poll)) {
    if (stopping_) return absl::UnavailableError("the service is stopping; watch again");
    RETURN_IF_ERROR(rpc::ScopeNow(*context, peer).status());
    ASSIGN_OR_RETURN(const std::int64_t version, store_.Version(run_id));
    if (version == shown) continue;
    ASSIGN_OR_RETURN(const WaveRun run, store_.Get(run_id));
    shown = run.version;
    if (!writer->Write(ToMessage(run)) || Ended(run.state)) return absl::OkStatus();
  }
  return absl::CancelledError("the watcher went away");
}

template <typename Request, typename Decide>
absl::Status WaveRunHandler::Change(const Request& request, const std::string& etag,
                                    const Decide& decide, v1::WaveRun* response) {
  WaveChange change{.request_id = request.request_id(), .request_hash = FingerprintOf(request)};
  ASSIGN_OR_RETURN(change.run_id, ReadWaveRunName(request.name()));
  RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  ASSIGN_OR_RETURN(change.version, ReadWaveEtag(etag));
  ASSIGN_OR_RETURN(const WaveRun run,
                   store_.Change(change, [&](WaveRun& locked, std::vector<WaveEvent>& events) {
                     return ExplainState(decide(locked, events), locked);
                   }));
  *response = ToMessage(run);
  options_.wake();
  return absl::OkStatus();
}

grpc::Status WaveRunHandler::ApproveWaveRun(grpc::ServerContext* context,
                                            const v1::ApproveWaveRunRequest* request,
                                            v1::WaveRun* response) {
  return rpc::Serve(context, "waves.Approve", rpc::kWriters,
                    [&](const rpc::Call& call) -> absl::Status {
                      std::string application;
                      if (!request->application().empty()) {
                        ASSIGN_OR_RETURN(application, ParseName("application", "applications",
                                                                "app-", request->application()));
                      }
                      return Change(
                          *request, request->etag(),
                          [&](WaveRun& run, std::vector<WaveEvent>& events) {
                            return Approve(run, application, call.peer.Principal(),
                                           options_.clock->Now(), events);
                          },
                          response);
                    });
}

grpc::Status WaveRunHandler::ResumeWaveRun(grpc::ServerContext* context,
                                           const v1::ResumeWaveRunRequest* request,
                                           v1::WaveRun* response) {
  return rpc::Serve(context, "waves.Resume", rpc::kWriters, [&](const rpc::Call& call) {
    return Change(
        *request, request->etag(),
        [&](WaveRun& run, std::vector<WaveEvent>& events) {
          return Resume(run, request->retry_failed(), call.peer.Principal(), options_.clock->Now(),
                        events);
        },
        response);
  });
}

grpc::Status WaveRunHandler::CancelWaveRun(grpc::ServerContext* context,
                                           const v1::CancelWaveRunRequest* request,
                                           v1::WaveRun* response) {
  return rpc::Serve(context, "waves.Cancel", rpc::kWriters, [&](const rpc::Call& call) {
    return Change(
        *request, "",
        [&](WaveRun& run, std::vector<WaveEvent>& events) {
          return Cancel(run, request->leave_jobs(), call.peer.Principal(), options_.clock->Now(),
                        events);
        },
        response);
  });
}

}  // namespace godwit::jobs
