#include "services/conversion/converter/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxManifest = 4 << 20;
constexpr std::size_t kMaxChanges = 10000;

std::string TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

absl::StatusOr<Manifest> LoadManifest(const GuestRoot& root) {
  Manifest manifest;
  const absl::StatusOr<std::string> text = root.Read(kManifest, kMaxManifest);
  if (absl::IsNotFound(text.status())) return manifest;
  RETURN_IF_ERROR(text);
  const json object = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("changes") || !object["changes"].is_array() ||
      object["changes"].size() > kMaxChanges) {
    return absl::FailedPreconditionError(absl::StrCat(
        "/", kManifest, " is no list of changes; it was damaged after the conversion"));
  }
  for (const json& item : object["changes"]) {
    if (!item.is_object()) continue;
    manifest.changes.push_back({.step = TextOf(item, "step"),
                                .path = TextOf(item, "path"),
                                .before_sha256 = TextOf(item, "before_sha256"),
                                .after_sha256 = TextOf(item, "after_sha256"),
                                .summary = TextOf(item, "summary"),
                                .volume = TextOf(item, "volume"),
                                .kept = TextOf(item, "kept")});
  }
  if (object.contains("folders") && object["folders"].is_array()) {
    for (const json& folder : object["folders"]) {
      if (folder.is_string() && manifest.folders.size() < kMaxChanges)
        manifest.folders.push_back(folder.get<std::string>());
    }
  }
  return manifest;
}

Manifest Merge(Manifest earlier, const Manifest& later) {
  for (const Change& change : later.changes) {
    const auto same = [&](const Change& other) {
      return other.volume == change.volume && other.path == change.path;
    };
    const auto known = std::find_if(earlier.changes.begin(), earlier.changes.end(), same);
    if (known == earlier.changes.end()) {
      earlier.changes.push_back(change);
    } else {
      known->after_sha256 = change.after_sha256;
      known->summary = change.summary;
    }
  }
  for (const std::string& folder : later.folders) {
    if (std::find(earlier.folders.begin(), earlier.folders.end(), folder) == earlier.folders.end())
      earlier.folders.push_back(folder);
  }
  return earlier;
}

absl::Status SaveManifest(GuestRoot& root) {
  if (root.changes().empty()) return absl::OkStatus();
  RETURN_IF_ERROR(root.MakeFolderOf(kManifest));  // one of those that an undo removes
  ASSIGN_OR_RETURN(Manifest manifest, LoadManifest(root));
  manifest = Merge(std::move(manifest), {root.changes(), root.made_folders()});
  json changes = json::array();
  for (const Change& change : manifest.changes) {
    changes.push_back({{"step", change.step},
                       {"path", change.path},
                       {"before_sha256", change.before_sha256},
                       {"after_sha256", change.after_sha256},
                       {"summary", change.summary},
                       {"volume", change.volume},
                       {"kept", change.kept}});
  }
  const json object = {{"changes", changes}, {"folders", manifest.folders}};
  return root.Put(kManifest, object.dump(1, ' ', false, json::error_handler_t::replace) + "\n",
                  0600);
}

}  // namespace godwit::convert
