// How much CPU and memory this machine uses, from samples of a minute each. Of fixed size, and
// cheap: one small file of /proc every 15 seconds, one more every minute.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/use/histogram.h"
#include "agent/use/proc.h"

namespace godwit::agent {

struct UseSummary {
  absl::Time start_time, end_time;  // of the first sample, of the last one
  std::int64_t sample_count = 0;    // minutes; 0: the rest says nothing
  // Cores that were busy, in the mean of a minute.
  double mean_cores = 0, p95_cores = 0, peak_cores = 0;
  // The most that was in use within a minute.
  std::int64_t p95_memory_bytes = 0, peak_memory_bytes = 0;
};

// Used by one thread.
class UseMeter {
 public:
  struct Options {
    std::string proc = "/proc";
    std::string state_path;  // survives the agent
    absl::Duration reading = absl::Seconds(15);
    absl::Duration sample = absl::Minutes(1);
    absl::Duration save = absl::Minutes(10);
  };
  // Goes on with what was saved: the machine may have been off meanwhile. A missing or damaged
  // file: nothing was measured yet.
  UseMeter(Options options, absl::Time now);

  // Call every second or so; reads when it is time to. An error is that of a file of /proc (tried
  // again at the next reading) or of saving. A gap in the calls (the agent or the machine stood
  // still) drops the sample that was begun. When the machine has another number of cores, or less
  // memory than was used, everything is measured anew.
  absl::Status Tick(absl::Time now);
  // Saves what is not saved yet. Also when the agent ends.
  absl::Status Save();
  UseSummary Summary() const;

 private:
  void Reset();
  void Load();
  absl::Status BeginSample(absl::Time now);
  absl::Status EndSample(absl::Time now);
  absl::Status ReadMemory();

  const Options options_;
  std::string buffer_;
  absl::Time next_reading_, sample_begin_, last_tick_, next_save_;
  bool in_sample_ = false, saved_ = true;
  CpuTimes begin_;                  // of the sample
  std::int64_t sample_memory_ = 0;  // of the sample: the largest reading

  // Of all samples.
  int core_count_ = 0;
  absl::Time start_time_, end_time_;
  double sum_cores_ = 0, peak_cores_ = 0;
  std::int64_t peak_memory_ = 0;
  Histogram cores_, memory_;
};

}  // namespace godwit::agent
