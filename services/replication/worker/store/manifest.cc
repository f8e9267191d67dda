#include "services/replication/worker/store/manifest.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace pb = ::godwit::replication::v1;
using google::protobuf::util::TimeUtil;

namespace {
constexpr int kFormat = 1;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
}  // namespace

pb::StagingManifest NewManifest(std::int64_t lease_generation) {
  pb::StagingManifest manifest;
  manifest.set_format(kFormat);
  manifest.set_lease_generation(lease_generation);
  return manifest;
}

absl::StatusOr<pb::StagingManifest> LoadManifest(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  pb::StagingManifest manifest;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &manifest);
  if (!parsed.ok()) return absl::DataLossError(path + ": not a manifest");
  if (manifest.format() != kFormat) {
    return absl::FailedPreconditionError(path + ": written by another version of Godwit");
  }
  return manifest;
}

absl::Status SaveManifest(const std::string& path, const pb::StagingManifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(manifest, &text, options);
  if (!printed.ok()) return absl::InternalError(path + ": cannot print the manifest");
  return WriteFileAtomically(path, text, 0640);
}

pb::StagedPoint ToStaged(const PointFacts& facts) {
  pb::StagedPoint staged;
  staged.set_epoch(facts.epoch);
  *staged.mutable_cut_time() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.cut_time));
  *staged.mutable_commit_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.commit_time));
  staged.set_consistency(static_cast<pb::Point::Consistency>(facts.consistency));
  staged.set_root_hash(facts.root_hash);
  staged.set_changed_bytes(facts.changed_bytes);
  *staged.mutable_freeze_time() =
      TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(facts.freeze_time));
  staged.set_request_id(facts.request_id);
  if (facts.quiesce_time != absl::InfinitePast()) {
    *staged.mutable_quiesce_time() =
        TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.quiesce_time));
  }
  return staged;
}

PointFacts FromStaged(const pb::StagedPoint& staged) {
  PointFacts facts;
  facts.epoch = staged.epoch();
  facts.cut_time = absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(staged.cut_time()));
  facts.commit_time = absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(staged.commit_time()));
  facts.consistency = staged.consistency();
  facts.root_hash = staged.root_hash();
  facts.changed_bytes = staged.changed_bytes();
  facts.freeze_time = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(staged.freeze_time()));
  facts.request_id = staged.request_id();
  if (staged.has_quiesce_time()) {
    facts.quiesce_time =
        absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(staged.quiesce_time()));
  }
  return facts;
}

pb::StagedDisk ToStaged(const DiskSpec& spec) {
  pb::StagedDisk staged;
  staged.set_disk_id(spec.disk_id);
  staged.set_device_name(spec.device_name);
  staged.set_size_bytes(static_cast<std::int64_t>(spec.size_bytes));
  staged.set_is_boot_disk(spec.is_boot_disk);
  return staged;
}

DiskSpec FromStaged(const pb::StagedDisk& staged) {
  return {.disk_id = staged.disk_id(),
          .device_name = staged.device_name(),
          .size_bytes = static_cast<std::uint64_t>(staged.size_bytes()),
          .is_boot_disk = staged.is_boot_disk()};
}

bool IsBase(absl::string_view name) { return absl::EndsWith(name, ".raw"); }

Backing BackingOf(const std::string& name, bool encrypted) {
  const std::string file = name.substr(name.rfind('/') + 1);
  if (!IsBase(file)) return {.file = file, .format = "qcow2"};
  if (encrypted) return {.file = ImageOfBase(file), .format = "qcow2"};
  return {.file = file, .format = "raw"};
}

std::string DigestFile(const std::string& base) {
  return base.substr(0, base.size() - 3) + "digests";
}

const pb::StagedFile* TopFile(const pb::StagedDisk& disk, std::int64_t epoch) {
  const pb::StagedFile* top = nullptr;
  for (const pb::StagedFile& file : disk.files()) {
    if (file.epoch() <= epoch) top = &file;
  }
  return top;
}

std::vector<std::string> DropUnusedDisks(pb::StagingManifest* manifest) {
  std::vector<std::string> ids;
  if (manifest->points().empty()) return ids;
  const std::int64_t oldest = manifest->points(0).epoch();
  const auto unused = [&](const pb::StagedDisk& disk) {
    return disk.last_epoch() != 0 && disk.last_epoch() < oldest;
  };
  for (const pb::StagedDisk& disk : manifest->disks()) {
    if (unused(disk)) ids.push_back(disk.disk_id());
  }
  auto& disks = *manifest->mutable_disks();
  disks.erase(std::remove_if(disks.begin(), disks.end(), unused), disks.end());
  return ids;
}

}  // namespace godwit::store
