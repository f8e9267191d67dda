// Staying until a job has ended.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "godwit/jobs/v1/job.pb.h"

namespace godwit::cli {

// --wait and --timeout of the verbs that start a job.
struct WaitOptions {
  bool wait = false;
  absl::Duration timeout = absl::Hours(1);

  void AddTo(Options& options);
  // INVALID_ARGUMENT: --timeout without --wait, or --wait without knowing `service`. Before
  // anything is started.
  absl::Status Check(const Context& context, const Options& options,
                     absl::string_view service) const;
};

// The job as it ended, whatever its end. Shows progress meanwhile. DEADLINE_EXCEEDED with metadata
// "job".
absl::StatusOr<jobs::v1::Job> WaitForJob(Context& context, const std::string& name,
                                         absl::Duration timeout);

// Prints the job; with `wait` waits first. UNKNOWN (exit code 1) when it ended badly.
absl::Status ShowJob(Context& context, jobs::v1::Job job, const WaitOptions& wait);

}  // namespace godwit::cli
