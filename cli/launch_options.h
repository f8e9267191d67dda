// Values of the options of `launch-settings set`.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "godwit/jobs/v1/launch.pb.h"

namespace godwit::cli {

// "GUEST[:HOST[:ADDRESS]]". The address may be an IPv6 one, with or without brackets.
// INVALID_ARGUMENT names --port-forward.
absl::StatusOr<jobs::v1::PortForward> ParsePortForward(absl::string_view text);
// "PORT/PATH[,status=N][,contains=TEXT]"; `contains` takes the rest. INVALID_ARGUMENT names
// --boot-http.
absl::StatusOr<jobs::v1::HttpCheck> ParseHttpCheck(absl::string_view text);
// 1 to 65535. INVALID_ARGUMENT names the option.
absl::StatusOr<int> ParsePort(absl::string_view option, absl::string_view text);

}  // namespace godwit::cli
