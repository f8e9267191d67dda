// Names of resources here and in the MGN API, times, durations, page tokens. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::gateway::mgn {

// Where an installation lies in the world of ARNs.
struct Place {
  std::string region = "us-east-1";
  std::string account = "000000000000";
};

// "arn:aws:mgn:REGION:ACCOUNT:source-server/s-..."; `type` "source-server", "job", ...
std::string Arn(const Place& place, absl::string_view type, absl::string_view id);
struct Resource {
  std::string type, id;
};
// Nothing when it is no ARN of MGN, or of another account. Any region: one installation may answer
// for several.
std::optional<Resource> ParseArn(absl::string_view arn, const Place& place);

// "sourceServers/s-..." -> "s-...": what is behind the last slash.
std::string IdOf(absl::string_view name);
// "jobs/job-..." or "job-..." -> "mgnjob-...".
std::string MgnJobId(absl::string_view job);
// "mgnjob-..." -> "jobs/job-..." and "s-..." -> "sourceServers/s-...". NOT_FOUND when MGN allows
// the id and Godwit never gave it (ours are hexadecimal).
absl::StatusOr<std::string> JobName(absl::string_view mgn_job_id);
absl::StatusOr<std::string> ServerName(absl::string_view id);

std::string TimeText(absl::Time time);              // "2026-01-02T03:04:05.678Z"
std::string DurationText(absl::Duration duration);  // "PT1H2M3S"
std::optional<absl::Time> ParseTimeText(absl::string_view text);

// A page token: the place in the list, bound to operation and filter (their hash), so that one of
// another list is refused. It holds no secret and names nothing that its holder could not list, so
// it is not signed: a forged one gets what the services let its caller list anyway.
std::string PageToken(absl::string_view operation, absl::string_view filter,
                      absl::string_view place);
// The place; empty for an empty token. INVALID_ARGUMENT: not a token of this list.
absl::StatusOr<std::string> ParsePageToken(absl::string_view operation, absl::string_view filter,
                                           absl::string_view token);

// The UUID (its form is that of version 4) that always follows from `seed`.
std::string UuidOf(absl::string_view seed);

}  // namespace godwit::gateway::mgn
