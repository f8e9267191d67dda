// Wave runs and plans as messages.
#pragma once

#include "godwit/jobs/v1/wave_run.pb.h"
#include "services/jobs/app/wave_plan.h"
#include "services/jobs/app/wave_ports.h"

namespace godwit::jobs {

v1::WaveRun ToMessage(const WaveRun& run);
v1::WaveRunEvent ToMessage(const WaveEventRecord& record);
// `options` are those asked for; what was left to us is filled in from the plan.
v1::WaveRunPlan ToMessage(const WavePlan& plan, const v1::WaveRunOptions& options);

// The options asked for as the text that is kept with the run.
std::string OptionsText(const v1::WaveRunOptions& options);

}  // namespace godwit::jobs
