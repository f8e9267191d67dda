// Failpoints: named places where a test makes the process die, fail, stop or wait. They exist only
// in builds with GODWIT_FAILPOINTS; elsewhere the macro is nothing.
//
//   GODWIT_FAILPOINT("worker.commit.before_manifest");          // may crash, stop or delay
//   RETURN_IF_ERROR(GODWIT_FAILPOINT_STATUS("jobs.step.done")); // may also return an error
//
// The environment says what happens, as a comma-separated list of site:n:action:
//   GODWIT_FAILPOINT="worker.commit.before_manifest:2:crash,jobs.step.done:1:error"
// n counts the passes of the site from 1 ("*" = every pass); actions are crash (kill -9 of itself),
// error (UNAVAILABLE), stop (SIGSTOP of itself), delay=MILLISECONDS. Thread-safe.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit {

// Counts one pass of `site` and does what the environment asks.
absl::Status HitFailpoint(absl::string_view site);

}  // namespace godwit

#ifdef GODWIT_FAILPOINTS
#define GODWIT_FAILPOINT(site) ::godwit::HitFailpoint(site).IgnoreError()
#define GODWIT_FAILPOINT_STATUS(site) ::godwit::HitFailpoint(site)
#else
#define GODWIT_FAILPOINT(site) static_cast<void>(0)
#define GODWIT_FAILPOINT_STATUS(site) ::absl::OkStatus()
#endif
