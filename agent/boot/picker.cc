#include "agent/boot/picker.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

using block::kBlockSize;

constexpr std::size_t kMaxRead = std::size_t{1} << 20;
constexpr std::size_t kLoaded = 128;  // blocks, 8 MiB

// Calls `visit` with disk, offset on it and size of the pieces of [offset, offset + size).
template <typename Visit>
absl::Status ForEachPart(const Volume& volume, std::uint64_t offset, std::uint64_t size,
                         const Visit& visit) {
  if (size > SizeOf(volume) || offset > SizeOf(volume) - size)
    return absl::OutOfRangeError(absl::StrCat("no bytes at ", offset));
  for (auto piece =
           std::upper_bound(volume.begin(), volume.end(), offset,
                            [](std::uint64_t at, const Piece&each) { return at < each.first; }) -
           1;
       size > 0; ++piece) {
    const std::uint64_t in = offset - piece->first;
    if (in >= piece->size) return absl::OutOfRangeError(absl::StrCat("a gap at ", offset));
    const std::uint64_t part = std::min(size, piece->size - in);
    RETURN_IF_ERROR(visit(piece->disk, piece->at + in, part));
    offset += part;
    size -= part;
  }
  return absl::OkStatus();
}

}  // namespace

const absl::Status& Picker::LookAtClock() {
  if (spent_.ok() && SteadyNow() > end_) {
    spent_ = absl::DeadlineExceededError(
        absl::StrCat("looking took longer than ", absl::FormatDuration(limits_.time)));
  }
  return spent_;
}

absl::Status Picker::PickBlock(const Place& place) {
  if (!spent_.ok() || picked_.contains(place)) return spent_;
  if (picked_.size() >= limits_.bytes / kBlockSize)
    spent_ = absl::ResourceExhaustedError(absl::StrCat("more than ", limits_.bytes, " bytes"));
  RETURN_IF_ERROR(LookAtClock());
  picked_.insert(place);
  stage_.push_back(place);
  return absl::OkStatus();
}

absl::Status Picker::Name() {
  if (spent_.ok() && ++names_ > limits_.names)
    spent_ = absl::ResourceExhaustedError(absl::StrCat("more than ", limits_.names, " names"));
  return LookAtClock();
}

absl::Status Picker::Pick(const Volume& volume, std::uint64_t offset, std::uint64_t size) {
  return ForEachPart(volume, offset, size,
                     [&](std::uint32_t disk, std::uint64_t at, std::uint64_t part) -> absl::Status {
                       if (disk >= disks_.size() || part > disks_[disk].size_bytes ||
                           at > disks_[disk].size_bytes - part)
                         return absl::OutOfRangeError(absl::StrCat("no byte ", at, " on the disk"));
                       for (std::uint64_t block = at / kBlockSize; block * kBlockSize < at + part;
                            ++block)
                         RETURN_IF_ERROR(PickBlock({disk, block}));
                       return absl::OkStatus();
                     });
}

absl::StatusOr<const block::AlignedBuffer*> Picker::Load(const Place& place) {
  const auto found = loaded_.find(place);
  if (found != loaded_.end()) return found->second.get();
  const PickedDisk& disk = disks_[place.first];
  auto buffer = std::make_unique<block::AlignedBuffer>(kBlockSize);
  RETURN_IF_ERROR(disk.read(
      place.second, buffer->bytes().first(block::BlockBytes(disk.size_bytes, place.second))));
  if (load_order_.size() >= kLoaded) {
    loaded_.erase(load_order_.front());
    load_order_.pop_front();
  }
  load_order_.push_back(place);
  return (loaded_[place] = std::move(buffer)).get();
}

absl::StatusOr<std::string> Picker::Read(const Volume& volume, std::uint64_t offset,
                                         std::size_t size) {
  if (size > kMaxRead) return absl::InvalidArgumentError("too much to read at once");
  RETURN_IF_ERROR(LookAtClock());
  RETURN_IF_ERROR(Pick(volume, offset, size));
  std::string out;
  RETURN_IF_ERROR(ForEachPart(
      volume, offset, size,
      [&](std::uint32_t disk, std::uint64_t at, std::uint64_t part) -> absl::Status {
        while (part > 0) {
          const std::uint64_t in = at % kBlockSize, bytes = std::min(part, kBlockSize - in);
          ASSIGN_OR_RETURN(const block::AlignedBuffer* const block, Load({disk, at / kBlockSize}));
          out.append(reinterpret_cast<const char*>(block->data()) + in, bytes);
          at += bytes;
          part -= bytes;
        }
        return absl::OkStatus();
      }));
  return out;
}

void Picker::EndStage() {
  std::sort(stage_.begin(), stage_.end());
  for (const auto& [disk, block] : stage_) {
    if (!runs_.empty() && runs_.back().disk == disk &&
        runs_.back().first + runs_.back().count == block) {
      ++runs_.back().count;
    } else {
      runs_.push_back({disk, block, 1});
    }
  }
  stage_.clear();
}

std::vector<FirstRun> Picker::Take() {
  EndStage();
  return std::move(runs_);
}

}  // namespace godwit::agent
