#include "bench/programs/segment_group.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/block_file.h"

namespace godwit::bench {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kSegmentPages = (64 << 20) / kPage;
constexpr std::uint64_t kSectorsPerPage = kPage / block::kSectorSize;
constexpr std::uint32_t kNowhere = 0;  // place 0 is never given away

class SegmentGroup final : public store::Group {
 public:
  SegmentGroup(std::string folder, const store::DiskSpec& disk, store::BlockFile log)
      : folder_(std::move(folder)),
        disks_{disk},
        log_(std::move(log)),
        map_(disk.size_bytes / kPage, kNowhere) {}

  const std::vector<store::DiskSpec>& disks() const override { return disks_; }
  std::int64_t lease_generation() const override { return 1; }
  const std::string& replica_id() const override { return id_; }
  std::int64_t committed_epoch() const override { return epoch_; }
  bool Empty(std::size_t) const override { return next_ == 1; }
  absl::Status Healthy() const override { return absl::OkStatus(); }

  std::vector<store::PointFacts> Points(std::size_t) const override {
    std::vector<store::PointFacts> points;
    for (const auto& [epoch, older] : points_) points.push_back({.epoch = epoch});
    return points;
  }

  absl::Status Write(std::size_t, std::uint64_t first_block, block::MutableBytes bytes) override {
    return Append(first_block * (block::kBlockSize / kPage), bytes);
  }
  absl::Status Zero(std::size_t, std::uint64_t, std::uint64_t) override {
    return absl::UnimplementedError("zeros");
  }
  // Pages that are patched in part would be read first; benches patch whole ones.
  absl::Status Patch(std::size_t, const std::vector<store::SectorRun>& runs) override {
    for (const store::SectorRun& run : runs) {
      if (run.sector % kSectorsPerPage != 0 || run.bytes.size() != kPage) {
        return absl::UnimplementedError("parts of pages");
      }
      if (gathered_ == kGather) RETURN_IF_ERROR(Flush());
      std::copy(run.bytes.begin(), run.bytes.end(), buffer_.bytes().data() + gathered_ * kPage);
      pages_[gathered_++] = run.sector / kSectorsPerPage;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<block::Digest>> DigestAt(std::size_t, std::uint64_t) override {
    return std::nullopt;
  }
  absl::StatusOr<block::Digest> ReadBack(std::size_t, std::uint64_t, bool*) override {
    return absl::UnimplementedError("reading back");
  }
  absl::Status Sync() override {
    RETURN_IF_ERROR(Flush());
    for (auto& [number, file] : unsynced_) RETURN_IF_ERROR(file->Sync());
    unsynced_.clear();
    return absl::OkStatus();
  }

  absl::StatusOr<store::PointFacts> Commit(const store::PointFacts& facts) override {
    RETURN_IF_ERROR(Sync());
    // The record: page and place of all that changed, 12 bytes each.
    const std::uint64_t size = (changed_.size() * 12 + 2 * kPage - 1) / kPage * kPage;
    block::AlignedBuffer record(size);
    std::uint8_t* at = record.bytes().data();
    for (const std::uint64_t page : changed_) {
      std::memcpy(at, &page, 8);
      std::memcpy(at + 8, &map_[page], 4);
      at += 12;
    }
    RETURN_IF_ERROR(log_.Write(log_end_, record.bytes()));
    log_end_ += size;
    RETURN_IF_ERROR(log_.Sync());
    changed_.clear();
    epoch_ = facts.epoch;
    if (!facts.interim) points_[facts.epoch];
    return facts;
  }
  absl::StatusOr<std::optional<store::PointFacts>> Rest() override { return std::nullopt; }

  absl::StatusOr<std::vector<store::CloneFile>> CreateClone(const std::string& clone_id,
                                                            std::int64_t) override {
    const std::string path = absl::StrCat(folder_, "/", clone_id, ".raw");
    ASSIGN_OR_RETURN(store::BlockFile copy,
                     store::BlockFile::Open(path, store::BlockFile::Mode::kCreate));
    RETURN_IF_ERROR(copy.Truncate(disks_[0].size_bytes));
    block::AlignedBuffer buffer(256 * kPage);
    for (std::uint64_t page = 0; page < map_.size(); page += 256) {
      const std::uint64_t count = std::min<std::uint64_t>(256, map_.size() - page);
      RETURN_IF_ERROR(ReadPages(page, buffer.bytes().first(count * kPage)));
      RETURN_IF_ERROR(copy.Write(page * kPage, buffer.bytes().first(count * kPage)));
    }
    RETURN_IF_ERROR(copy.Sync());
    return std::vector<store::CloneFile>{{.disk = disks_[0], .path = path}};
  }
  absl::Status DeleteClone(const std::string& clone_id) override {
    const std::string path = absl::StrCat(folder_, "/", clone_id, ".raw");
    return unlink(path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(path);
  }

  absl::Status DeletePoints(const std::vector<std::int64_t>& epochs) override {
    // What a forgotten point alone kept goes to the next older one that has no other entry for it.
    for (const std::int64_t epoch : epochs) {
      const auto found = points_.find(epoch);
      if (found == points_.end()) continue;
      if (found != points_.begin()) {
        auto& older = std::prev(found)->second;
        for (const auto& [page, place] : found->second) older.emplace(page, place);
      }
      points_.erase(found);
    }
    return Collect();
  }
  std::int64_t AllocatedBytes() const override {
    return static_cast<std::int64_t>(segments_.size() * kSegmentPages * kPage);
  }

 private:
  static constexpr std::size_t kGather = 256;

  absl::Status Flush() {
    const std::size_t count = std::exchange(gathered_, 0);
    for (std::size_t i = 0; i < count;) {
      // One write of all that fits into the segment.
      const std::uint64_t room = kSegmentPages - next_ % kSegmentPages;
      const std::size_t part = std::min<std::size_t>(room, count - i);
      RETURN_IF_ERROR(Put(buffer_.bytes().subspan(i * kPage, part * kPage)));
      for (std::size_t k = 0; k < part; ++k) Place(pages_[i + k], next_++);
      i += part;
    }
    return absl::OkStatus();
  }
  absl::Status Append(std::uint64_t page, block::MutableBytes bytes) {
    RETURN_IF_ERROR(Flush());
    for (std::uint64_t done = 0; done < bytes.size();) {
      const std::uint64_t room = (kSegmentPages - next_ % kSegmentPages) * kPage;
      const std::uint64_t part = std::min<std::uint64_t>(room, bytes.size() - done);
      RETURN_IF_ERROR(Put(bytes.subspan(done, part)));
      for (std::uint64_t k = 0; k < part / kPage; ++k) Place(page++, next_++);
      done += part;
    }
    return absl::OkStatus();
  }
  absl::Status Put(block::MutableBytes bytes) {
    ASSIGN_OR_RETURN(store::BlockFile * file, Segment(next_ / kSegmentPages));
    unsynced_[next_ / kSegmentPages] = file;
    return file->Write(next_ % kSegmentPages * kPage, bytes);
  }
  void Place(std::uint64_t page, std::uint32_t place) {
    // The newest point keeps what it has.
    if (!points_.empty() && map_[page] != kNowhere && !moving_) {
      std::prev(points_.end())->second.emplace(page, map_[page]);
    }
    map_[page] = place;
    changed_.push_back(page);
  }
  absl::StatusOr<store::BlockFile*> Segment(std::uint32_t number) {
    auto& file = segments_[number];
    if (file == nullptr) {
      ASSIGN_OR_RETURN(store::BlockFile made,
                       store::BlockFile::Open(absl::StrCat(folder_, "/segment-", number),
                                              store::BlockFile::Mode::kCreate));
      file = std::make_unique<store::BlockFile>(std::move(made));
    }
    return file.get();
  }
  absl::Status ReadPages(std::uint64_t page, block::MutableBytes bytes) {
    const std::uint64_t count = bytes.size() / kPage;
    for (std::uint64_t i = 0; i < count;) {
      std::uint64_t run = 1;
      while (i + run < count && map_[page + i + run] == map_[page + i] + run &&
             map_[page + i + run] % kSegmentPages != 0) {
        ++run;
      }
      ASSIGN_OR_RETURN(store::BlockFile * file, Segment(map_[page + i] / kSegmentPages));
      RETURN_IF_ERROR(file->ReadOnce(map_[page + i] % kSegmentPages * kPage,
                                     bytes.subspan(i * kPage, run * kPage)));
      i += run;
    }
    return absl::OkStatus();
  }
  // Moves what lives in segments that are more than half dead and of which no point keeps anything,
  // and removes them.
  absl::Status Collect() {
    absl::flat_hash_map<std::uint32_t, std::uint64_t> alive;
    for (const std::uint32_t place : map_) ++alive[place / kSegmentPages];
    for (const auto& [epoch, older] : points_) {
      for (const auto& [page, place] : older) alive[place / kSegmentPages] = kSegmentPages;
    }
    std::vector<std::uint32_t> dead;
    for (const auto& [number, file] : segments_) {
      if (number != next_ / kSegmentPages && alive[number] < kSegmentPages / 2)
        dead.push_back(number);
    }
    moving_ = true;
    for (std::uint64_t page = 0; page < map_.size(); ++page) {
      if (!std::binary_search(dead.begin(), dead.end(), map_[page] / kSegmentPages)) continue;
      if (gathered_ == kGather) RETURN_IF_ERROR(Flush());
      RETURN_IF_ERROR(ReadPages(page, buffer_.bytes().subspan(gathered_ * kPage, kPage)));
      pages_[gathered_++] = page;
    }
    RETURN_IF_ERROR(Sync());
    moving_ = false;
    for (const std::uint32_t number : dead) {
      const std::string path = absl::StrCat(folder_, "/segment-", number);
      if (unlink(path.c_str()) != 0) return ErrnoStatus(path);
      segments_.erase(number);
    }
    return absl::OkStatus();
  }

  const std::string folder_, id_ = NewUuid();
  const std::vector<store::DiskSpec> disks_;
  store::BlockFile log_;
  std::uint64_t log_end_ = 0;
  std::map<std::uint32_t, std::unique_ptr<store::BlockFile>> segments_;
  std::map<std::uint32_t, store::BlockFile*> unsynced_;
  std::vector<std::uint32_t> map_;  // by page: its place, counted over all segments
  std::uint32_t next_ = 1;
  std::vector<std::uint64_t> changed_;  // since the last record
  // What later pages took the place of, by the point that still has it.
  std::map<std::int64_t, absl::flat_hash_map<std::uint64_t, std::uint32_t>> points_;
  std::atomic<std::int64_t> epoch_{0};
  block::AlignedBuffer buffer_{kGather * kPage};
  std::array<std::uint64_t, kGather> pages_{};
  std::size_t gathered_ = 0;
  bool moving_ = false;
};

}  // namespace

absl::StatusOr<std::shared_ptr<store::Group>> OpenSegmentGroup(const std::string& folder,
                                                               const store::DiskSpec& disk) {
  RETURN_IF_ERROR(MakeDirs(folder, 0750));
  ASSIGN_OR_RETURN(store::BlockFile log,
                   store::BlockFile::Open(folder + "/map.log", store::BlockFile::Mode::kCreate));
  return std::make_shared<SegmentGroup>(folder, disk, std::move(log));
}

}  // namespace godwit::bench
