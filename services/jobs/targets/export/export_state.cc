#include "services/jobs/targets/export/export_state.h"

#include <nlohmann/json.hpp>

namespace godwit::jobs {
namespace {

using nlohmann::json;

template <typename T>
bool Read(const json& object, const char* key, T* out) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  bool fits = found->is_number_integer();
  if constexpr (std::is_same_v<T, std::string>) fits = found->is_string();
  if constexpr (std::is_same_v<T, bool>) fits = found->is_boolean();
  if (fits) *out = found->template get<T>();
  return fits;
}

}  // namespace

const ExportedFile* ExportState::Find(const std::string& name) const {
  for (const ExportedFile& file : files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

std::string ToJson(const ExportState& state) {
  json out = {{"epoch", state.epoch}, {"complete", state.complete}, {"files", json::array()}};
  for (const ExportedFile& file : state.files) {
    out["files"].push_back(
        {{"name", file.name}, {"sha256", file.sha256}, {"file_bytes", file.file_bytes}});
  }
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<ExportState> ExportStateFromJson(absl::string_view text) {
  const json in = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  ExportState state;
  bool good = in.is_object() && Read(in, "epoch", &state.epoch) &&
              Read(in, "complete", &state.complete) && in.contains("files") &&
              in["files"].is_array();
  if (good) {
    for (const json& file : in["files"]) {
      ExportedFile& to = state.files.emplace_back();
      good = good && file.is_object() && Read(file, "name", &to.name) &&
             Read(file, "sha256", &to.sha256) && Read(file, "file_bytes", &to.file_bytes);
    }
  }
  if (!good) return absl::InternalError("the state of an export is damaged");
  return state;
}

}  // namespace godwit::jobs
