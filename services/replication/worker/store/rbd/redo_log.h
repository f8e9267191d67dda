// What came after the state that the images of a group hold, for all its disks: the images are
// changed only once that is committed, so what they hold is always a committed state (and the part
// of it that is still under way). In objects {name}.0, {name}.1, ..., of records that each have a
// length and a checksum.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/rbd_staging.pb.h"
#include "services/common/block/block.h"
#include "services/replication/worker/store/rbd/cluster.h"

namespace godwit::store::rbd {

using LogRecord = replication::v1::RbdLogRecord;

// Bytes [record.offset, end) are what it changes.
std::uint64_t EndOf(const LogRecord& record);
// Whole records at the beginning of `bytes`. DATA_LOSS: something that is no record follows.
absl::StatusOr<std::vector<LogRecord>> ParseLog(absl::string_view bytes);
std::string FrameOf(const LogRecord& record);

// Not thread-safe.
class RedoLog {
 public:
  // `found`: there are objects of that name, which it does not add to: it is only there to be
  // replaced. `cluster` must outlive it.
  RedoLog(Cluster& cluster, std::string name, bool found = false)
      : cluster_(cluster), name_(std::move(name)), used_(found) {}
  const std::string& name() const { return name_; }
  // All records of a log; none when there is no such log.
  static absl::StatusOr<std::vector<LogRecord>> Read(Cluster& cluster, const std::string& name);
  static absl::Status Remove(Cluster& cluster, const std::string& name);

  // Adds a record; Flush() makes it durable.
  void Add(LogRecord record);
  absl::Status Flush();
  // There is something in it, or was.
  bool used() const { return used_; }
  // Bytes that Flush() would write.
  std::size_t waiting() const { return waiting_.size(); }
  std::uint64_t bytes() const { return chunk_ * kChunkBytes + at_ + waiting_.size(); }

  // Records that are not committed yet, in order, and how much they hold.
  const std::vector<LogRecord>& open_records() const { return open_; }
  std::uint64_t open_bytes() const { return open_bytes_; }
  // They are committed: takes them out.
  std::vector<LogRecord> TakeOpen();
  // Whether open records change the block of 64 KiB, and `bytes` (its content) with them done.
  bool Touches(const std::string& disk_id, std::uint64_t block) const;
  void Overlay(const std::string& disk_id, std::uint64_t block, block::MutableBytes bytes) const;

 private:
  static constexpr std::uint64_t kChunkBytes = std::uint64_t{4} << 20;
  static std::string Object(const std::string& name, std::uint64_t chunk);

  Cluster& cluster_;
  const std::string name_;
  bool used_;
  std::string waiting_;
  std::uint64_t chunk_ = 0, at_ = 0;
  std::vector<LogRecord> open_;
  std::uint64_t open_bytes_ = 0;
  // Of each disk: which open records change a block.
  std::unordered_map<std::string, std::unordered_map<std::uint64_t, std::vector<std::size_t>>>
      by_block_;
};

}  // namespace godwit::store::rbd
