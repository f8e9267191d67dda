#include "services/replication/worker/store/delta_log.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::store {
namespace pb = ::godwit::replication::v1;
using block::kSectorSize;

namespace {

// The head of a record, little endian: magic, number of entries, sequence, checksum of the content,
// bytes of the commit; the entries; the commit; at the end of the page the checksum of the page.
constexpr std::uint32_t kMagic = 0x31445747;  // "GWD1"
constexpr std::size_t kHeadBytes = 28, kEntryBytes = 19, kSumAt = kPageBytes - 8;
constexpr std::uint32_t kDisksMagic = 0x44445747;  // "GWDD"
constexpr std::size_t kMaxDisks = 50, kIdRoom = 64;
constexpr std::size_t kMaxEntries = 200;
constexpr std::uint8_t kWhole = 0xff;
constexpr std::uint64_t kMaxLog = std::uint64_t{4} << 30;

struct Head {
  std::uint32_t entries, commit_bytes;
  std::uint64_t sequence, content_sum;
};

bool ReadHead(const std::uint8_t* page, Head* head) {
  if (absl::little_endian::Load32(page) != kMagic ||
      absl::little_endian::Load64(page + kSumAt) != block::Checksum({page, kSumAt}))
    return false;
  head->entries = absl::little_endian::Load32(page + 4);
  head->sequence = absl::little_endian::Load64(page + 8);
  head->content_sum = absl::little_endian::Load64(page + 16);
  head->commit_bytes = absl::little_endian::Load32(page + 24);
  return head->entries <= kMaxEntries &&
         kHeadBytes + head->entries * kEntryBytes + head->commit_bytes <= kSumAt;
}

constexpr char kPurpose[] = "delta log";

absl::Status MakeKey(BlockFile& file, const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(const FileCipherPtr cipher, FileCipher::Fresh(group));
  ASSIGN_OR_RETURN(const std::string page, MakeKeyPage(*group, kPurpose, cipher->key()));
  block::AlignedBuffer bytes(kKeyPageBytes);
  std::memcpy(bytes.data(), page.data(), page.size());
  RETURN_IF_ERROR(file.WritePlain(0, bytes.bytes()));
  return file.Encrypt(cipher, kKeyPageBytes);
}

// False: a torn beginning, so nothing was promised.
absl::StatusOr<bool> TakeKey(BlockFile& file, const crypt::GroupKeyPtr& group) {
  block::AlignedBuffer bytes(kKeyPageBytes);
  RETURN_IF_ERROR(file.ReadPlain(0, bytes.bytes()));
  if (block::IsZero(bytes.bytes())) return false;
  absl::StatusOr<crypt::Secret> key =
      ReadKeyPage(*group, kPurpose, {reinterpret_cast<const char*>(bytes.data()), kKeyPageBytes},
                  crypt::kXtsKeyBytes);
  RETURN_IF_ERROR(Annotate(key.status(), file.path()));
  RETURN_IF_ERROR(
      file.Encrypt(std::make_shared<const FileCipher>(group, *std::move(key)), kKeyPageBytes));
  return true;
}

}  // namespace

void CopySectors(std::uint8_t mask, const std::uint8_t* from, block::MutableBytes to) {
  for (std::size_t i = 0; (i + 1) * kSectorSize <= std::min<std::size_t>(to.size(), kPageBytes);
       ++i) {
    if ((mask >> i & 1) != 0)
      std::memcpy(to.data() + i * kSectorSize, from + i * kSectorSize, kSectorSize);
  }
}

absl::StatusOr<std::unique_ptr<DeltaLog>> DeltaLog::Create(const std::string& path,
                                                           const std::vector<DiskSpec>& disks,
                                                           const crypt::GroupKeyPtr& group) {
  unlink(path.c_str());
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kCreate));
  if (group != nullptr) RETURN_IF_ERROR(MakeKey(file, group));
  std::vector<std::uint64_t> sizes;
  for (const DiskSpec& disk : disks) sizes.push_back(disk.size_bytes);
  std::unique_ptr<DeltaLog> log(new DeltaLog(std::move(file), std::move(sizes)));
  RETURN_IF_ERROR(log->WriteDisks(disks));
  RETURN_IF_ERROR(SyncDir(path.substr(0, path.rfind('/'))));
  return log;
}

// Magic, number of disks, for each its id and size; the checksum of the page.
absl::Status DeltaLog::WriteDisks(const std::vector<DiskSpec>& disks) {
  if (disks.size() > kMaxDisks) return absl::InvalidArgumentError("more than 50 disks");
  std::uint8_t* const page = buffer_.data();
  std::memset(page, 0, kPageBytes);
  absl::little_endian::Store32(page, kDisksMagic);
  absl::little_endian::Store32(page + 4, static_cast<std::uint32_t>(disks.size()));
  for (std::size_t i = 0; i < disks.size(); ++i) {
    std::uint8_t* const at = page + 8 + i * (kIdRoom + 8);
    if (disks[i].disk_id.size() >= kIdRoom) return absl::InvalidArgumentError("disk id: too long");
    std::memcpy(at, disks[i].disk_id.data(), disks[i].disk_id.size());
    absl::little_endian::Store64(at + kIdRoom, disks[i].size_bytes);
  }
  absl::little_endian::Store64(page + kSumAt, block::Checksum({page, kSumAt}));
  RETURN_IF_ERROR(file_.Write(0, buffer_.bytes().first(kPageBytes)));
  end_ = committed_end_ = kPageBytes;
  return absl::OkStatus();
}

absl::Status DeltaLog::MoveTo(const std::string& path) {
  if (rename(path_.c_str(), path.c_str()) != 0) return ErrnoStatus(path);
  path_ = path;
  return SyncDir(path.substr(0, path.rfind('/')));
}

void DeltaLog::Apply(const Entry& entry, std::uint64_t offset) {
  if (entry.zero_pages == 0) {
    pages_[entry.disk][entry.page] = {offset, entry.sectors};
    return;
  }
  for (std::uint64_t i = 0; i < entry.zero_pages; ++i)
    pages_[entry.disk][entry.page + i] = {DeltaPage::kZero, kWhole};
}

absl::Status DeltaLog::AddPage(std::size_t disk, std::uint64_t page, std::uint8_t sectors,
                               std::size_t from, block::Bytes bytes) {
  if (entries_.size() >= kMaxEntries) RETURN_IF_ERROR(Flush());
  std::uint8_t* const slot = buffer_.data() + (1 + gathered_) * kPageBytes;
  std::memset(slot, 0, kPageBytes);
  const auto older = pages_[disk].find(page);
  if (sectors != kWhole && older != pages_[disk].end()) {
    const DeltaPage& known = older->second;
    if (known.offset != DeltaPage::kZero && known.offset < end_) {
      block::AlignedBuffer content(kPageBytes);
      RETURN_IF_ERROR(file_.Read(known.offset, content.bytes()));
      CopySectors(known.sectors, content.data(), {slot, kPageBytes});
    } else if (known.offset != DeltaPage::kZero) {  // not written yet
      CopySectors(known.sectors, buffer_.data() + (known.offset - end_), {slot, kPageBytes});
    }
    sectors |= known.sectors;
  }
  std::memcpy(slot + from, bytes.data(), bytes.size());
  entries_.push_back({.page = page, .disk = static_cast<std::uint16_t>(disk), .sectors = sectors});
  Apply(entries_.back(), end_ + (1 + gathered_) * kPageBytes);
  ++gathered_;
  return absl::OkStatus();
}

absl::Status DeltaLog::Write(std::size_t disk, std::uint64_t sector, block::Bytes bytes) {
  for (std::uint64_t at = sector * kSectorSize; !bytes.empty();) {
    const std::size_t from = at % kPageBytes;
    const std::size_t size = std::min<std::size_t>(kPageBytes - from, bytes.size());
    const std::size_t first = from / kSectorSize, end = (from + size) / kSectorSize;
    auto mask = static_cast<std::uint8_t>((1u << end) - (1u << first));
    // What lies behind the end of the disk is nobody's.
    if (at + size == disk_bytes_[disk]) mask |= static_cast<std::uint8_t>(0xffu << end);
    RETURN_IF_ERROR(AddPage(disk, at / kPageBytes, mask, from, bytes.first(size)));
    at += size;
    bytes = bytes.subspan(size);
  }
  return absl::OkStatus();
}

absl::Status DeltaLog::Zero(std::size_t disk, std::uint64_t first_block, std::uint64_t count) {
  if (entries_.size() >= kMaxEntries) RETURN_IF_ERROR(Flush());
  const std::uint64_t end = (disk_bytes_[disk] + kPageBytes - 1) / kPageBytes;
  const std::uint64_t first = first_block * kPagesPerBlock;
  entries_.push_back({.page = first,
                      .zero_pages = std::min(end - first, count * kPagesPerBlock),
                      .disk = static_cast<std::uint16_t>(disk),
                      .sectors = kWhole});
  Apply(entries_.back(), DeltaPage::kZero);
  return absl::OkStatus();
}

absl::Status DeltaLog::Flush(const std::string& commit) {
  if (entries_.empty() && commit.empty()) return absl::OkStatus();
  std::uint8_t* const head = buffer_.data();
  std::memset(head, 0, kPageBytes);
  const std::size_t content = gathered_ * kPageBytes;
  absl::little_endian::Store32(head, kMagic);
  absl::little_endian::Store32(head + 4, static_cast<std::uint32_t>(entries_.size()));
  absl::little_endian::Store64(head + 8, sequence_++);
  absl::little_endian::Store64(head + 16, block::Checksum({head + kPageBytes, content}));
  absl::little_endian::Store32(head + 24, static_cast<std::uint32_t>(commit.size()));
  std::uint8_t* at = head + kHeadBytes;
  for (const Entry& entry : entries_) {
    absl::little_endian::Store64(at, entry.page);
    absl::little_endian::Store64(at + 8, entry.zero_pages);
    absl::little_endian::Store16(at + 16, entry.disk);
    at[18] = entry.sectors;
    at += kEntryBytes;
  }
  std::memcpy(at, commit.data(), commit.size());
  absl::little_endian::Store64(head + kSumAt, block::Checksum({head, kSumAt}));
  RETURN_IF_ERROR(file_.Write(end_, buffer_.bytes().first(kPageBytes + content)));
  end_ += kPageBytes + content;
  gathered_ = 0;
  entries_.clear();
  return absl::OkStatus();
}

absl::Status DeltaLog::Sync() {
  RETURN_IF_ERROR(Flush());
  if (synced_ == end_) return absl::OkStatus();
  RETURN_IF_ERROR(file_.Sync());
  synced_ = end_;
  return absl::OkStatus();
}

absl::Status DeltaLog::Commit(const pb::StagedPoint& facts) {
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(Flush(facts.SerializeAsString()));
  GODWIT_FAILPOINT("store.delta.before_sync");
  RETURN_IF_ERROR(Sync());
  committed_ = facts;
  committed_end_ = end_;
  return absl::OkStatus();
}

absl::Status DeltaLog::Overlay(std::size_t disk, std::uint64_t offset,
                               block::MutableBytes bytes) const {
  const std::uint64_t first = offset / kPageBytes;
  const std::uint64_t end = first + (bytes.size() + kPageBytes - 1) / kPageBytes;
  block::AlignedBuffer content(kPageBytes);
  for (auto it = pages_[disk].lower_bound(first); it != pages_[disk].end() && it->first < end;
       ++it) {
    const DeltaPage& page = it->second;
    if (page.offset == DeltaPage::kZero) {
      std::memset(content.data(), 0, kPageBytes);
    } else if (page.offset < end_) {
      RETURN_IF_ERROR(file_.Read(page.offset, content.bytes()));
    } else {
      std::memcpy(content.data(), buffer_.data() + (page.offset - end_), kPageBytes);
    }
    const block::MutableBytes to = bytes.subspan((it->first - first) * kPageBytes);
    CopySectors(page.sectors, content.data(), to);
  }
  return absl::OkStatus();
}

bool DeltaLog::Touches(std::size_t disk, std::uint64_t block) const {
  const auto found = pages_[disk].lower_bound(block * kPagesPerBlock);
  return found != pages_[disk].end() && found->first / kPagesPerBlock == block;
}

namespace {

// The disks that a log names; empty: a torn beginning.
std::vector<DiskSpec> ReadDisks(const std::uint8_t* page) {
  std::vector<DiskSpec> disks;
  const std::uint32_t count = absl::little_endian::Load32(page + 4);
  if (absl::little_endian::Load32(page) != kDisksMagic || count > kMaxDisks ||
      absl::little_endian::Load64(page + kSumAt) != block::Checksum({page, kSumAt}))
    return disks;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* const at = page + 8 + i * (kIdRoom + 8);
    const char* const id = reinterpret_cast<const char*>(at);
    disks.push_back({.disk_id = std::string(id, strnlen(id, kIdRoom)),
                     .size_bytes = absl::little_endian::Load64(at + kIdRoom)});
  }
  return disks;
}

// Where the log's disks are in `wanted`; SIZE_MAX: not there.
absl::StatusOr<std::vector<std::size_t>> Match(const std::vector<DiskSpec>& logged,
                                               const std::vector<DiskSpec>& wanted) {
  std::vector<std::size_t> places;
  for (const DiskSpec& disk : logged) {
    const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const DiskSpec& each) {
      return each.disk_id == disk.disk_id;
    });
    places.push_back(found == wanted.end() ? SIZE_MAX
                                           : static_cast<std::size_t>(found - wanted.begin()));
    if (found != wanted.end() && found->size_bytes != disk.size_bytes)
      return absl::DataLossError("disk " + disk.disk_id + " had another size");
  }
  return places;
}

}  // namespace

absl::Status DeltaLog::ReadRecord(std::uint64_t at, std::uint64_t sequence,
                                  std::vector<Entry>* entries, std::string* commit,
                                  std::uint64_t* size) {
  *size = 0;
  Head head{};
  RETURN_IF_ERROR(file_.Read(at, buffer_.bytes().first(kPageBytes)));
  if (!ReadHead(buffer_.data(), &head) || head.sequence != sequence) return absl::OkStatus();
  entries->resize(head.entries);
  std::size_t content = 0;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::uint8_t* const in = buffer_.data() + kHeadBytes + i * kEntryBytes;
    Entry& entry = (*entries)[i];
    entry = {.page = absl::little_endian::Load64(in),
             .zero_pages = absl::little_endian::Load64(in + 8),
             .disk = absl::little_endian::Load16(in + 16),
             .sectors = in[18]};
    const std::uint64_t count = std::max<std::uint64_t>(1, entry.zero_pages);
    const std::uint64_t pages = entry.disk < disk_bytes_.size()
                                    ? (disk_bytes_[entry.disk] + kPageBytes - 1) / kPageBytes
                                    : 0;
    // The checksum was right, so this is no torn write.
    if (entry.page >= pages || count > pages - entry.page ||
        count > kMaxZeroBlocks * kPagesPerBlock)
      return absl::DataLossError(path_ + ": a page behind the end of its disk");
    if (entry.zero_pages == 0) content += kPageBytes;
  }
  commit->assign(
      reinterpret_cast<const char*>(buffer_.data()) + kHeadBytes + head.entries * kEntryBytes,
      head.commit_bytes);
  const block::MutableBytes bytes = buffer_.bytes().subspan(kPageBytes, content);
  RETURN_IF_ERROR(file_.Read(at + kPageBytes, bytes));
  if (block::Checksum(bytes) == head.content_sum) *size = kPageBytes + content;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DeltaLog::Found>> DeltaLog::Read(const std::string& path,
                                                                const std::vector<DiskSpec>& disks,
                                                                const crypt::GroupKeyPtr& group) {
  absl::StatusOr<BlockFile> file = BlockFile::Open(path, BlockFile::Mode::kReadOnly);
  if (absl::IsNotFound(file.status())) return nullptr;
  RETURN_IF_ERROR(file);
  if (group != nullptr) {
    ASSIGN_OR_RETURN(const bool found, TakeKey(*file, group));
    if (!found) return nullptr;
  }
  ASSIGN_OR_RETURN(const std::uint64_t end, file->Size());
  if (end > kMaxLog) return absl::DataLossError(path + ": too large for a log");
  block::AlignedBuffer first(kPageBytes);
  RETURN_IF_ERROR(file->Read(0, first.bytes()));
  const std::vector<DiskSpec> logged = ReadDisks(first.data());
  if (logged.empty()) return nullptr;
  ASSIGN_OR_RETURN(const std::vector<std::size_t> places, Match(logged, disks));
  std::vector<std::uint64_t> sizes;
  for (const DiskSpec& disk : logged) sizes.push_back(disk.size_bytes);
  DeltaLog replay(*std::move(file), std::move(sizes));
  auto found = std::make_unique<Found>();
  found->committed_pages.resize(disks.size());
  found->later_pages.resize(disks.size());
  const auto hand_over = [&](std::vector<DeltaPages>& to) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] != SIZE_MAX) {
        for (const auto& [page, place] : replay.pages_[i]) to[places[i]][page] = place;
      }
      replay.pages_[i].clear();
    }
  };
  std::vector<Entry> entries;
  std::string commit;
  std::uint64_t at = kPageBytes;
  for (std::uint64_t sequence = 0, size = 0; at + kPageBytes <= end; ++sequence, at += size) {
    RETURN_IF_ERROR(replay.ReadRecord(at, sequence, &entries, &commit, &size));
    if (size == 0 || at + size > end) break;
    std::uint64_t offset = at + kPageBytes;
    for (const Entry& entry : entries) {
      replay.Apply(entry, offset);
      if (entry.zero_pages == 0) offset += kPageBytes;
    }
    if (commit.empty()) continue;
    if (!found->committed.ParseFromString(commit))
      return absl::DataLossError(path + ": a damaged commit");
    hand_over(found->committed_pages);
  }
  if (at == kPageBytes) return nullptr;
  hand_over(found->later_pages);
  found->file = std::move(replay.file_);
  return found;
}

}  // namespace godwit::store
