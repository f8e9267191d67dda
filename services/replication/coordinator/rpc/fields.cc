#include "services/replication/coordinator/rpc/fields.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::coordinator {
namespace {

constexpr std::int64_t kMostSeconds = 253402300799;  // end of the year 9999

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The length of the UTF-8 sequence that begins at `text[i]`, 0 when there is none.
std::size_t SequenceAt(absl::string_view text, std::size_t i) {
  const unsigned char first = static_cast<unsigned char>(text[i]);
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || i + length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// `error` keeps its text, but becomes a field violation.
absl::Status AsFieldError(absl::string_view field, const absl::Status& error) {
  absl::string_view message = error.message();
  const std::string prefix = absl::StrCat(std::string(field), ": ");
  if (message.substr(0, prefix.size()) == prefix) message.remove_prefix(prefix.size());
  return rpc::FieldError(field, message);
}

}  // namespace

absl::Status CheckRange(absl::string_view field, std::int64_t value, std::int64_t least,
                        std::int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat(value, " is not from ", least, " to ", most));
}

absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t most) {
  if (text.size() > most) {
    return rpc::FieldError(field, absl::StrCat("longer than ", most, " bytes"));
  }
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = SequenceAt(text, i);
    if (length == 0) return rpc::FieldError(field, "not UTF-8");
    if (IsControl(text[i])) return rpc::FieldError(field, "has control characters");
    i += length;
  }
  return absl::OkStatus();
}

absl::Status CheckRequired(absl::string_view field, absl::string_view text, std::size_t most) {
  if (text.empty()) return rpc::FieldError(field, "is required");
  return CheckText(field, text, most);
}

absl::Status CheckEndpoint(absl::string_view field, absl::string_view endpoint) {
  RETURN_IF_ERROR(CheckRequired(field, endpoint, 300));
  const std::size_t colon = endpoint.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(endpoint.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return rpc::FieldError(field, "must be host:port");
  }
  return absl::OkStatus();
}

std::string Clean(absl::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < most;) {
    const std::size_t length = SequenceAt(text, i);
    if (length == 0 || IsControl(text[i])) {
      out.push_back(' ');
      ++i;
      continue;
    }
    absl::StrAppend(&out, text.substr(i, length));
    i += length;
  }
  return out;
}

absl::StatusOr<absl::Time> ToTime(absl::string_view field,
                                  const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() < 0 || timestamp.seconds() > kMostSeconds || timestamp.nanos() < 0 ||
      timestamp.nanos() > 999999999) {
    return rpc::FieldError(field, "is no time after 1970");
  }
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::StatusOr<absl::Duration> ToDuration(absl::string_view field,
                                          const google::protobuf::Duration& duration,
                                          absl::Duration most) {
  const absl::Duration out =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (duration.nanos() < 0 || duration.nanos() > 999999999 || out < absl::ZeroDuration() ||
      out > most) {
    return rpc::FieldError(field, absl::StrCat("is not from 0 to ", absl::FormatDuration(most)));
  }
  return out;
}

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const absl::Time at = std::clamp(time, absl::UnixEpoch(), absl::FromUnixSeconds(kMostSeconds));
  const std::int64_t seconds = absl::ToUnixSeconds(at);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(at - absl::FromUnixSeconds(seconds))));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const std::int64_t seconds = absl::ToInt64Seconds(duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(duration - absl::Seconds(seconds))));
}

absl::StatusOr<std::string> ServerId(absl::string_view field, absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, "sourceServers", "s-", name);
  if (!id.ok()) return AsFieldError(field, id.status());
  return id;
}

absl::StatusOr<std::string> ReplicationServerId(absl::string_view field, absl::string_view name) {
  constexpr absl::string_view kSuffix = "/replication";
  if (name.size() <= kSuffix.size() || name.substr(name.size() - kSuffix.size()) != kSuffix) {
    return rpc::FieldError(field, "must be sourceServers/{s}/replication");
  }
  return ServerId(field, name.substr(0, name.size() - kSuffix.size()));
}

absl::StatusOr<ChildName> ParseChild(absl::string_view field, absl::string_view collection,
                                     absl::string_view prefix, absl::string_view name,
                                     bool wildcard) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4 || parts[2] != collection) {
    return rpc::FieldError(field, absl::StrCat("must be sourceServers/{s}/", collection, "/{id}"));
  }
  ASSIGN_OR_RETURN(const std::string server,
                   ServerId(field, absl::StrCat(parts[0], "/", parts[1])));
  if (wildcard && parts[3] == "-") return ChildName{server, parts[3]};
  const absl::Status checked =
      prefix.empty() ? CheckUuid(field, parts[3]) : CheckId(field, prefix, parts[3]);
  if (!checked.ok()) return AsFieldError(field, checked);
  return ChildName{server, parts[3]};
}

absl::StatusOr<int> PageSize(std::int32_t page_size) {
  if (page_size == 0) return 50;
  RETURN_IF_ERROR(CheckRange("page_size", page_size, 0, 500));
  return page_size;
}

absl::Status CheckRequestId(const std::string& request_id) {
  const absl::Status status = CheckUuid("request_id", request_id);
  return status.ok() ? status : rpc::FieldError("request_id", "must be an UUIDv4 in lower case");
}

}  // namespace godwit::coordinator
