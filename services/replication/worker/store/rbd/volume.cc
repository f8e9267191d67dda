#include "services/replication/worker/store/rbd/volume.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/status_macros.h"

namespace godwit::store::rbd {
namespace {

constexpr std::uint64_t kRun = 4096;  // blocks of one object
// A run with more changes than this is written as a whole.
constexpr std::uint32_t kMaxSingles = 64;
constexpr std::size_t kDigestBytes = sizeof(block::Digest);

std::string DigestPrefix(const std::string& image) {
  return absl::StrCat("godwit.digests.", image);
}

}  // namespace

std::string SnapshotName(std::int64_t epoch) { return absl::StrCat("e", epoch); }

Volume::Volume(Cluster& cluster, const replication::v1::RbdDisk& disk)
    : cluster_(cluster),
      disk_id_(disk.disk_id()),
      name_(disk.image()),
      size_bytes_(static_cast<std::uint64_t>(disk.size_bytes())),
      digests_(size_bytes_),
      unknown_(digests_.size()),
      unsaved_(digests_.size()),
      unsaved_in_((digests_.size() + kRun - 1) / kRun),
      kept_(unsaved_in_.size()) {}

std::string Volume::DigestObject(std::uint64_t run) const {
  return absl::StrCat(DigestPrefix(name_), ".", absl::Hex(run));
}

absl::StatusOr<std::unique_ptr<Volume>> Volume::Open(Cluster& cluster,
                                                     const replication::v1::RbdDisk& disk,
                                                     std::int64_t point) {
  std::unique_ptr<Volume> volume(new Volume(cluster, disk));
  ASSIGN_OR_RETURN(volume->image_, Image::Open(cluster, disk.image(), volume->size_bytes_));
  RETURN_IF_ERROR(volume->LoadDigests(point));
  return volume;
}

absl::Status Volume::Remove(Cluster& cluster, const replication::v1::RbdDisk& disk) {
  RETURN_IF_ERROR(Image::Remove(cluster, disk.image()));
  const Volume volume(cluster, disk);
  for (std::uint64_t run = 0; run < volume.kept_.size(); ++run)
    RETURN_IF_ERROR(cluster.Remove(volume.DigestObject(run)));
  return absl::OkStatus();
}

absl::Status Volume::LoadDigests(std::int64_t point) {
  for (std::uint64_t run = 0; run < kept_.size(); ++run) {
    if (point == 0) {  // left by a commit that was not finished: nothing to compare it with
      RETURN_IF_ERROR(cluster_.Remove(DigestObject(run)));
      continue;
    }
    const absl::StatusOr<std::string> bytes = cluster_.Read(DigestObject(run));
    if (absl::IsNotFound(bytes.status())) continue;
    RETURN_IF_ERROR(bytes);
    kept_[run] = true;
    const std::uint64_t first = run * kRun, end = std::min(first + kRun, digests_.size());
    for (std::uint64_t block = first; block < end; ++block) {
      block::Digest digest;
      const std::size_t at = (block - first) * kDigestBytes;
      if (at + kDigestBytes <= bytes->size())
        std::memcpy(digest.bytes.data(), bytes->data() + at, kDigestBytes);
      if (digest == block::Digest{}) {
        SetUnknown(block);
      } else {
        digests_.Set(block, digest);
      }
    }
  }
  std::fill(unsaved_.begin(), unsaved_.end(), false);
  std::fill(unsaved_in_.begin(), unsaved_in_.end(), 0);
  empty_ = point == 0;
  return image_->Diff(point == 0 ? "" : SnapshotName(point),
                      [this](std::uint64_t offset, std::uint64_t size) {
                        empty_ = false;
                        was_changed_ = true;
                        changed_bytes_ += static_cast<std::int64_t>(size);
                        if (size == 0) return;
                        const std::uint64_t last = (offset + size - 1) / block::kBlockSize;
                        for (std::uint64_t b = offset / block::kBlockSize; b <= last; ++b)
                          SetUnknown(b);
                      });
}

void Volume::SetKnown(std::uint64_t block, const block::Digest& digest) {
  digests_.Set(block, digest);
  if (unknown_[block]) --unknown_count_;
  unknown_[block] = false;
  if (!unsaved_[block]) ++unsaved_in_[block / kRun];
  unsaved_[block] = true;
}

void Volume::SetUnknown(std::uint64_t block) {
  if (!unknown_[block]) ++unknown_count_;
  unknown_[block] = true;
  if (!unsaved_[block]) ++unsaved_in_[block / kRun];
  unsaved_[block] = true;
}

absl::Status Volume::Write(std::uint64_t first_block, block::Bytes bytes) {
  empty_ = false;
  RETURN_IF_ERROR(image_->Write(first_block * block::kBlockSize, bytes));
  changed_bytes_ += static_cast<std::int64_t>(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += block::kBlockSize) {
    SetKnown(first_block + at / block::kBlockSize,
             block::DigestOf(
                 bytes.subspan(at, std::min<std::size_t>(block::kBlockSize, bytes.size() - at))));
  }
  return absl::OkStatus();
}

absl::Status Volume::Zero(std::uint64_t first_block, std::uint64_t count) {
  empty_ = false;
  const std::uint64_t offset = first_block * block::kBlockSize;
  RETURN_IF_ERROR(image_->Zero(offset, std::min(count * block::kBlockSize, size_bytes_ - offset)));
  for (std::uint64_t block = first_block; block < first_block + count; ++block)
    SetKnown(block, block::ZeroDigest(block::BlockBytes(size_bytes_, block)));
  return absl::OkStatus();
}

absl::Status Volume::Patch(std::uint64_t offset, block::Bytes bytes) {
  if (bytes.empty()) return absl::OkStatus();
  empty_ = false;
  RETURN_IF_ERROR(image_->Write(offset, bytes));
  changed_bytes_ += static_cast<std::int64_t>(bytes.size());
  const std::uint64_t last = (offset + bytes.size() - 1) / block::kBlockSize;
  for (std::uint64_t block = offset / block::kBlockSize; block <= last; ++block) SetUnknown(block);
  return absl::OkStatus();
}

absl::Status Volume::Read(std::uint64_t block, block::MutableBytes bytes) {
  return image_->Read(block * block::kBlockSize, bytes);
}

std::optional<block::Digest> Volume::KnownDigest(std::uint64_t block) const {
  if (unknown_[block]) return std::nullopt;
  return digests_.at(block);
}

absl::StatusOr<block::Digest> Volume::DigestAt(std::uint64_t block) {
  if (!unknown_[block]) return digests_.at(block);
  block::AlignedBuffer buffer(block::kBlockSize);
  const block::MutableBytes bytes = buffer.bytes().first(block::BlockBytes(size_bytes_, block));
  RETURN_IF_ERROR(Read(block, bytes));
  SetKnown(block, block::DigestOf(bytes));
  return digests_.at(block);
}

absl::StatusOr<std::string> Volume::DiskHash() {
  for (std::uint64_t block = 0; unknown_count_ > 0 && block < digests_.size(); ++block) {
    if (unknown_[block]) RETURN_IF_ERROR(DigestAt(block).status());
  }
  return digests_.DiskHash();
}

absl::Status Volume::SaveDigests() {
  for (std::uint64_t run = 0; run < kept_.size(); ++run) {
    if (unsaved_in_[run] == 0) continue;
    const std::uint64_t first = run * kRun, end = std::min(first + kRun, digests_.size());
    const bool whole = !kept_[run] || unsaved_in_[run] > kMaxSingles;
    std::string all;
    for (std::uint64_t block = first; block < end; ++block) {
      if (!whole && !unsaved_[block]) continue;
      const block::Digest digest = unknown_[block] ? block::Digest{} : digests_.at(block);
      const absl::string_view bytes(reinterpret_cast<const char*>(digest.bytes.data()),
                                    kDigestBytes);
      if (whole) {
        all.append(bytes.data(), bytes.size());
      } else {
        RETURN_IF_ERROR(cluster_.Write(DigestObject(run), (block - first) * kDigestBytes, bytes));
      }
    }
    if (whole) RETURN_IF_ERROR(cluster_.Write(DigestObject(run), 0, all));
    kept_[run] = true;
    unsaved_in_[run] = 0;
    std::fill(unsaved_.begin() + static_cast<std::ptrdiff_t>(first),
              unsaved_.begin() + static_cast<std::ptrdiff_t>(end), false);
  }
  changed_bytes_ = 0;
  return absl::OkStatus();
}

}  // namespace godwit::store::rbd
