// What a service tells systemd (sd_notify): that it is ready, that it stops, that it still works.
// Without systemd (no $NOTIFY_SOCKET) nothing happens. Thread-safe once threads exist.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit {

// One datagram of "NAME=value" lines, such as "READY=1". Whether somebody was there to take it.
bool NotifyManager(absl::string_view message);

// How often systemd wants "WATCHDOG=1" at the latest (WatchdogSec of the unit); nullopt: it does
// not watch this process.
std::optional<absl::Duration> WatchdogTime();

}  // namespace godwit
