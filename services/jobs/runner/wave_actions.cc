#include "services/jobs/runner/wave_actions.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/app/facts.h"
#include "services/jobs/app/wave_plan.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/domain/errors.h"

namespace godwit::jobs {
namespace {

using Kind = MemberResult::Kind;

class Actions {
 public:
  Actions(const WaveEnvironment& environment, const WaveRun& run, const WaveMember& member)
      : environment_(environment), run_(run), member_(member) {}

  MemberResult Look() const {
    if (member_.state == MemberState::kRemoving) {
      return member_.remove_job.empty() ? BeginRemoval() : LookAtRemoval();
    }
    if (member_.state == MemberState::kLaunching) return LookAtLaunch();
    return run_.state == WaveState::kCancelling ? LookWhetherBegun() : Begin();
  }

 private:
  MemberResult Result(Kind kind, absl::string_view reason = "") const {
    return {.server = member_.server, .kind = kind, .reason = std::string(reason)};
  }
  MemberResult JobResult(Kind kind, const std::string& job) const {
    return {.server = member_.server, .kind = kind, .job = job};
  }
  // What may pass is waited for.
  MemberResult Failure(const absl::Status& status) const {
    return Result(Classify(status) == ErrorClass::kRetryable ? Kind::kWaits : Kind::kFailed,
                  status.message());
  }
  std::string RequestId(absl::string_view call) const { return WaveRequestId(run_, member_, call); }

  MemberResult Begin() const {
    if (Launches(run_.kind)) {
      const absl::StatusOr<std::string> job = StartLaunch();
      return job.ok() ? JobResult(Kind::kJobKnown, *job) : Failure(job.status());
    }
    const absl::Status done =
        run_.kind == WaveKind::kMarkReady
            ? environment_.fleet.MarkReady(member_.server, RequestId("mark_ready"))
            : environment_.fleet.Finalize(member_.server, run_.options.keep_agent,
                                          RequestId("finalize"));
    if (done.ok()) return Result(Kind::kDone);
    // Done by somebody else, or by us so long ago that the registry forgot the request.
    if (absl::IsFailedPrecondition(done)) {
      const auto server = environment_.fleet.ReadServer(member_.server);
      if (server.ok() && AlreadyDone(run_.kind, *server)) {
        return Result(Kind::kDone, "was done before");
      }
    }
    return Failure(done);
  }

  absl::StatusOr<std::string> StartLaunch() const {
    const std::string request_id = RequestId("launch");
    ASSIGN_OR_RETURN(std::string job, environment_.store.JobOfRequest(request_id));
    if (!job.empty()) return job;
    if (run_.kind == WaveKind::kTest) {
      return environment_.fleet.StartTest(member_.server, request_id);
    }
    // A cutover of this run that failed left the server CUTTING_OVER.
    if (member_.attempt > 1) {
      ASSIGN_OR_RETURN(const FleetServer server, environment_.fleet.ReadServer(member_.server));
      if (server.lifecycle == FleetServer::Lifecycle::kCuttingOver) {
        RETURN_IF_ERROR(environment_.fleet.RevertCutover(member_.server, RequestId("revert")));
      }
    }
    return environment_.fleet.StartCutover(member_.server, request_id);
  }

  // The run is being cancelled and nobody knows whether the call was made.
  MemberResult LookWhetherBegun() const {
    const auto server = environment_.fleet.ReadServer(member_.server);
    if (!server.ok()) return Failure(server.status());
    if (!Launches(run_.kind)) {
      return Result(AlreadyDone(run_.kind, *server) ? Kind::kDone : Kind::kNotBegun);
    }
    const auto job = environment_.store.JobOfRequest(RequestId("launch"));
    if (!job.ok()) return Failure(job.status());
    if (!job->empty()) return JobResult(Kind::kJobKnown, *job);
    return server->launch == FleetServer::Launch::kPending
               ? Result(Kind::kWaits, "the registry has a launch to hand over")
               : Result(Kind::kNotBegun);
  }

  MemberResult LookAtLaunch() const {
    const absl::StatusOr<Job> job = environment_.jobs.Get(member_.job);
    if (absl::IsNotFound(job.status())) return LookForMissing();
    if (!job.ok()) return Failure(job.status());
    if (!Ended(job->state)) {
      if (run_.state == WaveState::kCancelling && !run_.leave_jobs) {
        environment_.jobs.Cancel(member_.job).IgnoreError();  // past its commit point it ends
      }
      return Result(Kind::kWaits, PresentStep(*job));
    }
    if (job->state == JobState::kCancelled) {
      return Result(Kind::kCancelled, absl::StrCat("jobs/", job->id, " was cancelled"));
    }
    const Run* const own = OwnRun(*job);
    if (job->state == JobState::kFailed || own == nullptr) {
      return Result(Kind::kFailed, own == nullptr || own->error.ok()
                                       ? absl::StrCat("jobs/", job->id, " failed")
                                       : std::string(own->error.message()));
    }
    for (const ActionReport& action : GetMachine(*own).actions) {
      if (!action.blocks_cutover) continue;
      return Result(Kind::kFailed, absl::StrCat("post-launch action ", action.id,
                                                " must succeed and failed: ", action.message));
    }
    return Result(Kind::kDone);
  }

  // The registry promised the job and has not handed it over yet, or it was deleted.
  MemberResult LookForMissing() const {
    const auto known = environment_.store.JobOfRequest(RequestId("launch"));
    if (!known.ok()) return Failure(known.status());
    if (!known->empty()) {
      return Result(Kind::kFailed, absl::StrCat("jobs/", member_.job, " was deleted"));
    }
    if (run_.state == WaveState::kCancelling) return LookWhetherBegun();
    const auto again = StartLaunch();
    return again.ok() ? Result(Kind::kWaits, "the registry has not handed its job over yet")
                      : Failure(again.status());
  }

  MemberResult BeginRemoval() const {
    const std::string request_id = RequestId("remove");
    absl::StatusOr<std::string> job = environment_.store.JobOfRequest(request_id);
    if (job.ok() && job->empty()) job = environment_.fleet.Terminate(member_.server, request_id);
    if (absl::IsNotFound(job.status())) return Result(Kind::kRemoved, "was gone already");
    return job.ok() ? JobResult(Kind::kRemoveKnown, *job) : Failure(job.status());
  }

  MemberResult LookAtRemoval() const {
    const absl::StatusOr<Job> job = environment_.jobs.Get(member_.remove_job);
    if (absl::IsNotFound(job.status())) {
      return Result(Kind::kWaits, "the registry has not handed its removal over yet");
    }
    if (!job.ok()) return Failure(job.status());
    if (!Ended(job->state)) return Result(Kind::kWaits, "its machine is being removed");
    return job->state == JobState::kSucceeded
               ? Result(Kind::kRemoved)
               : Result(Kind::kFailed, absl::StrCat("its machine was not removed: jobs/", job->id));
  }

  const Run* OwnRun(const Job& job) const {
    for (const Run& run : job.runs) {
      if (run.input.server == member_.server) return &run;
    }
    return nullptr;
  }

  std::string PresentStep(const Job& job) const {
    const Run* const run = OwnRun(job);
    if (run == nullptr) return "";
    for (const StepRecord& step : run->steps) {
      if (step.state == StepState::kRunning) return step.name;
    }
    return "";
  }

  const WaveEnvironment& environment_;
  const WaveRun& run_;
  const WaveMember& member_;
};

std::string Describe(const WaveCheck& check) {
  switch (check.kind) {
    case WaveCheck::Kind::kTcp:
      return absl::StrCat("TCP port ", check.tcp_port);
    case WaveCheck::Kind::kHttp:
      return absl::StrCat("HTTP ", check.http.guest_port, check.http.path);
    case WaveCheck::Kind::kCommand:
      return absl::StrCat("command \"", check.command.command.substr(0, 100), "\"");
  }
  return "check";
}

}  // namespace

std::string WaveRequestId(const WaveRun& run, const WaveMember& member, absl::string_view call) {
  return DerivedUuid(
      absl::StrCat("wave/", run.id, "/", member.server, "/", member.attempt, "/", call));
}

MemberResult LookAfter(const WaveEnvironment& environment, const WaveRun& run,
                       const WaveMember& member) {
  return Actions(environment, run, member).Look();
}

std::string TryCheck(const WaveEnvironment& environment, const WaveRun& run, const WaveGroup& group,
                     const WaveCheck& check) {
  for (const WaveMember& member : group.members) {
    if (!MachineStands(run, member) || (!check.server.empty() && check.server != member.server))
      continue;
    const absl::Status held = environment.gate.Try(member.job, member.server, check);
    if (held.ok()) continue;
    return absl::StrCat(member.hostname.empty() ? member.server : member.hostname, ": ",
                        Describe(check), ": ", std::string(held.message()));
  }
  return "";
}

}  // namespace godwit::jobs
