#include "services/common/base/quota.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit {
namespace {

constexpr char kPayload[] = "godwit/quota";

}  // namespace

absl::Status CheckQuota(const Quota& quota, std::int64_t more) {
  const std::int64_t used = quota.used.value_or(0);
  if (more <= 0 || used + more <= quota.limit) return absl::OkStatus();
  const std::string present = quota.used ? absl::StrCat("there are ", used, " and ", more, " more")
                                         : absl::StrCat("there would be ", more);
  const std::string raise = quota.option.empty() ? "" : absl::StrCat(", or raise --", quota.option);
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("quota ", quota.code, ": at most ", quota.limit, " ", quota.title, "; ", present,
                   quota.used ? " would be too many" : "", "; ", quota.advice, raise));
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(quota.code, "\n", quota.limit, "\n", used,
                                                      "\n", quota.option)));
  return status;
}

std::optional<Quota> RefusedQuota(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(std::string(*payload), '\n');
  Quota quota;
  std::int64_t used = 0;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[1], &quota.limit) ||
      !absl::SimpleAtoi(parts[2], &used)) {
    return std::nullopt;
  }
  quota.code = parts[0];
  quota.used = used;
  quota.option = parts[3];
  return quota;
}

}  // namespace godwit
