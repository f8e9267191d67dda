// How a wave is gone about, as options of the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/context.h"
#include "cli/options.h"
#include "godwit/jobs/v1/wave_run.pb.h"

namespace godwit::cli {

// "tcp=5432", "http=8080/up,status=204,contains=ok", "command=systemctl is-active db".
// INVALID_ARGUMENT names --check.
absl::StatusOr<jobs::v1::WaveGateCheck> ParseGateCheck(absl::string_view text);

// The options of `waves plan|test|cutover|mark-ready|finalize`. Not thread-safe.
class WaveOptions {
 public:
  void AddTo(Options& options);
  // Looks names of applications up in the wave. INVALID_ARGUMENT names the option.
  absl::StatusOr<jobs::v1::WaveRunOptions> Read(Context& context, const std::string& wave) const;

 private:
  std::string order_;
  std::vector<std::string> after_, approve_, checks_;
  bool approve_each_ = false, remove_machines_ = false, skip_blocked_ = false, keep_agent_ = false;
  std::int64_t parallel_ = 0, machines_ = 0, stop_after_ = 0;
  absl::Duration check_timeout_ = absl::ZeroDuration();
};

}  // namespace godwit::cli
