// Checks of request fields. Each refuses with INVALID_ARGUMENT that names the field.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/map.h"

namespace godwit::registry {

using Tags = google::protobuf::Map<std::string, std::string>;

inline constexpr int kDefaultPageSize = 50;
inline constexpr int kMaxPageSize = 500;
inline constexpr std::size_t kMaxUserProvidedId = 256;

// Length in bytes; no control characters but tab and newline.
absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t least,
                       std::size_t most);
// At most 50; keys of 1 to 128 characters, values of at most 256.
absl::Status CheckTags(absl::string_view field, const Tags& tags);
absl::Status CheckRequestId(absl::string_view id);
absl::StatusOr<int> PageSize(int page_size);

// "sourceServers/s-..." -> "s-...".
absl::StatusOr<std::string> ServerId(absl::string_view field, absl::string_view name);

// Place in a list by (time, id), opaque to callers. An empty token is the start: an empty id.
struct PageKey {
  absl::Time time;
  std::string id;
};
std::string PageToken(const PageKey& key);
absl::StatusOr<PageKey> ParsePageToken(absl::string_view token);
// Place by number; 0 is the start.
std::string NumberToken(std::int64_t number);
absl::StatusOr<std::int64_t> ParseNumberToken(absl::string_view token);

// Versions as etags. An empty etag fits any version; ABORTED with reason STALE_ETAG otherwise.
std::string Etag(std::int64_t version);
absl::Status CheckEtag(absl::string_view etag, std::int64_t version);

}  // namespace godwit::registry
