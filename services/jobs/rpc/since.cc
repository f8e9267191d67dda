#include "services/jobs/rpc/since.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/rpc/serve.h"

namespace godwit::jobs {

absl::StatusOr<std::int64_t> ReadSince(const std::string& since) {
  std::int64_t version = kNothingSeen;
  if (!since.empty() && (!absl::SimpleAtoi(since, &version) || version < 0)) {
    return rpc::FieldError("since", "must be the etag of a message of this watch, or empty");
  }
  return version;
}

absl::Status CheckSince(const std::string& name, std::int64_t since, std::int64_t version) {
  if (since <= version) return absl::OkStatus();
  return rpc::WithInfo(
      absl::OutOfRangeError(absl::StrCat(
          "since: ", name, " is at ", version,
          " (the database was restored to an earlier time); watch again without since")),
      {.reason = "STATE_GONE", .domain = "jobs", .metadata = {{"resource", name}}});
}

}  // namespace godwit::jobs
