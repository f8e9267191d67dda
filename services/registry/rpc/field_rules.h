// Checks of numbers, counts and spans in requests. Each refuses with INVALID_ARGUMENT that names
// the field and says what would be right.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/rpc/serve.h"

namespace godwit::registry {

inline absl::Status CheckRange(const std::string& field, std::int64_t value, std::int64_t least,
                               std::int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("is ", value, "; must be from ", least, " to ", most));
}

inline absl::Status CheckCount(const std::string& field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("has ", count, " entries; at most ", most));
}

// An unset one is fine.
inline absl::Status CheckDuration(const std::string& field, bool is_set,
                                  const google::protobuf::Duration& value, absl::Duration least,
                                  absl::Duration most) {
  if (!is_set) return absl::OkStatus();
  constexpr std::int64_t kMaxSeconds = 315'576'000'000;  // of the message type
  const bool well_formed = value.seconds() >= -kMaxSeconds && value.seconds() <= kMaxSeconds &&
                           value.nanos() > -1'000'000'000 && value.nanos() < 1'000'000'000;
  const absl::Duration span =
      well_formed ? absl::Seconds(value.seconds()) + absl::Nanoseconds(value.nanos())
                  : absl::InfiniteDuration();
  if (span >= least && span <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("must be from ", absl::FormatDuration(least), " to ",
                                             absl::FormatDuration(most)));
}

}  // namespace godwit::registry
