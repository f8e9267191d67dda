// Checks of request fields; every refusal names the field.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::coordinator {

absl::Status CheckRange(absl::string_view field, std::int64_t value, std::int64_t least,
                        std::int64_t most);
// At most `most` bytes of UTF-8 without control characters.
absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t most);
absl::Status CheckRequired(absl::string_view field, absl::string_view text, std::size_t most);
// "host:port".
absl::Status CheckEndpoint(absl::string_view field, absl::string_view endpoint);
// Text of a peer for people: never refused, but cut and cleaned.
std::string Clean(absl::string_view text, std::size_t most = 1024);

absl::StatusOr<absl::Time> ToTime(absl::string_view field,
                                  const google::protobuf::Timestamp& timestamp);
absl::StatusOr<absl::Duration> ToDuration(absl::string_view field,
                                          const google::protobuf::Duration& duration,
                                          absl::Duration most);
void SetTime(absl::Time time, google::protobuf::Timestamp* out);
void SetDuration(absl::Duration duration, google::protobuf::Duration* out);

// "sourceServers/{s}" -> s.
absl::StatusOr<std::string> ServerId(absl::string_view field, absl::string_view name);
// "sourceServers/{s}/replication" -> s.
absl::StatusOr<std::string> ReplicationServerId(absl::string_view field, absl::string_view name);
struct ChildName {
  std::string server_id, id;
};
// "sourceServers/{s}/{collection}/{prefix...}"; an empty prefix asks for a UUID. `wildcard`: the id
// may be "-".
absl::StatusOr<ChildName> ParseChild(absl::string_view field, absl::string_view collection,
                                     absl::string_view prefix, absl::string_view name,
                                     bool wildcard = false);

// 0 means 50; 1 to 500.
absl::StatusOr<int> PageSize(std::int32_t page_size);

// A UUIDv4.
absl::Status CheckRequestId(const std::string& request_id);

}  // namespace godwit::coordinator
