#include "services/jobs/runner/wave_runner.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

// A visit that goes on for longer gives others a turn.
constexpr int kMostRounds = 50;

class Visit {
 public:
  Visit(const WaveEnvironment& environment, const ClaimedWaveRun& claimed,
        const WaveRunnerOptions& options, Clock& clock, const std::atomic<bool>& stopping)
      : environment_(environment),
        claimed_(claimed),
        options_(options),
        clock_(clock),
        stopping_(stopping) {}

  absl::Status Do() {
    GODWIT_FAILPOINT("jobs.wave.claimed");
    ASSIGN_OR_RETURN(WaveRun run, Modify([this](WaveRun&, std::vector<WaveEvent>& events) {
                       if (claimed_.before.empty()) return;
                       events.push_back({.type = WaveEventType::kRunnerTakeover,
                                         .message = "the runner before did not come back"});
                     }));
    for (int round = 0; round < kMostRounds && !stopping_ && !Rests(run); ++round) {
      const std::int64_t before = run.version;
      ASSIGN_OR_RETURN(run, Round(run));
      if (run.version == before) break;
    }
    return environment_.store.Release(claimed_.lease, options_.look);
  }

 private:
  // `change` and what follows from it.
  template <typename ChangeRun>
  absl::StatusOr<WaveRun> Modify(const ChangeRun& change) {
    const auto decide = [&](WaveRun& run, std::vector<WaveEvent>& events) {
      change(run, events);
      Advance(run, clock_.Now(), events);
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(environment_.store.Modify(claimed_.lease, options_.lease, decide));
    // As it was saved, with its version.
    return environment_.store.Get(claimed_.lease.run_id);
  }

  absl::StatusOr<WaveRun> Round(const WaveRun& run) {
    std::vector<MemberResult> results;
    for (const WaveMember& member : MembersInFlight(run)) {
      if (stopping_) break;
      RETURN_IF_ERROR(environment_.store.Renew(claimed_.lease, options_.lease));
      results.push_back(LookAfter(environment_, run, member));
      GODWIT_FAILPOINT("jobs.wave.called");
    }
    std::string checked, problem;
    if (const WaveGroup* const group = GroupToCheck(run); group != nullptr && !stopping_) {
      checked = group->application;
      for (const WaveCheck& check : group->checks) {
        RETURN_IF_ERROR(environment_.store.Renew(claimed_.lease, options_.lease));
        problem = TryCheck(environment_, run, *group, check);
        if (!problem.empty() || stopping_) break;
      }
      if (stopping_) checked.clear();
    }
    absl::StatusOr<WaveRun> after = Modify([&](WaveRun& fresh, std::vector<WaveEvent>& events) {
      for (const MemberResult& result : results) Apply(fresh, result, clock_.Now(), events);
      if (!checked.empty()) ApplyChecks(fresh, checked, problem, clock_.Now(), events);
    });
    GODWIT_FAILPOINT("jobs.wave.saved");
    return after;
  }

  const WaveEnvironment& environment_;
  const ClaimedWaveRun& claimed_;
  const WaveRunnerOptions& options_;
  Clock& clock_;
  const std::atomic<bool>& stopping_;
};

}  // namespace

absl::Status VisitWaveRun(const WaveEnvironment& environment, const ClaimedWaveRun& claimed,
                          const WaveRunnerOptions& options, Clock& clock,
                          const std::atomic<bool>& stopping) {
  return Visit(environment, claimed, options, clock, stopping).Do();
}

WaveRunners::WaveRunners(const WaveEnvironment& environment, Clock& clock,
                         WaveRunnerOptions options)
    : environment_(environment), clock_(clock), options_(std::move(options)) {
  for (int i = 0; i < options_.count; ++i) threads_.emplace_back([this] { Serve(); });
}

WaveRunners::~WaveRunners() { Stop(); }

void WaveRunners::Wake() {
  const absl::MutexLock guard(&mutex_);
  woken_ = true;
}

void WaveRunners::Stop() {
  stopping_ = true;
  Wake();
  threads_.clear();
}

void WaveRunners::Serve() {
  while (!stopping_) {
    const auto claimed = environment_.store.Claim(options_.owner, options_.lease);
    if (claimed.ok() && claimed->has_value()) {
      const absl::Status visited =
          VisitWaveRun(environment_, **claimed, options_, clock_, stopping_);
      if (visited.ok()) continue;
      Log(Severity::kWarning, "wave run left before its turn was over",
          {{"run", (*claimed)->lease.run_id}, {"error", std::string(visited.message())}});
    } else if (!claimed.ok()) {
      Log(Severity::kWarning, "wave runs cannot be claimed",
          {{"error", std::string(claimed.status().message())}});
    }
    const absl::MutexLock guard(&mutex_);
    if (!stopping_) mutex_.AwaitWithTimeout(absl::Condition(&woken_), options_.poll);
    woken_ = false;
  }
}

}  // namespace godwit::jobs
