// What a runner does for the members of a wave run, outside of any transaction: calls that may be
// made again after a crash, because their request ids follow from run, server and attempt.
#pragma once

#include <string>

#include "services/jobs/app/job_store.h"
#include "services/jobs/app/wave_ports.h"
#include "services/jobs/domain/wave_rules.h"

namespace godwit::jobs {

// All of it must outlive the runners.
struct WaveEnvironment {
  WaveStore& store;
  JobStore& jobs;
  FleetPort& fleet;
  GatePort& gate;
};

// The request id of a call for a member: always the same for the same attempt.
std::string WaveRequestId(const WaveRun& run, const WaveMember& member, absl::string_view call);

// Does or looks up what the member (in flight) needs next.
MemberResult LookAfter(const WaveEnvironment& environment, const WaveRun& run,
                       const WaveMember& member);

// Tries one check on the machines of the group that it is about; the first problem, empty when it
// holds.
std::string TryCheck(const WaveEnvironment& environment, const WaveRun& run, const WaveGroup& group,
                     const WaveCheck& check);

}  // namespace godwit::jobs
