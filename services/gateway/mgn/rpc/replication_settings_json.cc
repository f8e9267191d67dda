#include "services/gateway/mgn/rpc/replication_settings_json.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/rpc/notes.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

constexpr char kDisks[] = "replicatedDisks";
constexpr std::int64_t kBitsOfMegabit = 1'000'000;
constexpr std::int64_t kMostMegabits = 10'000;

const pb::Disk* FindDisk(const pb::SourceProperties& properties, const std::string& device) {
  for (const pb::Disk& disk : properties.disks()) {
    if (disk.replicated() && disk.device_name() == device) return &disk;
  }
  return nullptr;
}

std::string DeviceNames(const pb::SourceProperties& properties) {
  std::string names;
  for (const pb::Disk& disk : properties.disks()) {
    if (disk.replicated()) absl::StrAppend(&names, names.empty() ? "" : ", ", disk.device_name());
  }
  return names.empty() ? "it has none" : absl::StrCat("it has ", names);
}

}  // namespace

absl::Status ReadReplication(const json& input, pb::ReplicationSettings* settings) {
  if (input.contains("bandwidthThrottling")) {
    settings->set_bandwidth_limit_bytes_per_second(
        input["bandwidthThrottling"].get<std::int64_t>() * kBitsOfMegabit / 8);
  }
  if (input.contains("ebsEncryption")) {
    settings->set_encrypt_staging(input["ebsEncryption"] == "CUSTOM");
  }
  if (input.contains("stagingAreaTags")) {
    RETURN_IF_ERROR(CheckTags("stagingAreaTags", input["stagingAreaTags"]));
    settings->clear_staging_tags();
    for (const auto& [key, value] : input["stagingAreaTags"].items()) {
      (*settings->mutable_staging_tags())[key] = value.get<std::string>();
    }
  }
  KeepNotes(input,
            {"sourceServerID", "replicationConfigurationTemplateID", "accountID", "arn", "tags",
             "bandwidthThrottling", "ebsEncryption", "stagingAreaTags", kDisks},
            settings->mutable_notes());
  return absl::OkStatus();
}

absl::Status ReadDisks(const json& input, const pb::SourceProperties& properties,
                       pb::ReplicationSettings* settings) {
  if (!input.contains(kDisks)) return absl::OkStatus();
  json kept = NoteOf(settings->notes(), kDisks);
  if (!kept.is_object()) kept = json::object();
  for (std::size_t i = 0; i < input[kDisks].size(); ++i) {
    json disk = input[kDisks][i];
    const std::string device = disk.value("deviceName", "");
    if (FindDisk(properties, device) == nullptr) {
      return rpc::FieldError(
          absl::StrCat(kDisks, "[", i, "].deviceName"),
          absl::StrCat("the server replicates no disk of this name; ", DeviceNames(properties)));
    }
    disk.erase("deviceName");
    disk.erase("isBootDisk");  // what the agent found holds
    kept[device] = std::move(disk);
  }
  KeepNote(kDisks, kept, settings->mutable_notes());
  return absl::OkStatus();
}

json ReplicationJson(const pb::ReplicationSettings& settings, const Shape& shape) {
  const std::int64_t bits = settings.bandwidth_limit_bytes_per_second() * 8;
  // A limit is never shown as 0, which would mean that there is none.
  json out = {{"bandwidthThrottling",
               std::min(kMostMegabits, (bits + kBitsOfMegabit - 1) / kBitsOfMegabit)},
              {"ebsEncryption", settings.encrypt_staging() ? "CUSTOM" : "DEFAULT"},
              {"stagingAreaTags", TagsJson(settings.staging_tags())}};
  ShowNotes(settings.notes(), &out);
  return Fitting(shape, out);
}

json DisksJson(const pb::SourceProperties& properties, const pb::ReplicationSettings& settings) {
  const json kept = NoteOf(settings.notes(), kDisks);
  json out = json::array();
  for (const pb::Disk& disk : properties.disks()) {
    if (!disk.replicated()) continue;
    json one = json::object();
    if (kept.is_object() && kept.contains(disk.device_name())) one = kept[disk.device_name()];
    if (!one.is_object()) one = json::object();
    one["deviceName"] = disk.device_name();
    one["isBootDisk"] = disk.is_boot_disk();
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace godwit::gateway::mgn
