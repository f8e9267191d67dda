// Values as people read them, and as they write them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace godwit::cli {

std::string Bytes(std::int64_t bytes);      // "1.5 GiB"
std::string Span(absl::Duration duration);  // "1h 5m", "12.5s", "80ms"
std::string Span(const google::protobuf::Duration& duration);
std::string When(
    const google::protobuf::Timestamp& time);  // "2024-05-01 12:00:07Z"; "-" when unset
absl::Time ToTime(const google::protobuf::Timestamp& time);
absl::Duration ToDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration FromDuration(absl::Duration duration);

// "sourceServers/s-1" -> "s-1"; the last part of any resource name. "-" for an empty one.
std::string ShortName(absl::string_view name);

// The name of an enum value, "-" for the unspecified one and the number for an unknown one.
std::string EnumName(const google::protobuf::EnumDescriptor* type, int number);
template <typename Enum>
std::string EnumWord(Enum value) {
  return EnumName(google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}
// "use-source", "USE_SOURCE" -> the value. INVALID_ARGUMENT lists what is possible.
absl::StatusOr<int> ParseEnum(absl::string_view option,
                              const google::protobuf::EnumDescriptor* type, absl::string_view text);

// "512MiB", "2GiB", "1GB", "4096" in bytes. INVALID_ARGUMENT names the option.
absl::StatusOr<std::int64_t> ParseBytes(absl::string_view option, absl::string_view text);
// "5m". INVALID_ARGUMENT names the option.
absl::StatusOr<absl::Duration> ParseSpan(absl::string_view option, absl::string_view text);

}  // namespace godwit::cli
