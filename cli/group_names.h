// Waves, applications and wave runs as people name them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"
#include "godwit/jobs/v1/wave_run.pb.h"

namespace godwit::cli {

// "wave-…", "waves/wave-…", or the display name that only one wave has -> "waves/wave-…". Asks the
// registry for the last. NOT_FOUND, or INVALID_ARGUMENT that lists the waves it may mean.
absl::StatusOr<std::string> WaveName(Context& context, absl::string_view text);

// The same for applications; by display name only those of `wave` ("waves/wave-…").
absl::StatusOr<std::string> ApplicationName(Context& context, absl::string_view wave,
                                            absl::string_view text);

// Any application, also by the display name that only one has.
absl::StatusOr<std::string> AnyApplicationName(Context& context, absl::string_view text);

// A run by its name ("wr-…", "waveRuns/wr-…"), or the newest run of a wave. NOT_FOUND.
absl::StatusOr<jobs::v1::WaveRun> FindWaveRun(Context& context, absl::string_view text);

}  // namespace godwit::cli
