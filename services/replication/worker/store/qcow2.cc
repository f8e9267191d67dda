#include "services/replication/worker/store/qcow2.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/encrypted_image.h"
#include "services/common/crypt/luks_header.h"

namespace godwit::store {
namespace {

using block::kBlockSize;
constexpr std::uint32_t kMagic = 0x514649fb;
constexpr std::uint32_t kHeaderBytes = 104;
constexpr std::uint32_t kBackingFormat = 0xE2792ACA;
constexpr std::uint32_t kLayerTable = 0x47575431;  // "GWT1"
constexpr std::uint32_t kWrappedKey = 0x47574b31;  // "GWK1"
constexpr std::uint32_t kCryptHeader = 0x0537be77;
constexpr std::uint32_t kDataFile = 0x44415441;
constexpr std::uint32_t kCryptLuks = 2;
constexpr std::uint64_t kHasDataFile = 4;
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

// Writes what lies one behind the other in large pieces; tables of the image are never encrypted.
class Appender {
 public:
  Appender(BlockFile& file, std::uint64_t offset, bool plain)
      : file_(file), offset_(offset), plain_(plain), buffer_(kRoom) {}
  // `bytes` more, all zero; to be filled before the next call.
  absl::StatusOr<std::uint8_t*> Add(std::size_t bytes) {
    if (used_ + bytes > buffer_.size()) RETURN_IF_ERROR(Flush());
    std::uint8_t* const out = buffer_.data() + used_;
    std::memset(out, 0, bytes);
    used_ += bytes;
    return out;
  }
  absl::Status Flush() {
    const block::MutableBytes bytes = buffer_.bytes().first(used_);
    RETURN_IF_ERROR(plain_ ? file_.WritePlain(offset_, bytes) : file_.Write(offset_, bytes));
    offset_ += used_;
    used_ = 0;
    return absl::OkStatus();
  }

 private:
  static constexpr std::size_t kRoom = std::size_t{1} << 20;
  BlockFile& file_;
  std::uint64_t offset_;
  const bool plain_;
  block::AlignedBuffer buffer_;
  std::size_t used_ = 0;
};

class Sealer {
 public:
  // `data_name`: the clusters of the table lie in that file.
  Sealer(BlockFile& file, std::uint64_t disk_bytes, std::uint64_t end_cluster,
         const LayerTable& table, std::string data_name = "")
      : file_(file),
        placed_(table.placed),
        plan_(MakePlan(disk_bytes, end_cluster, table)),
        data_name_(std::move(data_name)) {
    refcounts_.resize(plan_.end);
    for (std::uint64_t i = 0; i < FirstDataCluster(file, table.cluster_bytes); ++i)
      refcounts_[i] = 1;
    for (std::uint64_t i = plan_.l2_first; i < plan_.end; ++i) refcounts_[i] = 1;
  }

  // L2 tables, L1 table, refcount blocks, refcount table: they lie one behind the other.
  absl::Status WriteTables() {
    Appender out(file_, plan_.l2_first * plan_.cluster, /*plain=*/true);
    std::vector<std::uint64_t> l1(plan_.l1_clusters * plan_.entries_per_table);
    std::uint64_t next_table = plan_.l2_first;
    for (std::size_t i = 0; i < placed_.size();) {
      const std::uint64_t slot = placed_[i].block / plan_.entries_per_table;
      ASSIGN_OR_RETURN(std::uint8_t* const l2, out.Add(plan_.cluster));
      for (; i < placed_.size() && placed_[i].block / plan_.entries_per_table == slot; ++i) {
        const Placed& placed = placed_[i];
        const bool zero = placed.offset == Placed::kZero;
        if (!zero && data_name_.empty()) refcounts_[placed.offset / plan_.cluster] = 1;
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
    Appender out(file_, plan_.end * plan_.cluster, /*plain=*/false);
    for (std::size_t i = 0; i < placed_.size(); i += kRecordsAtOnce) {
      const std::size_t count = std::min(kRecordsAtOnce, placed_.size() - i);
      ASSIGN_OR_RETURN(std::uint8_t* const records, out.Add(count * kPlacedBytes));
      for (std::size_t j = 0; j < count; ++j) {
        EncodePlaced(placed_[i + j], records + j * kPlacedBytes);
      }
    }
    return out.Flush();
  }

  absl::Status WriteLuksHeader() {
    ASSIGN_OR_RETURN(const std::string luks, file_.cipher()->LuksHeader());
    block::AlignedBuffer bytes(DivideUp(luks.size(), kPageBytes) * kPageBytes);
    std::memcpy(bytes.data(), luks.data(), luks.size());
    return file_.WritePlain(plan_.cluster, bytes.bytes());
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
    if (!data_name_.empty()) header.Put64(72, kHasDataFile);
    header.Put32(96, 4);  // refcounts of 2^4 bits
    header.Put32(100, kHeaderBytes);
    if (!backing.file.empty()) header.Extension(kBackingFormat, backing.format);
    if (!data_name_.empty()) {
      header.Extension(kDataFile, data_name_);
    } else {
      header.Extension(kLayerTable, Pair(plan_.end * plan_.cluster, placed_.size()));
    }
    if (file_.cipher() != nullptr) {
      ASSIGN_OR_RETURN(const std::string wrapped, file_.cipher()->ForImage());
      header.Put32(32, kCryptLuks);
      header.Extension(kCryptHeader, Pair(plan_.cluster, crypt::kLuksBytes));
      header.Extension(kWrappedKey, wrapped);
    }
    if (!backing.file.empty()) header.BackingFile(backing.file);
    return file_.WritePlain(0, header.bytes());
  }

 private:
  // A multiple of the alignment of direct writes: 4096 records of 40 bytes.
  static constexpr std::size_t kRecordsAtOnce = 4096;

  static std::string Pair(std::uint64_t first, std::uint64_t second) {
    std::string bytes(16, '\0');
    absl::big_endian::Store64(bytes.data(), first);
    absl::big_endian::Store64(bytes.data() + 8, second);
    return bytes;
  }

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
  const std::string data_name_;
  std::vector<std::uint8_t> refcounts_;
};

// The data of a header extension; empty: there is none.
std::string FindExtension(const block::AlignedBuffer& header, std::uint32_t wanted) {
  for (std::size_t at = kHeaderBytes; at + 8 <= header.size();) {
    const std::uint32_t type = absl::big_endian::Load32(header.data() + at);
    const std::uint32_t size = absl::big_endian::Load32(header.data() + at + 4);
    if (type == 0 || size > header.size() - at - 8) break;
    if (type == wanted)
      return std::string(reinterpret_cast<const char*>(header.data()) + at + 8, size);
    at += 8 + DivideUp(size, 8) * 8;
  }
  return "";
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": damaged layer: ", what));
}

absl::StatusOr<block::AlignedBuffer> ReadHeader(const BlockFile& file) {
  block::AlignedBuffer header(kHeaderRoom);
  RETURN_IF_ERROR(file.ReadPlain(0, header.bytes()));
  if (absl::big_endian::Load32(header.data()) != kMagic) return Damaged(file.path(), "not qcow2");
  return header;
}

// What decrypts an image; null: nothing need be.
absl::StatusOr<FileCipherPtr> CipherOf(const std::string& path, const block::AlignedBuffer& header,
                                       const crypt::GroupKeyPtr& group) {
  const bool encrypted = absl::big_endian::Load32(header.data() + 32) != 0;
  if (encrypted != (group != nullptr)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, encrypted ? ": is encrypted, and there is no key for it"
                                     : ": is not encrypted, though its group is"));
  }
  if (!encrypted) return FileCipherPtr();
  absl::StatusOr<FileCipherPtr> cipher =
      FileCipher::OfImage(group, FindExtension(header, kWrappedKey));
  RETURN_IF_ERROR(Annotate(cipher.status(), path));
  return cipher;
}

}  // namespace

std::uint64_t FirstDataCluster(const BlockFile& file, std::uint32_t cluster_bytes) {
  return file.cipher() == nullptr ? 1 : 1 + crypt::kLuksBytes / cluster_bytes;
}

absl::StatusOr<BlockFile> NewLayer(const std::string& path, const crypt::GroupKeyPtr& group) {
  unlink(path.c_str());
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  if (group != nullptr) {
    ASSIGN_OR_RETURN(const FileCipherPtr cipher, FileCipher::Fresh(group));
    RETURN_IF_ERROR(file.Encrypt(cipher));
  }
  return file;
}

absl::Status SealQcow2(BlockFile& file, std::uint64_t disk_bytes, const Backing& backing,
                       std::uint64_t end_cluster, const LayerTable& table) {
  GODWIT_CHECK(backing.file.size() <= kMaxBackingName &&
               end_cluster >= FirstDataCluster(file, table.cluster_bytes));
  RETURN_IF_ERROR(file.Truncate(end_cluster * table.cluster_bytes));
  Sealer sealer(file, disk_bytes, end_cluster, table);
  if (file.cipher() != nullptr) RETURN_IF_ERROR(sealer.WriteLuksHeader());
  RETURN_IF_ERROR(sealer.WriteTables());
  RETURN_IF_ERROR(sealer.WriteLayerTable());
  RETURN_IF_ERROR(file.Sync());
  RETURN_IF_ERROR(sealer.WriteHeader(disk_bytes, backing));
  return file.Sync();
}

absl::Status WriteBaseImage(const std::string& path, std::uint64_t disk_bytes,
                            const std::string& data_name, const FileCipherPtr& cipher,
                            const std::vector<std::uint64_t>& blocks) {
  unlink(path.c_str());
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  RETURN_IF_ERROR(file.Encrypt(cipher));
  LayerTable table;
  table.placed.reserve(blocks.size());
  for (const std::uint64_t block : blocks)
    table.placed.push_back({.block = block, .offset = block * kBlockSize});
  Sealer sealer(file, disk_bytes, FirstDataCluster(file, kBlockSize), table, data_name);
  RETURN_IF_ERROR(sealer.WriteLuksHeader());
  RETURN_IF_ERROR(sealer.WriteTables());
  RETURN_IF_ERROR(sealer.WriteHeader(disk_bytes, {}));
  return file.Sync();
}

std::string ImageOfBase(const std::string& base) {
  return base.substr(0, base.size() - 3) + "qcow2";
}

absl::StatusOr<BlockFile> OpenLayer(const std::string& path, const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  ASSIGN_OR_RETURN(const block::AlignedBuffer header, ReadHeader(file));
  ASSIGN_OR_RETURN(const FileCipherPtr cipher, CipherOf(path, header, group));
  if (cipher != nullptr) RETURN_IF_ERROR(file.Encrypt(cipher));
  return file;
}

absl::StatusOr<BlockFile> OpenBase(const std::string& path, const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  if (group == nullptr) return file;
  ASSIGN_OR_RETURN(const BlockFile image, OpenLayer(ImageOfBase(path), group));
  RETURN_IF_ERROR(file.Encrypt(image.cipher()));
  return file;
}

absl::StatusOr<LayerTable> ReadLayerTable(const std::string& path,
                                          const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(const BlockFile file, OpenLayer(path, group));
  ASSIGN_OR_RETURN(const block::AlignedBuffer header, ReadHeader(file));
  LayerTable table;
  table.cluster_bytes =
      absl::big_endian::Load32(header.data() + 20) == 12 ? kPageBytes : kBlockSize;
  const std::string place = FindExtension(header, kLayerTable);
  if (place.size() != 16) return Damaged(path, "no layer table");
  const std::uint64_t offset = absl::big_endian::Load64(place.data());
  const std::uint64_t count = absl::big_endian::Load64(place.data() + 8);
  ASSIGN_OR_RETURN(const std::uint64_t end, file.Size());
  if (offset % table.cluster_bytes != 0 || offset > end || count > (end - offset) / kPlacedBytes)
    return Damaged(path, "the layer table is out of the file");
  table.placed.resize(count);
  std::vector<std::uint8_t> bytes(count * kPlacedBytes);
  RETURN_IF_ERROR(file.Read(offset, bytes));
  for (std::size_t i = 0; i < count; ++i) {
    const Placed& placed = table.placed[i];
    if (!DecodePlaced(bytes.data() + i * kPlacedBytes, &table.placed[i]))
      return Damaged(path, "layer table checksum");
    if (i > 0 && placed.block <= table.placed[i - 1].block)
      return Damaged(path, "layer table order");
    if (placed.offset != Placed::kZero &&
        (placed.offset % table.cluster_bytes != 0 || placed.offset >= offset)) {
      return Damaged(path, "a block out of the image");
    }
  }
  return table;
}

absl::Status CreateOverlay(const std::string& path, std::uint64_t disk_bytes,
                           const Backing& backing, const crypt::GroupKeyPtr& group) {
  if (group != nullptr)  // on an image: see BackingOf
    return crypt::CreateEncryptedImage(path, disk_bytes, backing.file, *group);
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  return SealQcow2(file, disk_bytes, backing, FirstDataCluster(file, kBlockSize), {});
}

}  // namespace godwit::store
