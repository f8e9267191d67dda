#include "services/replication/worker/store/file_group.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/check_group.h"
#include "services/replication/worker/store/fence.h"
#include "services/replication/worker/store/group_encryption.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store {
namespace fs = std::filesystem;
namespace pb = ::godwit::replication::v1;

namespace {

// Out of sight first: half of a generation must never look like one.
absl::Status RemoveGeneration(const std::string& group, std::int64_t generation) {
  const std::string removed = absl::StrCat(group, "/.removed-g", generation);
  std::error_code error;
  fs::remove_all(removed, error);
  if (rename(GenerationFolder(group, generation).c_str(), removed.c_str()) != 0) {
    return ErrnoStatus(removed);
  }
  fs::remove_all(removed, error);
  return error ? absl::InternalError(absl::StrCat(removed, ": ", error.message()))
               : absl::OkStatus();
}

constexpr std::uint64_t kSectorsPerBlock = block::kBlockSize / block::kSectorSize;
// A log that is larger than this is sealed with the next epoch: a point copies no more than it.
constexpr std::uint64_t kMaxDeltaBytes = std::uint64_t{48} << 20;
// Blocks (of 64 KiB) that are read for the root hash of a point that nobody asked for.
constexpr std::uint64_t kMaxRehashed = 256;

}  // namespace

FileGroup::FileGroup(std::string group, std::int64_t generation, std::vector<DiskSpec> disks)
    : group_(std::move(group)),
      generation_(generation),
      folder_(GenerationFolder(group_, generation)),
      disks_(std::move(disks)) {}

absl::StatusOr<std::shared_ptr<FileGroup>> FileGroup::Open(const std::string& folder,
                                                           std::int64_t generation,
                                                           const std::vector<DiskSpec>& disks,
                                                           const std::string& key_file,
                                                           bool encrypt) {
  // For the test of the test: without the fence all writers share one generation.
  if (!GODWIT_FAILPOINT_STATUS("store.fence").ok()) generation = 1;
  RETURN_IF_ERROR(MakeDirs(folder + "/clones", 0750));
  // Before anything changes: without its key the group stays whose it is.
  ASSIGN_OR_RETURN(const crypt::GroupKeyPtr group_key, TakeGroupKey(folder, key_file, encrypt));
  // From here on nothing that an older writer does counts, and what it made count before is seen
  // below.
  RETURN_IF_ERROR(ClaimGeneration(folder, generation));
  std::shared_ptr<FileGroup> group(new FileGroup(folder, generation, disks));
  absl::StatusOr<std::string> replica_id = ReadFile(folder + "/replica_id", 64);
  if (absl::IsNotFound(replica_id.status())) {
    replica_id = NewUuid();
    RETURN_IF_ERROR(WriteFileAtomically(folder + "/replica_id", *replica_id));
  }
  RETURN_IF_ERROR(replica_id);
  group->replica_id_ = *replica_id;
  group->group_key_ = group_key;
  ASSIGN_OR_RETURN(std::vector<std::int64_t> generations, Generations(folder));
  std::erase_if(generations, [&](std::int64_t other) { return other > generation; });
  absl::MutexLock lock(&group->mutex_);
  RETURN_IF_ERROR(group->TakeManifest(generations));
  RETURN_IF_ERROR(group->OpenVolumes(generations));
  RETURN_IF_ERROR(group->RecoverDelta(generations));
  // Who claimed the group meanwhile may be reading what we are about to remove.
  RETURN_IF_ERROR(CheckFence(folder, generation));
  for (const std::int64_t older : generations) {
    if (older != generation) RETURN_IF_ERROR(RemoveGeneration(folder, older));
  }
  return group;
}

absl::Status FileGroup::TakeManifest(const std::vector<std::int64_t>& generations) {
  std::error_code error;
  const auto newest = std::find_if(
      generations.rbegin(), generations.rend(),
      [&](std::int64_t found) { return fs::exists(ManifestPath(group_, found), error); });
  if (newest == generations.rend()) {
    manifest_ = NewManifest(generation_);
    manifest_.set_encrypted(group_key_ != nullptr);
  } else {
    ASSIGN_OR_RETURN(manifest_, LoadManifest(ManifestPath(group_, *newest)));
    // One that holds nothing yet may become an encrypted one (group_encryption.h).
    const bool turned = manifest_.points().empty() && manifest_.disks().empty() &&
                        group_key_ != nullptr && !manifest_.encrypted();
    if (turned) manifest_.set_encrypted(true);
    if (manifest_.encrypted() != (group_key_ != nullptr)) {
      return absl::DataLossError(
          absl::StrCat(group_, "/", crypt::kGroupKeyFile,
                       manifest_.encrypted() ? ": gone, and the replica cannot be read without it"
                                             : ": the key of a replica that is not encrypted"));
    }
    if (*newest == generation_ && !turned) return absl::OkStatus();
    const std::string from = GenerationFolder(group_, *newest);
    for (const pb::StagedDisk& disk : manifest_.disks()) {
      RETURN_IF_ERROR(MakeDirs(folder_ + "/" + disk.disk_id(), 0750));
      for (const pb::StagedFile& file : disk.files()) {
        RETURN_IF_ERROR(LinkFile(from + "/" + file.name(), folder_ + "/" + file.name()));
        if (!IsBase(file.name())) continue;
        std::vector<std::string> beside = {DigestFile(file.name())};
        if (group_key_ != nullptr) beside.push_back(ImageOfBase(file.name()));
        for (const std::string& name : beside)
          RETURN_IF_ERROR(LinkFile(from + "/" + name, folder_ + "/" + name));
      }
      RETURN_IF_ERROR(SyncDir(folder_ + "/" + disk.disk_id()));
    }
    manifest_.set_lease_generation(generation_);
  }
  return SaveManifest(ManifestPath(group_, generation_), manifest_);
}

absl::Status FileGroup::OpenVolumes(const std::vector<std::int64_t>& generations) {
  const std::int64_t epoch = LastPoint();
  committed_ = epoch;
  std::vector<std::string> older;
  for (const std::int64_t generation : generations) {
    if (generation != generation_) older.push_back(GenerationFolder(group_, generation));
  }
  for (const DiskSpec& disk : disks_) {
    pb::StagedDisk staged = ToStaged(disk);
    for (const pb::StagedDisk& known : manifest_.disks()) {
      if (known.disk_id() != disk.disk_id) continue;
      if (known.size_bytes() != staged.size_bytes()) {
        return absl::InvalidArgumentError(
            absl::StrCat("disk ", disk.disk_id, " was ", known.size_bytes(), " bytes, is now ",
                         disk.size_bytes, ": a resized disk needs a new id"));
      }
      *staged.mutable_files() = known.files();
    }
    ASSIGN_OR_RETURN(std::unique_ptr<Volume> volume,
                     Volume::Open(folder_, older, staged, epoch, group_key_));
    volumes_.push_back(std::move(volume));
  }
  return absl::OkStatus();
}

std::int64_t FileGroup::LastPoint() const {
  return manifest_.points_size() == 0 ? 0 : manifest_.points(manifest_.points_size() - 1).epoch();
}

bool FileGroup::Empty(std::size_t disk) const {
  absl::MutexLock lock(&mutex_);
  return volumes_[disk]->empty();
}

std::vector<PointFacts> FileGroup::Points(std::size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<PointFacts> points;
  for (int i = manifest_.points_size() - 1; i >= 0 && points.size() < limit; --i) {
    points.push_back(FromStaged(manifest_.points(i)));
  }
  return points;
}

absl::Status FileGroup::Usable() const {
  return Annotate(broken_, "the group must be opened anew");
}

absl::Status FileGroup::Healthy() const {
  absl::MutexLock lock(&mutex_);
  return broken_;
}

absl::Status FileGroup::Fenced(absl::Status status) const {
  if (status.ok() || absl::IsAborted(status)) return status;
  absl::Status fence = CheckFence(group_, generation_);
  return fence.ok() ? status : fence;
}

absl::Status FileGroup::Broken(absl::Status status) {
  status = Fenced(std::move(status));
  if (!status.ok() && broken_.ok()) broken_ = status;
  return status;
}

absl::Status FileGroup::Write(std::size_t disk, std::uint64_t first_block,
                              block::MutableBytes bytes) {
  RETURN_IF_ERROR(CheckPayload(disks_, disk, first_block, bytes));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (delta_ == nullptr) return Fenced(volumes_[disk]->Write(first_block, bytes));
  RETURN_IF_ERROR(Broken(delta_->Write(disk, first_block * kSectorsPerBlock, bytes)));
  return Added();
}

absl::Status FileGroup::Zero(std::size_t disk, std::uint64_t first_block, std::uint64_t count) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, first_block, count));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (delta_ != nullptr && count > DeltaLog::kMaxZeroBlocks) {
    RETURN_IF_ERROR(Promote().status());
    RETURN_IF_ERROR(LeaveDelta());
  }
  if (delta_ == nullptr) return Fenced(volumes_[disk]->Zero(first_block, count));
  RETURN_IF_ERROR(Broken(delta_->Zero(disk, first_block, count)));
  return Added();
}

absl::Status FileGroup::Patch(std::size_t disk, const std::vector<SectorRun>& runs) {
  RETURN_IF_ERROR(CheckRuns(disks_, disk, runs));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (delta_ == nullptr && Clean()) RETURN_IF_ERROR(Fenced(BeginDelta()));
  if (delta_ == nullptr) return Fenced(volumes_[disk]->Patch(runs));
  for (const SectorRun& run : runs) {
    RETURN_IF_ERROR(Broken(delta_->Write(disk, run.sector, run.bytes)));
  }
  return Added();
}

absl::StatusOr<std::optional<block::Digest>> FileGroup::DigestAt(std::size_t disk,
                                                                 std::uint64_t block) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, block, 1));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (delta_ == nullptr || !delta_->Touches(disk, block)) return volumes_[disk]->DigestAt(block);
  block::AlignedBuffer buffer(block::kBlockSize);
  const block::MutableBytes bytes =
      buffer.bytes().first(block::BlockBytes(disks_[disk].size_bytes, block));
  RETURN_IF_ERROR(volumes_[disk]->Read(block, bytes));
  RETURN_IF_ERROR(delta_->Overlay(disk, block * block::kBlockSize, bytes));
  return block::DigestOf(bytes);
}

absl::StatusOr<block::Digest> FileGroup::ReadBack(std::size_t disk, std::uint64_t block,
                                                  bool* damaged) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, block, 1));
  block::AlignedBuffer buffer(block::kBlockSize);
  const block::MutableBytes bytes =
      buffer.bytes().first(block::BlockBytes(disks_[disk].size_bytes, block));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(volumes_[disk]->Read(block, bytes));
  // Known of what the volume has, without the delta log.
  const std::optional<block::Digest> known = volumes_[disk]->KnownDigest(block);
  *damaged = known && *known != block::DigestOf(bytes);
  if (*damaged) volumes_[disk]->Distrust(block);
  if (delta_ != nullptr && delta_->Touches(disk, block))
    RETURN_IF_ERROR(delta_->Overlay(disk, block * block::kBlockSize, bytes));
  return block::DigestOf(bytes);
}

absl::Status FileGroup::SyncAll() {
  for (const auto& volume : volumes_) RETURN_IF_ERROR(Broken(volume->Sync()));
  return delta_ == nullptr ? absl::OkStatus() : Broken(delta_->Sync());
}

absl::Status FileGroup::Sync() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(SyncAll());
  // Who claimed the group since may not have seen the last of it: then it must not be promised.
  return Broken(CheckFence(group_, generation_));
}

absl::Status FileGroup::Publish(const pb::StagingManifest& manifest) {
  RETURN_IF_ERROR(CheckFence(group_, generation_));
  GODWIT_FAILPOINT("store.commit.after_fence");
  RETURN_IF_ERROR(SaveManifest(ManifestPath(group_, generation_), manifest));
  // A takeover between the check and here made the manifest just written one that does not count.
  RETURN_IF_ERROR(CheckFence(group_, generation_));
  manifest_ = manifest;
  return absl::OkStatus();
}

absl::StatusOr<PointFacts> FileGroup::Commit(const PointFacts& wanted) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(Broken(CheckFence(group_, generation_)));
  if (wanted.epoch == committed_ && committed_ > 0) {  // the answer was lost
    PointFacts facts = FromStaged(delta_ != nullptr && delta_->committed().epoch() == committed_
                                      ? delta_->committed()
                                      : manifest_.points(manifest_.points_size() - 1));
    facts.interim = facts.epoch != LastPoint();
    return facts;
  }
  if (wanted.epoch != committed_ + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("epoch: ", wanted.epoch, " after ", committed_.load(), " was committed"));
  }
  PointFacts facts = wanted;
  facts.changed_bytes = 0;
  facts.commit_time = absl::Now();
  if (facts.interim && delta_ == nullptr && Clean()) RETURN_IF_ERROR(Fenced(BeginDelta()));
  if (facts.interim && delta_ != nullptr && delta_->bytes() < kMaxDeltaBytes) {
    RETURN_IF_ERROR(Broken(delta_->Commit(ToStaged(facts))));
    RETURN_IF_ERROR(Broken(CheckFence(group_, generation_)));
    committed_ = facts.epoch;
    return facts;
  }
  if (delta_ == nullptr) {
    auto sealed = Seal(facts, nullptr, nullptr);
    if (!sealed.ok()) return Fenced(sealed.status());
    return sealed;
  }
  RETURN_IF_ERROR(SyncAll());
  std::vector<DeltaPages> pages;
  for (std::size_t i = 0; i < volumes_.size(); ++i) pages.push_back(delta_->pages(i));
  auto sealed = Seal(facts, &pages, &delta_->file());
  if (!sealed.ok()) return Fenced(sealed.status());
  facts = *std::move(sealed);
  RemoveDelta();
  return facts;
}

absl::StatusOr<PointFacts> FileGroup::Seal(PointFacts facts, const std::vector<DeltaPages>* pages,
                                           const BlockFile* log) {
  facts.interim = false;
  facts.changed_bytes = 0;
  pb::StagingManifest next = manifest_;
  next.set_lease_generation(generation_);
  next.clear_disks();
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    Volume& volume = *volumes_[i];
    RETURN_IF_ERROR(Broken(volume.Sync()));
    ASSIGN_OR_RETURN(*next.add_disks(),
                     pages == nullptr
                         ? volume.Seal(facts.epoch, &facts.changed_bytes)
                         : volume.SealDelta(facts.epoch, (*pages)[i], *log, &facts.changed_bytes));
    RETURN_IF_ERROR(SyncDir(folder_ + "/" + volume.staged().disk_id()));
  }
  // A disk that is no longer replicated stays in the points that have it.
  for (const pb::StagedDisk& disk : manifest_.disks()) {
    const auto same = [&](const DiskSpec& spec) { return spec.disk_id == disk.disk_id(); };
    if (std::any_of(disks_.begin(), disks_.end(), same)) continue;
    pb::StagedDisk& removed = *next.add_disks();
    removed = disk;
    if (removed.last_epoch() == 0) removed.set_last_epoch(LastPoint());
  }
  // What fine layers changed is read for it, once they can be read.
  if (pages == nullptr) {
    ASSIGN_OR_RETURN(facts.root_hash, RootHashNow(facts.root_hash_wanted));
  }
  facts.commit_time = absl::Now();
  *next.add_points() = ToStaged(facts);
  GODWIT_FAILPOINT("store.commit.before_manifest");
  RETURN_IF_ERROR(Broken(Publish(next)));
  committed_ = facts.epoch;
  GODWIT_FAILPOINT("store.commit.after_manifest");
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    RETURN_IF_ERROR(Broken(volumes_[i]->Sealed(facts.epoch, next.disks(static_cast<int>(i)))));
  }
  if (pages == nullptr) return facts;
  ASSIGN_OR_RETURN(facts.root_hash, RootHashNow(facts.root_hash_wanted));
  if (facts.root_hash.empty()) return facts;
  next = manifest_;
  next.mutable_points(next.points_size() - 1)->set_root_hash(facts.root_hash);
  RETURN_IF_ERROR(Broken(Publish(next)));
  return facts;
}

absl::StatusOr<std::string> FileGroup::RootHashNow(bool wanted) {
  std::uint64_t unhashed = 0;
  for (const auto& volume : volumes_) unhashed += volume->unhashed();
  if (!wanted && unhashed > kMaxRehashed) return "";
  RootHash root;
  for (const auto& volume : volumes_) {
    ASSIGN_OR_RETURN(const std::string hash, volume->DiskHash());
    root.Add(volume->staged().disk_id(), static_cast<std::uint64_t>(volume->staged().size_bytes()),
             hash);
  }
  return root.Hex();
}

std::int64_t FileGroup::AllocatedBytes() const {
  std::int64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> linked;  // clones share files with the group
  std::error_code error;
  for (fs::recursive_directory_iterator it(group_, error), end; !error && it != end;
       it.increment(error)) {
    struct stat info;
    if (lstat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (info.st_nlink > 1 && !linked.emplace(info.st_dev, info.st_ino).second) continue;
    bytes += info.st_blocks * 512;
  }
  return bytes;
}

}  // namespace godwit::store
