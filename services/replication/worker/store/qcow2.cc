#include "services/replication/worker/store/qcow2.h"

#include <unistd.h>

#include <algorithm>
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
constexpr std::uint64_t kEntriesPerTable = kBlockSize / 8;
constexpr std::uint64_t kRefcountsPerBlock = kBlockSize / 2;
constexpr std::size_t kMaxBackingName = 1023;

std::uint64_t DivideUp(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

// Big-endian fields of the first cluster.
class Header {
 public:
  Header() : bytes_(kBlockSize) {}
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
  std::uint64_t l2_first, l2_count, l1_first, l1_clusters, l1_size;
  std::uint64_t refcount_first, refcount_blocks, table_first, table_clusters, end;
};

Plan MakePlan(std::uint64_t disk_bytes, std::uint64_t end_cluster, std::uint64_t l2_count) {
  Plan plan{};
  plan.l1_size =
      std::max<std::uint64_t>(1, DivideUp(block::BlockCount(disk_bytes), kEntriesPerTable));
  plan.l2_first = end_cluster;
  plan.l2_count = l2_count;
  plan.l1_first = plan.l2_first + l2_count;
  plan.l1_clusters = DivideUp(plan.l1_size, kEntriesPerTable);
  plan.refcount_first = plan.l1_first + plan.l1_clusters;
  // The refcounts count themselves: grow until they cover the whole.
  do {
    ++plan.refcount_blocks;
    plan.table_clusters = DivideUp(plan.refcount_blocks, kEntriesPerTable);
    plan.table_first = plan.refcount_first + plan.refcount_blocks;
    plan.end = plan.table_first + plan.table_clusters;
  } while (plan.refcount_blocks * kRefcountsPerBlock < plan.end);
  return plan;
}

class Sealer {
 public:
  Sealer(BlockFile& file, std::uint64_t disk_bytes, std::uint64_t end_cluster,
         const std::vector<Placed>& blocks)
      : file_(file),
        blocks_(blocks),
        plan_(MakePlan(disk_bytes, end_cluster, CountTables(blocks))) {
    refcounts_.resize(plan_.end);
    refcounts_[0] = 1;
    for (std::uint64_t i = plan_.l2_first; i < plan_.end; ++i) refcounts_[i] = 1;
  }

  absl::Status WriteTables() {
    std::vector<std::uint64_t> l1(plan_.l1_clusters * kEntriesPerTable);
    std::vector<std::uint64_t> l2(kEntriesPerTable);
    std::uint64_t next_table = plan_.l2_first;
    for (std::size_t i = 0; i < blocks_.size();) {
      const std::uint64_t slot = blocks_[i].block / kEntriesPerTable;
      std::fill(l2.begin(), l2.end(), 0);
      for (; i < blocks_.size() && blocks_[i].block / kEntriesPerTable == slot; ++i) {
        const Placed& placed = blocks_[i];
        const bool zero = placed.offset == Placed::kZero;
        if (!zero) refcounts_[placed.offset / kBlockSize] = 1;
        l2[placed.block % kEntriesPerTable] = zero ? kReadsAsZero : placed.offset | kCopied;
      }
      l1[slot] = (next_table * kBlockSize) | kCopied;
      RETURN_IF_ERROR(WriteEntries(next_table++, l2));
    }
    RETURN_IF_ERROR(WriteEntries(plan_.l1_first, l1));
    return WriteRefcounts();
  }

  // Behind the image; its place is in the header extension.
  absl::Status WriteLayerTable() {
    block::AlignedBuffer chunk(kPlacedBytes * 8192);
    std::uint64_t at = plan_.end * kBlockSize;
    for (std::size_t i = 0; i < blocks_.size();) {
      std::size_t used = 0;
      for (; i < blocks_.size() && used < chunk.size(); ++i, used += kPlacedBytes) {
        EncodePlaced(blocks_[i], chunk.data() + used);
      }
      RETURN_IF_ERROR(file_.Write(at, chunk.bytes().first(used)));
      at += used;
    }
    return absl::OkStatus();
  }

  absl::Status WriteHeader(std::uint64_t disk_bytes, const Backing& backing) {
    Header header;
    header.Put32(0, kMagic);
    header.Put32(4, 3);
    header.Put32(20, 16);
    header.Put64(24, disk_bytes);
    header.Put32(36, static_cast<std::uint32_t>(plan_.l1_size));
    header.Put64(40, plan_.l1_first * kBlockSize);
    header.Put64(48, plan_.table_first * kBlockSize);
    header.Put32(56, static_cast<std::uint32_t>(plan_.table_clusters));
    header.Put32(96, 4);  // refcounts of 2^4 bits
    header.Put32(100, kHeaderBytes);
    if (!backing.file.empty()) header.Extension(kBackingFormat, backing.format);
    char place[16];
    absl::big_endian::Store64(place, plan_.end * kBlockSize);
    absl::big_endian::Store64(place + 8, blocks_.size());
    header.Extension(kLayerTable, absl::string_view(place, sizeof place));
    if (!backing.file.empty()) header.BackingFile(backing.file);
    return file_.Write(0, header.bytes());
  }

 private:
  static std::uint64_t CountTables(const std::vector<Placed>& blocks) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i == 0 || blocks[i].block / kEntriesPerTable != blocks[i - 1].block / kEntriesPerTable)
        ++count;
    }
    return count;
  }

  // Whole clusters of 8-byte entries.
  absl::Status WriteEntries(std::uint64_t cluster, const std::vector<std::uint64_t>& entries) {
    block::AlignedBuffer bytes(entries.size() * 8);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      absl::big_endian::Store64(bytes.data() + i * 8, entries[i]);
    }
    return file_.Write(cluster * kBlockSize, bytes.bytes());
  }

  absl::Status WriteRefcounts() {
    std::vector<std::uint64_t> table(plan_.table_clusters * kEntriesPerTable);
    block::AlignedBuffer bytes(kBlockSize);
    for (std::uint64_t i = 0; i < plan_.refcount_blocks; ++i) {
      for (std::uint64_t j = 0; j < kRefcountsPerBlock; ++j) {
        const std::uint64_t cluster = i * kRefcountsPerBlock + j;
        absl::big_endian::Store16(bytes.data() + j * 2,
                                  cluster < plan_.end ? refcounts_[cluster] : 0);
      }
      table[i] = (plan_.refcount_first + i) * kBlockSize;
      RETURN_IF_ERROR(file_.Write(table[i], bytes.bytes()));
    }
    return WriteEntries(plan_.table_first, table);
  }

  BlockFile& file_;
  const std::vector<Placed>& blocks_;
  const Plan plan_;
  std::vector<std::uint8_t> refcounts_;
};

}  // namespace

absl::Status SealQcow2(BlockFile& file, std::uint64_t disk_bytes, const Backing& backing,
                       std::uint64_t end_cluster, const std::vector<Placed>& blocks) {
  GODWIT_CHECK(backing.file.size() <= kMaxBackingName && end_cluster >= 1);
  RETURN_IF_ERROR(file.Truncate(end_cluster * kBlockSize));
  Sealer sealer(file, disk_bytes, end_cluster, blocks);
  RETURN_IF_ERROR(sealer.WriteTables());
  RETURN_IF_ERROR(sealer.WriteLayerTable());
  RETURN_IF_ERROR(file.Sync());
  RETURN_IF_ERROR(sealer.WriteHeader(disk_bytes, backing));
  return file.Sync();
}

absl::StatusOr<std::vector<Placed>> ReadLayerTable(const std::string& path) {
  ASSIGN_OR_RETURN(const BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  block::AlignedBuffer header(4096);
  RETURN_IF_ERROR(file.Read(0, header.bytes()));
  const auto damaged = [&](absl::string_view what) {
    return absl::DataLossError(absl::StrCat(path, ": damaged layer: ", what));
  };
  if (absl::big_endian::Load32(header.data()) != kMagic) return damaged("not qcow2");
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
  std::vector<Placed> blocks(count);
  std::vector<std::uint8_t> bytes(count * kPlacedBytes);
  RETURN_IF_ERROR(file.Read(offset, bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const Placed& placed = blocks[i];
    if (!DecodePlaced(bytes.data() + i * kPlacedBytes, &blocks[i]))
      return damaged("layer table checksum");
    if (i > 0 && placed.block <= blocks[i - 1].block) return damaged("layer table order");
    if (placed.offset != Placed::kZero &&
        (placed.offset % kBlockSize != 0 || placed.offset >= offset)) {
      return damaged("a block out of the image");
    }
  }
  return blocks;
}

absl::Status CreateOverlay(const std::string& path, std::uint64_t disk_bytes,
                           const Backing& backing) {
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  return SealQcow2(file, disk_bytes, backing, 1, {});
}

}  // namespace godwit::store
