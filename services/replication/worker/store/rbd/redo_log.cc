#include "services/replication/worker/store/rbd/redo_log.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::store::rbd {
namespace {

constexpr std::size_t kHeadBytes = 12;
constexpr std::uint32_t kMaxRecordBytes = 17u << 20;

std::uint64_t ChecksumOf(absl::string_view bytes) {
  return block::Checksum({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

std::uint64_t EndOf(const LogRecord& record) {
  return static_cast<std::uint64_t>(record.offset()) + record.data().size() +
         static_cast<std::uint64_t>(record.zero_bytes());
}

std::string FrameOf(const LogRecord& record) {
  std::string frame(kHeadBytes, '\0');
  const std::string bytes = record.SerializeAsString();
  absl::little_endian::Store32(frame.data(), static_cast<std::uint32_t>(bytes.size()));
  absl::little_endian::Store64(frame.data() + 4, ChecksumOf(bytes));
  return frame + bytes;
}

absl::StatusOr<std::vector<LogRecord>> ParseLog(absl::string_view bytes) {
  std::vector<LogRecord> records;
  while (!bytes.empty()) {
    const std::size_t size =
        bytes.size() < kHeadBytes ? SIZE_MAX : absl::little_endian::Load32(bytes.data());
    if (size > kMaxRecordBytes || bytes.size() - kHeadBytes < size)
      return absl::DataLossError("redo log: a record is not whole");
    const absl::string_view body = bytes.substr(kHeadBytes, size);
    LogRecord record;
    if (absl::little_endian::Load64(bytes.data() + 4) != ChecksumOf(body) ||
        !record.ParseFromArray(body.data(), static_cast<int>(body.size())) || record.offset() < 0 ||
        record.zero_bytes() < 0)
      return absl::DataLossError("redo log: a record is damaged");
    records.push_back(std::move(record));
    bytes.remove_prefix(kHeadBytes + size);
  }
  return records;
}

std::string RedoLog::Object(const std::string& name, std::uint64_t chunk) {
  return absl::StrCat(name, ".", chunk);
}

absl::StatusOr<std::vector<LogRecord>> RedoLog::Read(Cluster& cluster, const std::string& name) {
  std::vector<LogRecord> all;
  for (std::uint64_t chunk = 0;; ++chunk) {
    const absl::StatusOr<std::string> bytes = cluster.Read(Object(name, chunk));
    if (absl::IsNotFound(bytes.status())) return all;
    RETURN_IF_ERROR(bytes);
    absl::StatusOr<std::vector<LogRecord>> records = ParseLog(*bytes);
    RETURN_IF_ERROR(Annotate(records.status(), Object(name, chunk)));
    std::move(records->begin(), records->end(), std::back_inserter(all));
  }
}

// From the end: what a crash leaves is the beginning of the log, which the next removal finds.
absl::Status RedoLog::Remove(Cluster& cluster, const std::string& name) {
  std::uint64_t chunks = 0;
  while (true) {
    const absl::Status found = cluster.Read(Object(name, chunks)).status();
    if (absl::IsNotFound(found)) break;
    RETURN_IF_ERROR(found);
    ++chunks;
  }
  while (chunks > 0) RETURN_IF_ERROR(cluster.Remove(Object(name, --chunks)));
  return absl::OkStatus();
}

void RedoLog::Add(LogRecord record) {
  used_ = true;
  waiting_ += FrameOf(record);
  if (record.has_commit()) return;
  const std::uint64_t end = EndOf(record);
  auto& blocks = by_block_[record.disk_id()];
  for (std::uint64_t b = static_cast<std::uint64_t>(record.offset()) / block::kBlockSize;
       b * block::kBlockSize < end; ++b)
    blocks[b].push_back(open_.size());
  open_bytes_ += record.data().size();
  open_.push_back(std::move(record));
}

// A write is atomic, so there is never a part of what one Flush() wrote. What waits goes into one
// object: records are whole in it.
absl::Status RedoLog::Flush() {
  if (waiting_.empty()) return absl::OkStatus();
  if (at_ > 0 && at_ + waiting_.size() > kChunkBytes) {
    ++chunk_;
    at_ = 0;
  }
  RETURN_IF_ERROR(cluster_.Write(Object(name_, chunk_), at_, waiting_));
  at_ += waiting_.size();
  waiting_.clear();
  return absl::OkStatus();
}

std::vector<LogRecord> RedoLog::TakeOpen() {
  by_block_.clear();
  open_bytes_ = 0;
  return std::exchange(open_, {});
}

bool RedoLog::Touches(const std::string& disk_id, std::uint64_t block) const {
  const auto disk = by_block_.find(disk_id);
  return disk != by_block_.end() && disk->second.contains(block);
}

void RedoLog::Overlay(const std::string& disk_id, std::uint64_t block,
                      block::MutableBytes bytes) const {
  const auto disk = by_block_.find(disk_id);
  if (disk == by_block_.end()) return;
  const auto found = disk->second.find(block);
  if (found == disk->second.end()) return;
  const std::uint64_t first = block * block::kBlockSize, last = first + bytes.size();
  for (const std::size_t index : found->second) {
    const LogRecord& record = open_[index];
    const auto offset = static_cast<std::uint64_t>(record.offset());
    const std::uint64_t from = std::max(first, offset), to = std::min(last, EndOf(record));
    if (from >= to) continue;
    if (record.data().empty()) {
      std::memset(bytes.data() + (from - first), 0, to - from);
    } else {
      std::memcpy(bytes.data() + (from - first), record.data().data() + (from - offset), to - from);
    }
  }
}

}  // namespace godwit::store::rbd
