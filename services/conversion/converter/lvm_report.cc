#include "services/conversion/converter/lvm_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace godwit::convert {
namespace {

// A text field of a row; "" when there is none.
std::string Text(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

// The rows of one table of all reports.
absl::StatusOr<std::vector<nlohmann::json>> Rows(const std::string& text, const char* table) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("report") || !json["report"].is_array())
    return absl::InternalError("lvm's report cannot be read");
  std::vector<nlohmann::json> rows;
  for (const auto& report : json["report"]) {
    if (!report.is_object() || !report.contains(table) || !report[table].is_array()) continue;
    for (const auto& row : report[table]) {
      if (row.is_object()) rows.push_back(row);
    }
  }
  return rows;
}

}  // namespace

bool IsLvmName(const std::string& name) {
  if (name.empty() || name.size() > 127 || name[0] == '-' || name == "." || name == "..")
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '_' || c == '.' ||
           c == '-';
  });
}

std::string MapperName(const std::string& group, const std::string& name) {
  return absl::StrCat(absl::StrReplaceAll(group, {{"-", "--"}}), "-",
                      absl::StrReplaceAll(name, {{"-", "--"}}));
}

absl::StatusOr<std::vector<LogicalVolume>> ParseLogicalVolumes(const std::string& json,
                                                               std::size_t max) {
  absl::StatusOr<std::vector<nlohmann::json>> rows = Rows(json, "lv");
  if (!rows.ok()) return rows.status();
  std::vector<LogicalVolume> volumes;
  for (const nlohmann::json& row : *rows) {
    LogicalVolume volume{.name = Text(row, "lv_name"),
                         .group = Text(row, "vg_name"),
                         .uuid = Text(row, "lv_uuid"),
                         .segment_type = Text(row, "segtype"),
                         .active = Text(row, "lv_active") == "active"};
    const std::string attributes = Text(row, "lv_attr");
    volume.partial = attributes.size() >= 9 && attributes[8] == 'p';
    if (!IsLvmName(volume.name) || !IsLvmName(volume.group)) continue;
    // An LV of several segments has a row for each.
    const bool known = std::any_of(volumes.begin(), volumes.end(), [&](const LogicalVolume& other) {
      return other.uuid == volume.uuid && other.name == volume.name && other.group == volume.group;
    });
    if (!known && volumes.size() < max) volumes.push_back(std::move(volume));
  }
  return volumes;
}

absl::StatusOr<std::vector<MissingDisk>> ParseMissingDisks(const std::string& json) {
  absl::StatusOr<std::vector<nlohmann::json>> rows = Rows(json, "pv");
  if (!rows.ok()) return rows.status();
  std::vector<MissingDisk> missing;
  for (const nlohmann::json& row : *rows) {
    if (!Text(row, "pv_missing").empty() && IsLvmName(Text(row, "vg_name")))
      missing.push_back({Text(row, "pv_uuid"), Text(row, "vg_name")});
  }
  return missing;
}

}  // namespace godwit::convert
