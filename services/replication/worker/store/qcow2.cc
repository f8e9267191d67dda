#include "services/replication/worker/store/qcow2.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

using block::kBlockSize;
constexpr std::uint32_t kMagic = 0x514649fb;
constexpr std::uint32_t kHeaderBytes = 104;
constexpr std::uint32_t kBackingFormat = 0xE2792ACA;
constexpr std::uint32_t kLayerTable = 0x47575431;  // "GWT1"
constexpr std::uint64_t kCopied = std::uint64_t{1} << 63;
constexpr std::uint64_t kReadsAsZero = 1;
constexpr std::size_t kHeaderRoom = 4096;  // of the smallest cluster
constexpr std::size_t kMaxBackingName = 1023;

std::uint64_t DivideUp(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

// Big-endian fields of the first cluster.
class Header {
 public:
  Header() : bytes_(kHeaderRoom) {}
  void Put32(std::size_t at, std::uint32_t value) {
    absl::big_endian::Store32(bytes_.data() + at, value);
  }
  void Put64(std::size_t at, std::uint64_t value) {
    absl::big_endian::Store64(bytes_.data() + at, value);
  }
  void Extension(std::uint32_t type, absl::string_view data) {
    Put32(end_, type);
    Put32(end_ + 4, static_cast<std::uint32_t>(data.size()));
    std::memcpy(bytes_.data() + end_ + 8, data.data(), data.size());
    end_ += 8 + DivideUp(data.size(), 8) * 8;
  }
  void BackingFile(const std::string& name) {
    end_ += 8;  // the extension that ends the list is all zeros
    Put64(8, end_);
    Put32(16, static_cast<std::uint32_t>(name.size()));
    std::memcpy(bytes_.data() + end_, name.data(), name.size());
  }
  block::MutableBytes bytes() { return bytes_.bytes(); }

 private:
  block::AlignedBuffer bytes_;
  std::size_t end_ = kHeaderBytes;
};

// Cluster numbers of the tables of an image.
struct Plan {
  std::uint64_t cluster, entries_per_table, refcounts_per_block;
  std::uint64_t l2_first, l2_count, l1_first, l1_clusters, l1_size;
  std::uint64_t refcount_first, refcount_blocks, table_first, table_clusters, end;
};

Plan MakePlan(std::uint64_t disk_bytes, std::uint64_t end_cluster, const LayerTable& table) {
  Plan plan{.cluster = table.cluster_bytes,
            .entries_per_table = table.cluster_bytes / 8,
            .refcounts_per_block = table.cluster_bytes / 2};
  const std::vector<Placed>& placed = table.placed;
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (i == 0 ||
        placed[i].block / plan.entries_per_table != placed[i - 1].block / plan.entries_per_table)
      ++plan.l2_count;
  }
  plan.l1_size = std::max<std::uint64_t>(
      1, DivideUp(DivideUp(disk_bytes, plan.cluster), plan.entries_per_table));
  plan.l2_first = end_cluster;
  plan.l1_first = plan.l2_first + plan.l2_count;
  plan.l1_clusters = DivideUp(plan.l1_size, plan.entries_per_table);
  plan.refcount_first = plan.l1_first + plan.l1_clusters;
  // The refcounts count themselves: grow until they cover the whole.
  do {
    ++plan.refcount_blocks;
    plan.table_clusters = DivideUp(plan.refcount_blocks, plan.entries_per_table);
    plan.table_first = plan.refcount_first + plan.refcount_blocks;
    plan.end = plan.table_first + plan.table_clusters;
  } while (plan.refcount_blocks * plan.refcounts_per_block < plan.end);
  return plan;
}

// Writes what lies one behind the other in large pieces.
class Appender {
 public:
  Appender(BlockFile& file, std::uint64_t offset) : file_(file), offset_(offset), buffer_(kRoom) {}
  // `bytes` more, all zero; to be filled before the next call.
  absl::StatusOr<std::uint8_t*> Add(std::size_t bytes) {
    if (used_ + bytes > buffer_.size()) RETURN_IF_ERROR(Flush());
    std::uint8_t* const out = buffer_.data() + used_;
    std::memset(out, 0, bytes);
    used_ += bytes;
    return out;
  }
  absl::Status Flush() {
    RETURN_IF_ERROR(file_.Write(offset_, buffer_.bytes().first(used_)));
    offset_ += used_;
    used_ = 0;
    return absl::OkStatus();
  }

 private:
  static constexpr std::size_t kRoom = std::size_t{1} << 20;
  BlockFile& file_;
  std::uint64_t offset_;
  block::AlignedBuffer buffer_;
  std::size_t used_ = 0;
};

class Sealer {
 public:
  Sealer(BlockFile& file, std::uint64_t disk_bytes, std::uint64_t end_cluster,
         const LayerTable& table)
      : file_(file), placed_(table.placed), plan_(MakePlan(disk_bytes, end_cluster, table)) {
    refcounts_.resize(plan_.end);
    refcounts_[0] = 1;
    for (std::uint64_t i = plan_.l2_first; i < plan_.end; ++i) refcounts_[i] = 1;
  }

  // L2 tables, L1 table, refcount blocks, refcount table: they lie one behind the other.
  absl::Status WriteTables() {
    Appender out(file_, plan_.l2_first * plan_.cluster);
    std::vector<std::uint64_t> l1(plan_.l1_clusters * plan_.entries_per_table);
    std::uint64_t next_table = plan_.l2_first;
    for (std::size_t i = 0; i < placed_.size();) {
      const std::uint64_t slot = placed_[i].block / plan_.entries_per_table;
      ASSIGN_OR_RETURN(std::uint8_t* const l2, out.Add(plan_.cluster));
      for (; i < placed_.size() && placed_[i].block / plan_.entries_per_table == slot; ++i) {
        const Placed& placed = placed_[i];
        const bool zero = placed.offset == Placed::kZero;
        if (!zero) refcounts_[placed.offset / plan_.cluster] = 1;
        absl::big_endian::Store64(l2 + placed.block % plan_.entries_per_table * 8,
                                  zero ? kReadsAsZero : placed.offset | kCopied);
      }
      l1[slot] = (next_table++ * plan_.cluster) | kCopied;
    }
    RETURN_IF_ERROR(WriteEntries(out, l1));
    std::vector<std::uint64_t> table(plan_.table_clusters * plan_.entries_per_table);
    for (std::uint64_t i = 0; i < plan_.refcount_blocks; ++i) {
      ASSIGN_OR_RETURN(std::uint8_t* const counts, out.Add(plan_.cluster));
      for (std::uint64_t j = 0; j < plan_.refcounts_per_block; ++j) {
        const std::uint64_t cluster = i * plan_.refcounts_per_block + j;
        absl::big_endian::Store16(counts + j * 2, cluster < plan_.end ? refcounts_[cluster] : 0);
      }
      table[i] = (plan_.refcount_first + i) * plan_.cluster;
    }
    RETURN_IF_ERROR(WriteEntries(out, table));
    return out.Flush();
  }

  // Behind the image; its place is in the header extension.
  absl::Status WriteLayerTable() {
    Appender out(file_, plan_.end * plan_.cluster);
    for (std::size_t i = 0; i < placed_.size(); i += kRecordsAtOnce) {
      const std::size_t count = std::min(kRecordsAtOnce, placed_.size() - i);
      ASSIGN_OR_RETURN(std::uint8_t* const records, out.Add(count * kPlacedBytes));
      for (std::size_t j = 0; j < count; ++j) {
        EncodePlaced(placed_[i + j], records + j * kPlacedBytes);
      }
    }
    return out.Flush();
  }

  absl::Status WriteHeader(std::uint64_t disk_bytes, const Backing& backing) {
    Header header;
    header.Put32(0, kMagic);
    header.Put32(4, 3);
    header.Put32(20, static_cast<std::uint32_t>(std::countr_zero(plan_.cluster)));
    header.Put64(24, disk_bytes);
    header.Put32(36, static_cast<std::uint32_t>(plan_.l1_size));
    header.Put64(40, plan_.l1_first * plan_.cluster);
    header.Put64(48, plan_.table_first * plan_.cluster);
    header.Put32(56, static_cast<std::uint32_t>(plan_.table_clusters));
    header.Put32(96, 4);  // refcounts of 2^4 bits
    header.Put32(100, kHeaderBytes);
    if (!backing.file.empty()) header.Extension(kBackingFormat, backing.format);
    char place[16];
    absl::big_endian::Store64(place, plan_.end * plan_.cluster);
    absl::big_endian::Store64(place + 8, placed_.size());
    header.Extension(kLayerTable, absl::string_view(place, sizeof place));
    if (!backing.file.empty()) header.BackingFile(backing.file);
    return file_.Write(0, header.bytes());
  }

 private:
  // A multiple of the alignment of direct writes: 4096 records of 40 bytes.
  static constexpr std::size_t kRecordsAtOnce = 4096;

  static absl::Status WriteEntries(Appender& out, const std::vector<std::uint64_t>& entries) {
    constexpr std::size_t kAtOnce = 512;  // a page; all sizes are multiples of it
    for (std::size_t i = 0; i < entries.size(); i += kAtOnce) {
      ASSIGN_OR_RETURN(std::uint8_t* const bytes, out.Add(kAtOnce * 8));
      for (std::size_t j = 0; j < kAtOnce; ++j) {
        absl::big_endian::Store64(bytes + j * 8, entries[i + j]);
      }
    }
    return absl::OkStatus();
  }

  BlockFile& file_;
  const std::vector<Placed>& placed_;
  const Plan plan_;
  std::vector<std::uint8_t> refcounts_;
};

}  // namespace

absl::Status SealQcow2(BlockFile& file, std::uint64_t disk_bytes, const Backing& backing,
                       std::uint64_t end_cluster, const LayerTable& table) {
  GODWIT_CHECK(backing.file.size() <= kMaxBackingName && end_cluster >= 1);
  RETURN_IF_ERROR(file.Truncate(end_cluster * table.cluster_bytes));
  Sealer sealer(file, disk_bytes, end_cluster, table);
  RETURN_IF_ERROR(sealer.WriteTables());
  RETURN_IF_ERROR(sealer.WriteLayerTable());
  RETURN_IF_ERROR(file.Sync());
  RETURN_IF_ERROR(sealer.WriteHeader(disk_bytes, backing));
  return file.Sync();
}

absl::StatusOr<LayerTable> ReadLayerTable(const std::string& path) {
  ASSIGN_OR_RETURN(const BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  block::AlignedBuffer header(4096);
  RETURN_IF_ERROR(file.Read(0, header.bytes()));
  const auto damaged = [&](absl::string_view what) {
    return absl::DataLossError(absl::StrCat(path, ": damaged layer: ", what));
  };
  if (absl::big_endian::Load32(header.data()) != kMagic) return damaged("not qcow2");
  LayerTable table;
  table.cluster_bytes =
      absl::big_endian::Load32(header.data() + 20) == 12 ? kPageBytes : kBlockSize;
  std::size_t at = kHeaderBytes;
  while (at + 24 <= header.size()) {
    const std::uint32_t type = absl::big_endian::Load32(header.data() + at);
    const std::uint32_t size = absl::big_endian::Load32(header.data() + at + 4);
    if (type == kLayerTable && size == 16) break;
    if (type == 0 || size > header.size()) return damaged("no layer table");
    at += 8 + DivideUp(size, 8) * 8;
  }
  if (at + 24 > header.size()) return damaged("no layer table");
  const std::uint64_t offset = absl::big_endian::Load64(header.data() + at + 8);
  const std::uint64_t count = absl::big_endian::Load64(header.data() + at + 16);
  const off_t end = lseek(file.fd(), 0, SEEK_END);
  if (end < 0 || offset > static_cast<std::uint64_t>(end) ||
      count > (static_cast<std::uint64_t>(end) - offset) / kPlacedBytes) {
    return damaged("the layer table is out of the file");
  }
  table.placed.resize(count);
  std::vector<std::uint8_t> bytes(count * kPlacedBytes);
  RETURN_IF_ERROR(file.Read(offset, bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const Placed& placed = table.placed[i];
    if (!DecodePlaced(bytes.data() + i * kPlacedBytes, &table.placed[i]))
      return damaged("layer table checksum");
    if (i > 0 && placed.block <= table.placed[i - 1].block) return damaged("layer table order");
    if (placed.offset != Placed::kZero &&
        (placed.offset % table.cluster_bytes != 0 || placed.offset >= offset)) {
      return damaged("a block out of the image");
    }
  }
  return table;
}

absl::Status CreateOverlay(const std::string& path, std::uint64_t disk_bytes,
                           const Backing& backing) {
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  return SealQcow2(file, disk_bytes, backing, 1, {});
}

}  // namespace godwit::store
