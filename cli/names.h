// Resource names as people write them.
#pragma once

#include <google/protobuf/map.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace godwit::cli {

// "s-…", "sourceServers/s-…", or a host name or user-provided id that only one server has ->
// "sourceServers/s-…". Asks the registry for the last two. NOT_FOUND, or INVALID_ARGUMENT that
// lists the servers it may mean. Remembered as the subject of the context.
absl::StatusOr<std::string> ServerName(Context& context, absl::string_view text);
absl::StatusOr<std::vector<std::string>> ServerNames(Context& context,
                                                     const std::vector<std::string>& texts);

// "x-…" or "collection/x-…" -> "collection/x-…". INVALID_ARGUMENT names `field`.
absl::StatusOr<std::string> SimpleName(absl::string_view field, absl::string_view collection,
                                       absl::string_view prefix, absl::string_view text);
// "databases" or "settingsTemplates/databases" -> "settingsTemplates/databases".
std::string TemplateName(absl::string_view text);
absl::StatusOr<std::string> JobName(absl::string_view text);
// A point of `server` ("sourceServers/s-…"): "p-…" or its full name.
absl::StatusOr<std::string> PointName(absl::string_view server, absl::string_view text);

// "K=V" entries. INVALID_ARGUMENT names the option.
absl::StatusOr<std::map<std::string, std::string>> KeyValues(absl::string_view option,
                                                             const std::vector<std::string>& texts);

// Sets the tags of "K=V" entries and removes those of "K-" ones. INVALID_ARGUMENT names the entry.
absl::Status ChangeTags(const std::vector<std::string>& texts,
                        google::protobuf::Map<std::string, std::string>* tags);

// Host names by server name, for tables; empty when the registry is not known or does not answer.
std::map<std::string, std::string> HostNames(Context& context);

}  // namespace godwit::cli
