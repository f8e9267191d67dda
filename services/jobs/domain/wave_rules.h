// How a wave run moves: pure decisions on the whole run, made under its lock. What changed is told
// as events.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/jobs/domain/wave_run.h"

namespace godwit::jobs {

// One step further, as far as it goes without asking anybody: chooses members to start (kStarting),
// begins groups, passes or fails gates, stops, ends. Calling it again changes nothing until
// something else has.
void Advance(WaveRun& run, absl::Time now, std::vector<WaveEvent>& events);

// What became of a member's calls and jobs.
struct MemberResult {
  std::string server;
  enum class Kind {
    kJobKnown,     // the call began this job
    kDone,         // nothing more to do: the verb did it, or its launch succeeded
    kFailed,       // for good; `reason` says why
    kCancelled,    // its job was cancelled
    kNotBegun,     // the run is being cancelled, and nothing of the member was begun
    kRemoveKnown,  // the removal is this job
    kRemoved,      // the machine is gone
    kWaits,        // not yet; `reason` says what for
  } kind = Kind::kWaits;
  std::string job;
  std::string reason;
};
// Changes nothing when the member is not where the result is about (it came late, or twice).
void Apply(WaveRun& run, const MemberResult& result, absl::Time now,
           std::vector<WaveEvent>& events);

// The checks of a group that is kChecking hold (empty reason), or this one does not (yet). When
// their time is over the run stops, as soon as nothing is in flight: nobody looks after a stopped
// run.
void ApplyChecks(WaveRun& run, const std::string& application, const std::string& problem,
                 absl::Time now, std::vector<WaveEvent>& events);

// What operators do. FAILED_PRECONDITION: the run is in another state.
// `application` ("app-..."): the group that is meant; empty means the one that waits.
absl::Status Approve(WaveRun& run, const std::string& application, const std::string& principal,
                     absl::Time now, std::vector<WaveEvent>& events);
absl::Status Resume(WaveRun& run, bool retry_failed, const std::string& principal, absl::Time now,
                    std::vector<WaveEvent>& events);
absl::Status Cancel(WaveRun& run, bool leave_jobs, const std::string& principal, absl::Time now,
                    std::vector<WaveEvent>& events);

// Whether the member's launched machine is there for the checks of its group's gate: a run that
// removes its machines has none of members that are done.
bool MachineStands(const WaveRun& run, const WaveMember& member);
// Members in flight that a runner has to look after.
std::vector<WaveMember> MembersInFlight(const WaveRun& run);
// The group whose checks are to be tried; null when there is none. Points into `run`.
const WaveGroup* GroupToCheck(const WaveRun& run);
// Whether nothing happens until somebody approves, resumes or cancels, or the run has ended.
bool Rests(const WaveRun& run);

}  // namespace godwit::jobs
