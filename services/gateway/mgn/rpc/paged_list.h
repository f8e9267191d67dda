// Lists of a service whose pages are those of the client, with a filter of ids.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {

inline constexpr int kDefaultListPage = 50;
inline constexpr int kMostOfRegistryPage = 500;

// Fills page_size, page_token and, from the ids in filters[filter], names. False: the filter asks
// for nothing that there could be.
template <typename Request>
absl::StatusOr<bool> FillListRequest(const Call& call, const nlohmann::json& input,
                                     const char* filter, absl::string_view collection,
                                     absl::string_view id_prefix, Request* request) {
  const nlohmann::json filters = input.value("filters", nlohmann::json::object());
  ASSIGN_OR_RETURN(
      *request->mutable_page_token(),
      ParsePageToken(call.operation().name, filters.dump(), input.value("nextToken", "")));
  request->set_page_size(
      std::min(kMostOfRegistryPage, input.value("maxResults", kDefaultListPage)));
  const nlohmann::json ids = filters.value(filter, nlohmann::json::array());
  for (const nlohmann::json& id : ids) {
    const std::string text = id;
    // MGN allows more letters in ids than ours have.
    if (CheckId(filter, id_prefix, text).ok()) {
      request->add_names(absl::StrCat(collection, "/", text));
    }
  }
  return ids.empty() || request->names_size() > 0;
}

// {"items", "nextToken"} with the token of the service's next page.
inline nlohmann::json PageOf(const Call& call, const nlohmann::json& input, nlohmann::json items,
                             const std::string& next) {
  nlohmann::json page = {{"items", std::move(items)}};
  const nlohmann::json filters = input.value("filters", nlohmann::json::object());
  const std::string token = PageToken(call.operation().name, filters.dump(), next);
  if (!token.empty()) page["nextToken"] = token;
  return page;
}

// Tags of a message from input["tags"], and back.
template <typename Map>
void FillTags(const nlohmann::json& input, Map* tags) {
  if (!input.contains("tags")) return;
  for (const auto& [key, value] : input["tags"].items()) {
    (*tags)[key] = value.template get<std::string>();
  }
}

template <typename Map>
void PutTags(nlohmann::json& out, const Map& tags) {
  out["tags"] = nlohmann::json::object();
  for (const auto& [key, value] : tags) out["tags"][key] = value;
}

}  // namespace godwit::gateway::mgn
