// The log of small changes after a point: pages of 4 KiB of all disks of a group, in the order of
// arrival, and the commits between them. An interim epoch costs an append and one sync, whatever it
// changed; nothing is read, merged or renamed. When a point is sealed the newest pages become a
// fine layer of each disk and the log goes.
//
// A page that names the disks, then records, each of whole pages: a head and the content of its
// pages. A head carries checksums over itself and the content, so a torn tail ends the log. In an
// encrypted group a page with its key lies in front, and offsets count from behind it. See
// docs/decisions/0006-delta-log.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/replication/worker/store/block_file.h"
#include "services/replication/worker/store/qcow2.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// The newest content of a page. Not all sectors need be there.
struct DeltaPage {
  static constexpr std::uint64_t kZero = ~std::uint64_t{0};
  std::uint64_t offset = 0;  // in the log, or kZero: the sectors of the mask read as zeros
  std::uint8_t sectors = 0;  // bit i: sector i of the page
  bool whole() const { return sectors == 0xff; }
};
// Pages of one disk, by number.
using DeltaPages = absl::btree_map<std::uint64_t, DeltaPage>;

// Not thread-safe.
class DeltaLog {
 public:
  // A new log for a group of these disks, at most 50.
  static absl::StatusOr<std::unique_ptr<DeltaLog>> Create(
      const std::string& path, const std::vector<DiskSpec>& disks,
      const crypt::GroupKeyPtr& group = nullptr);  // encrypted with it

  // What is at `path`, without changing it: another writer may still be at work on it. Null: no
  // log, or nothing in it. Pages are by the order of `disks`; those of other disks are left out.
  struct Found;
  static absl::StatusOr<std::unique_ptr<Found>> Read(const std::string& path,
                                                     const std::vector<DiskSpec>& disks,
                                                     const crypt::GroupKeyPtr& group = nullptr);

  // Takes the place of whatever is at `path`, durably.
  absl::Status MoveTo(const std::string& path);

  // Whole sectors; durable with the next Sync or Commit.
  absl::Status Write(std::size_t disk, std::uint64_t sector, block::Bytes bytes);
  // At most kMaxZeroBlocks.
  absl::Status Zero(std::size_t disk, std::uint64_t first_block, std::uint64_t count);
  static constexpr std::uint64_t kMaxZeroBlocks = 1024;
  // Overlays what the log has of `bytes` at `offset` (a multiple of 4096) of the disk.
  absl::Status Overlay(std::size_t disk, std::uint64_t offset, block::MutableBytes bytes) const;
  bool Touches(std::size_t disk, std::uint64_t block) const;
  absl::Status Sync();
  // Everything so far is epoch `facts`, durably.
  absl::Status Commit(const replication::v1::StagedPoint& facts);

  // The last commit; without one `epoch` is 0.
  const replication::v1::StagedPoint& committed() const { return committed_; }
  // Of the log's content, all of it or since the last commit.
  std::uint64_t bytes() const { return end_; }
  std::uint64_t uncommitted_bytes() const { return end_ - committed_end_; }
  const DeltaPages& pages(std::size_t disk) const { return pages_[disk]; }
  const BlockFile& file() const { return file_; }
  const std::string& path() const { return path_; }

 private:
  DeltaLog(BlockFile file, std::vector<std::uint64_t> disk_bytes)
      : file_(std::move(file)),
        path_(file_.path()),
        disk_bytes_(std::move(disk_bytes)),
        pages_(disk_bytes_.size()),
        buffer_(kBufferBytes) {}
  absl::Status WriteDisks(const std::vector<DiskSpec>& disks);
  static constexpr std::size_t kBufferBytes = (std::size_t{1} << 20) + kPageBytes;
  struct Entry {
    std::uint64_t page = 0;
    std::uint64_t zero_pages = 0;  // 0: one page of content
    std::uint16_t disk = 0;
    std::uint8_t sectors = 0;
  };
  absl::Status AddPage(std::size_t disk, std::uint64_t page, std::uint8_t sectors, std::size_t from,
                       block::Bytes bytes);
  // Writes what is gathered as a record.
  absl::Status Flush(const std::string& commit = "");
  void Apply(const Entry& entry, std::uint64_t offset);
  // *size 0: the log ends here.
  absl::Status ReadRecord(std::uint64_t at, std::uint64_t sequence, std::vector<Entry>* entries,
                          std::string* commit, std::uint64_t* size);

  BlockFile file_;
  std::string path_;
  const std::vector<std::uint64_t> disk_bytes_;
  std::vector<DeltaPages> pages_;
  std::uint64_t end_ = 0, committed_end_ = 0, synced_ = 0, sequence_ = 0;
  replication::v1::StagedPoint committed_;
  // The record being gathered: a page for the head, then the pages of `entries_`.
  block::AlignedBuffer buffer_;
  std::size_t gathered_ = 0;  // pages of content
  std::vector<Entry> entries_;
};

struct DeltaLog::Found {
  // State of the last commit, and what came after it.
  std::vector<DeltaPages> committed_pages, later_pages;
  replication::v1::StagedPoint committed;  // epoch 0: none
  BlockFile file;
};

// Copies the sectors of `mask` from a page to another, which may be shorter at the end of a disk.
void CopySectors(std::uint8_t mask, const std::uint8_t* from, block::MutableBytes to);

}  // namespace godwit::store
