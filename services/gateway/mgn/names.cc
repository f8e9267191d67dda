#include "services/gateway/mgn/names.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/sigv4/canonical.h"

namespace godwit::gateway::mgn {

std::string Arn(const Place& place, absl::string_view type, absl::string_view id) {
  return absl::StrCat("arn:aws:mgn:", place.region, ":", place.account, ":", type, "/", id);
}

std::optional<Resource> ParseArn(absl::string_view arn, const Place& place) {
  const std::vector<absl::string_view> parts = absl::StrSplit(arn, absl::MaxSplits(':', 5));
  if (parts.size() != 6 || parts[0] != "arn" || !absl::StartsWith(parts[1], "aws") ||
      parts[2] != "mgn" || parts[4] != place.account) {
    return std::nullopt;
  }
  const std::vector<absl::string_view> resource = absl::StrSplit(parts[5], '/');
  if (resource.size() != 2 || resource[0].empty() || resource[1].empty()) return std::nullopt;
  return Resource{.type = std::string(resource[0]), .id = std::string(resource[1])};
}

std::string IdOf(absl::string_view name) { return std::string(name.substr(name.rfind('/') + 1)); }

std::string MgnJobId(absl::string_view job) {
  return job.empty() ? "" : absl::StrCat("mgn", IdOf(job));
}

absl::StatusOr<std::string> JobName(absl::string_view mgn_job_id) {
  const absl::string_view id = absl::StripPrefix(mgn_job_id, "mgn");
  const std::string name = absl::StrCat("jobs/", id);
  if (!CheckId("jobID", "job-", id).ok()) {
    return absl::NotFoundError(absl::StrCat("there is no ", name));
  }
  return name;
}

absl::StatusOr<std::string> ServerName(absl::string_view id) {
  const std::string name = absl::StrCat("sourceServers/", id);
  if (!CheckId("sourceServerID", "s-", id).ok()) {
    return absl::NotFoundError(absl::StrCat("there is no ", name));
  }
  return name;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string DurationText(absl::Duration duration) {
  const std::int64_t seconds = std::max<std::int64_t>(0, absl::ToInt64Seconds(duration));
  std::string out = "PT";
  if (seconds >= 3600) absl::StrAppend(&out, seconds / 3600, "H");
  if (seconds % 3600 >= 60) absl::StrAppend(&out, seconds % 3600 / 60, "M");
  if (seconds % 60 > 0 || seconds == 0) absl::StrAppend(&out, seconds % 60, "S");
  return out;
}

std::optional<absl::Time> ParseTimeText(absl::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%dT%H:%M:%E*SZ", text, &time, &error)) return std::nullopt;
  return time;
}

std::string PageToken(absl::string_view operation, absl::string_view filter,
                      absl::string_view place) {
  if (place.empty()) return "";
  const std::string hash =
      sigv4::HexSha256(absl::StrCat(operation, "\n", filter, "\n", place)).substr(0, 16);
  return absl::WebSafeBase64Escape(absl::StrCat(hash, place));
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view operation, absl::string_view filter,
                                           absl::string_view token) {
  if (token.empty()) return "";
  std::string text;
  if (token.size() <= 2048 && absl::WebSafeBase64Unescape(token, &text) && text.size() > 16) {
    std::string place = text.substr(16);
    if (PageToken(operation, filter, place) == token) return place;
  }
  return rpc::FieldError("nextToken", "is not a token of this list");
}

std::string UuidOf(absl::string_view seed) {
  std::string hex = sigv4::HexSha256(seed).substr(0, 32);
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) & 3];
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

}  // namespace godwit::gateway::mgn
