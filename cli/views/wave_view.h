// Wave runs and plans as people read them.
#pragma once

#include <iosfwd>
#include <string>

#include "godwit/jobs/v1/wave_run_service.pb.h"

namespace godwit::cli {

void PrintWavePlan(const jobs::v1::WaveRunPlan& plan, std::ostream& out);
void PrintWaveRun(const jobs::v1::WaveRun& run, std::ostream& out);
void PrintWaveRuns(const jobs::v1::ListWaveRunsResponse& list, std::ostream& out);
std::string WaveEventLine(const jobs::v1::WaveRunEvent& event);

bool Ended(const jobs::v1::WaveRun& run);
// Share of servers that are done; negative when there are none.
double WaveFraction(const jobs::v1::WaveRun& run);
// "3 of 10 servers done, 2 under way, 1 failed; Data".
std::string WaveNow(const jobs::v1::WaveRun& run);

}  // namespace godwit::cli
