#include "services/registry/rpc/fields.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxTags = 50;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;
constexpr std::size_t kMaxPageToken = 300;

// The helpers of base name the field in their text; this adds it for programs.
absl::Status AsFieldError(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return status;
  return rpc::WithInfo(status,
                       {.reason = "BAD_FIELD",
                        .field_violations = {{std::string(field), std::string(status.message())}}});
}

absl::Status BadPageToken() {
  return rpc::FieldError("page_token", "is not one that a list gave; leave it empty to start over");
}

}  // namespace

absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t least,
                       std::size_t most) {
  if (text.size() < least) return rpc::FieldError(field, "is required");
  if (text.size() > most) {
    return rpc::FieldError(
        field, absl::StrCat("has ", text.size(), " bytes; at most ", most, " are allowed"));
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7f) {
      return rpc::FieldError(field, "contains control characters");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTags(absl::string_view field, const Tags& tags) {
  if (tags.size() > kMaxTags) {
    return rpc::FieldError(field, absl::StrCat("has ", tags.size(), " tags; at most ", kMaxTags));
  }
  for (const auto& [key, value] : tags) {
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, " (key)"), key, 1, kMaxTagKey));
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, "[", key, "]"), value, 0, kMaxTagValue));
  }
  return absl::OkStatus();
}

absl::Status CheckRequestId(absl::string_view id) {
  return AsFieldError("request_id", CheckUuid("request_id", id));
}

absl::StatusOr<int> PageSize(int page_size) {
  if (page_size < 0) return rpc::FieldError("page_size", "is negative");
  if (page_size == 0) return kDefaultPageSize;
  return page_size < kMaxPageSize ? page_size : kMaxPageSize;
}

absl::StatusOr<std::string> ServerId(absl::string_view field, absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, "sourceServers", "s-", name);
  if (!id.ok()) return AsFieldError(field, id.status());
  return id;
}

std::string PageToken(const PageKey& key) {
  return absl::WebSafeBase64Escape(absl::StrCat(absl::ToUnixMicros(key.time), "/", key.id));
}

absl::StatusOr<PageKey> ParsePageToken(absl::string_view token) {
  if (token.empty()) return PageKey{.time = absl::UnixEpoch()};
  std::string text;
  if (token.size() > kMaxPageToken || !absl::WebSafeBase64Unescape(token, &text)) {
    return BadPageToken();
  }
  const std::size_t slash = text.find('/');
  std::int64_t micros = 0;
  if (slash == std::string::npos || !absl::SimpleAtoi(text.substr(0, slash), &micros) ||
      micros < 0) {
    return BadPageToken();
  }
  const std::string id = text.substr(slash + 1);
  if (id.empty() || !CheckText("page_token", id, 1, 160).ok()) return BadPageToken();
  return PageKey{.time = absl::FromUnixMicros(micros), .id = id};
}

std::string NumberToken(std::int64_t number) {
  return absl::WebSafeBase64Escape(absl::StrCat("n", number));
}

absl::StatusOr<std::int64_t> ParseNumberToken(absl::string_view token) {
  if (token.empty()) return 0;
  std::string text;
  std::int64_t number = 0;
  if (token.size() > kMaxPageToken || !absl::WebSafeBase64Unescape(token, &text) || text.empty() ||
      text[0] != 'n' || !absl::SimpleAtoi(text.substr(1), &number) || number <= 0) {
    return BadPageToken();
  }
  return number;
}

std::string Etag(std::int64_t version) { return absl::StrCat("v", version); }

absl::Status CheckEtag(absl::string_view etag, std::int64_t version) {
  if (etag.empty() || etag == Etag(version)) return absl::OkStatus();
  absl::Status status = rpc::WithInfo(
      absl::AbortedError("etag: the resource changed since it was read; read it again"),
      {.reason = "STALE_ETAG", .domain = "registry", .metadata = {{"etag", Etag(version)}}});
  status.SetPayload("godwit/stale", absl::Cord("1"));  // trying again would not help
  return status;
}

}  // namespace godwit::registry
