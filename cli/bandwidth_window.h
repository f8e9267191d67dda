// Bandwidth windows as people write and read them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "godwit/registry/v1/settings.pb.h"

namespace godwit::cli {

// "[DAYS@]HH:MM-HH:MM=LIMIT": days as "mon-fri" or "sat,sun" (when it begins; none: every day),
// times in UTC, an end that is not later than the start is on the next day, and LIMIT is a size or
// "paused". INVALID_ARGUMENT names the option --bandwidth-window.
absl::StatusOr<registry::v1::BandwidthWindow> ParseBandwidthWindow(absl::string_view text);

// "mon-fri 08:00 to 18:00 UTC: 2.0 MiB/s"
std::string BandwidthWindowText(const registry::v1::BandwidthWindow& window);

}  // namespace godwit::cli
