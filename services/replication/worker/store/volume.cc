#include "services/replication/worker/store/volume.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/fine_layer.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store {
namespace fs = std::filesystem;
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

namespace {

constexpr std::size_t kDigestFileSlack = 8;
constexpr char kDigestPurpose[] = "digests";

}  // namespace

Volume::Volume(std::string folder, pb::StagedDisk staged, std::int64_t committed_epoch,
               crypt::GroupKeyPtr group)
    : folder_(std::move(folder)),
      staged_(std::move(staged)),
      committed_epoch_(committed_epoch),
      group_(std::move(group)),
      sealed_(static_cast<std::uint64_t>(staged_.size_bytes()), group_),
      digests_(static_cast<std::uint64_t>(staged_.size_bytes())),
      unsure_(digests_.size()),
      unhashed_(digests_.size()) {
  SetFiles();
}

void Volume::SetFiles() {
  files_.clear();
  for (const pb::StagedFile& file : staged_.files()) files_.push_back(file.name());
}

std::string Volume::Layer() const {
  return absl::StrCat(staged_.disk_id(), "/e", committed_epoch_ + 1, ".qcow2");
}

absl::StatusOr<std::unique_ptr<Volume>> Volume::Open(const std::string& folder,
                                                     const std::vector<std::string>& older,
                                                     const pb::StagedDisk& staged,
                                                     std::int64_t committed_epoch,
                                                     const crypt::GroupKeyPtr& group) {
  std::unique_ptr<Volume> volume(new Volume(folder, staged, committed_epoch, group));
  RETURN_IF_ERROR(MakeDirs(volume->Path(staged.disk_id()), 0750));
  RETURN_IF_ERROR(volume->LoadDigests());
  // What a newer writer had is newer.
  for (const std::string& generation : older) RETURN_IF_ERROR(volume->TakeOver(generation));
  RETURN_IF_ERROR(volume->OpenOwn());
  RETURN_IF_ERROR(volume->RemoveUnnamed());
  RETURN_IF_ERROR(SyncDir(volume->Path(staged.disk_id())));
  return volume;
}

absl::Status Volume::LoadDigests() {
  for (const std::string& name : files_) {
    if (IsBase(name)) {
      const std::size_t expected = digests_.size() * sizeof(block::Digest) + kDigestFileSlack;
      const std::string path = Path(DigestFile(name));
      ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, EncryptedBytes(expected)));
      if (group_ != nullptr) {
        auto plain = DecryptContent(group_, kDigestPurpose, std::move(bytes), expected);
        RETURN_IF_ERROR(Annotate(plain.status(), path));
        bytes = *std::move(plain);
      }
      const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
      std::uint64_t checksum = 0;
      if (bytes.size() == expected) std::memcpy(&checksum, data + expected - kDigestFileSlack, 8);
      if (bytes.size() != expected ||
          checksum != block::Checksum({data, expected - kDigestFileSlack})) {
        return absl::DataLossError(path + ": damaged list of digests");
      }
      for (std::uint64_t i = 0; i < digests_.size(); ++i) {
        block::Digest digest;
        std::memcpy(digest.bytes.data(), data + i * sizeof digest, sizeof digest);
        digests_.Set(i, digest);
      }
      RETURN_IF_ERROR(sealed_.AddBase(Path(name), digests_));
      continue;
    }
    ASSIGN_OR_RETURN(const LayerTable table, ReadLayerTable(Path(name), group_));
    RETURN_IF_ERROR(sealed_.AddLayer(Path(name), table));
    for (const Placed& placed : table.placed) {
      if (table.fine()) {
        SetHashed(placed.block / kPagesPerBlock, false);
      } else {
        digests_.Set(placed.block, placed.digest);
        SetHashed(placed.block, true);
      }
    }
  }
  return absl::OkStatus();
}

// What the generation in the folder `older` had received and not committed.
absl::Status Volume::TakeOver(const std::string& older) {
  for (const std::string& name : {Base(), OldBase()}) {
    if (!files_.empty()) break;  // the manifest has a base
    const std::string from = older + "/" + name;
    ASSIGN_OR_RETURN(const std::vector<Placed> held, Journal::Read(from + ".journal", group_));
    if (held.empty()) continue;
    RETURN_IF_ERROR(LinkFile(from, Path(OldBase())));
    RETURN_IF_ERROR(LinkFile(from + ".journal", Path(OldBase()) + ".journal"));
    RETURN_IF_ERROR(KeepOldBase());
  }
  return TakeOverLayer(older + "/" + Layer());
}

absl::Status Volume::KeepOldBase() {
  ASSIGN_OR_RETURN(const std::vector<Placed> held,
                   Journal::Read(Path(OldBase()) + ".journal", group_, &old_cipher_));
  if (held.empty()) return absl::OkStatus();
  old_base_ = true;
  // It may hold more than was journaled: zeros are not sure either.
  unsure_.assign(unsure_.size(), true);
  for (const Placed& placed : held) {
    if (placed.block < digests_.size()) digests_.Set(placed.block, placed.digest);
  }
  return absl::OkStatus();
}

// Copies what another generation's open layer holds durably into our own: its writer may still be
// awake, so its file is not used on.
absl::Status Volume::TakeOverLayer(const std::string& path) {
  FileCipherPtr cipher;
  ASSIGN_OR_RETURN(const std::vector<Placed> held,
                   Journal::Read(path + ".journal", group_, &cipher));
  if (held.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
  if (cipher != nullptr) RETURN_IF_ERROR(file.Encrypt(cipher));
  block::AlignedBuffer buffer(kBlockSize);
  for (const Placed& placed : held) {
    if (placed.block >= digests_.size()) return absl::DataLossError(path + ": damaged journal");
    if (placed.offset == Placed::kZero) {
      RETURN_IF_ERROR(Zero(placed.block, 1));
      continue;
    }
    const block::MutableBytes bytes = buffer.bytes().first(
        block::BlockBytes(static_cast<std::uint64_t>(staged_.size_bytes()), placed.block));
    RETURN_IF_ERROR(file.Read(placed.offset, bytes));
    RETURN_IF_ERROR(Write(placed.block, bytes));
  }
  Log(Severity::kInfo, "took over an open layer",
      {{"file", path}, {"blocks", absl::StrCat(held.size())}});
  return Sync();
}

// What this generation had received before its worker was restarted.
absl::Status Volume::OpenOwn() {
  if (files_.empty() && !old_base_) RETURN_IF_ERROR(KeepOldBase());
  const bool base = files_.empty() && !old_base_;
  const std::string name = base ? Base() : Layer();
  std::error_code error;
  if (!fs::exists(Path(name) + ".journal", error)) return absl::OkStatus();
  std::vector<Placed> held;
  ASSIGN_OR_RETURN(open_, OpenNow(&held));
  // In place, so a block may be newer than its journaled digest: none is sure.
  if (base) unsure_.assign(unsure_.size(), true);
  for (const Placed& placed : held) {
    if (placed.block >= digests_.size()) {
      return absl::DataLossError(Path(name) + ": damaged journal");
    }
    digests_.Set(placed.block, placed.digest);
    unsure_[placed.block] = true;
  }
  return absl::OkStatus();
}

absl::Status Volume::RemoveUnnamed() {
  std::set<std::string> keep;
  for (const std::string& name : files_) {
    keep.insert(name);
    if (!IsBase(name)) continue;
    keep.insert(DigestFile(name));
    if (group_ != nullptr) keep.insert(ImageOfBase(name));
  }
  if (old_base_) keep.insert({OldBase(), OldBase() + ".journal"});
  if (open_ != nullptr) {
    const std::string name = open_->path().substr(folder_.size() + 1);
    keep.insert({name, name + ".journal"});
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(Path(staged_.disk_id()), error)) {
    const std::string name = absl::StrCat(staged_.disk_id(), "/", entry.path().filename().string());
    if (!keep.contains(name)) unlink(entry.path().c_str());
  }
  return error ? absl::InternalError(absl::StrCat(Path(staged_.disk_id()), ": ", error.message()))
               : absl::OkStatus();
}

absl::StatusOr<OpenFile*> Volume::Open() {
  if (open_ == nullptr) {
    std::vector<Placed> ignored;
    ASSIGN_OR_RETURN(open_, OpenNow(&ignored));
  }
  return open_.get();
}

absl::StatusOr<std::unique_ptr<OpenFile>> Volume::OpenNow(std::vector<Placed>* held) {
  const bool base = files_.empty() && !old_base_;
  return OpenFile::Open(Path(base ? Base() : Layer()),
                        base ? OpenFile::Kind::kBase : OpenFile::Kind::kLayer,
                        static_cast<std::uint64_t>(staged_.size_bytes()), held, group_);
}

absl::Status Volume::Write(std::uint64_t first_block, block::MutableBytes bytes) {
  ASSIGN_OR_RETURN(OpenFile * open, Open());
  std::vector<block::Digest> digests(block::BlockCount(bytes.size()));
  for (std::size_t i = 0; i < digests.size(); ++i) {
    const std::size_t from = i * kBlockSize;
    digests[i] = block::DigestOf(
        bytes.subspan(from, std::min<std::size_t>(kBlockSize, bytes.size() - from)));
  }
  // Until the write is done nobody may think that the block is known.
  for (std::size_t i = 0; i < digests.size(); ++i) unsure_[first_block + i] = true;
  RETURN_IF_ERROR(open->Write(first_block, bytes, digests));
  for (std::size_t i = 0; i < digests.size(); ++i) {
    digests_.Set(first_block + i, digests[i]);
    unsure_[first_block + i] = false;
    SetHashed(first_block + i, true);
  }
  return absl::OkStatus();
}

absl::Status Volume::Zero(std::uint64_t first_block, std::uint64_t count) {
  const auto zero = [&](std::uint64_t block) {
    return !unsure_[block] && !unhashed_[block] &&
           digests_.at(block) == block::ZeroDigest(block::BlockBytes(
                                     static_cast<std::uint64_t>(staged_.size_bytes()), block));
  };
  constexpr std::uint64_t kMaxRun = 65536;
  const std::uint64_t end = first_block + count;
  for (std::uint64_t block = first_block; block < end;) {
    if (zero(block)) {  // most of a new disk
      ++block;
      continue;
    }
    std::uint64_t run = 1;
    while (block + run < end && run < kMaxRun && !zero(block + run)) ++run;
    ASSIGN_OR_RETURN(OpenFile * open, Open());
    RETURN_IF_ERROR(open->Zero(block, run));
    for (std::uint64_t i = 0; i < run; ++i) {
      digests_.SetZero(block + i);
      unsure_[block + i] = false;
      SetHashed(block + i, true);
    }
    block += run;
  }
  return absl::OkStatus();
}

absl::Status Volume::Read(std::uint64_t block, block::MutableBytes bytes) const {
  if (open_ != nullptr) {
    const absl::Status read = open_->Read(block, bytes);
    if (!absl::IsNotFound(read)) return read;
  }
  if (old_base_) {
    ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(Path(OldBase()), BlockFile::Mode::kReadOnly));
    if (old_cipher_ != nullptr && digests_.IsZero(block)) {
      std::fill(bytes.begin(), bytes.end(), 0);
      return absl::OkStatus();
    }
    if (old_cipher_ != nullptr) RETURN_IF_ERROR(file.Encrypt(old_cipher_));
    return file.Read(block * kBlockSize, bytes);
  }
  return sealed_.ReadBlock(block, bytes);
}

absl::Status Volume::Patch(const std::vector<SectorRun>& runs) {
  const auto disk_bytes = static_cast<std::uint64_t>(staged_.size_bytes());
  block::AlignedBuffer buffer(kBlockSize);
  std::uint64_t number = 0;
  block::MutableBytes whole;  // of block `number`
  const auto write = [&]() {
    return whole.empty() ? absl::OkStatus() : Write(number, std::exchange(whole, {}));
  };
  for (const SectorRun& run : runs) {
    block::Bytes bytes = run.bytes;
    for (std::uint64_t at = run.sector * block::kSectorSize; !bytes.empty();) {
      const std::uint64_t from = at % kBlockSize;
      if (whole.empty() || number != at / kBlockSize) {
        RETURN_IF_ERROR(write());
        number = at / kBlockSize;
        whole = buffer.bytes().first(block::BlockBytes(disk_bytes, number));
        if (bytes.size() < whole.size() || from > 0) RETURN_IF_ERROR(Read(number, whole));
      }
      const std::size_t size = std::min<std::size_t>(whole.size() - from, bytes.size());
      std::memcpy(whole.data() + from, bytes.data(), size);
      at += size;
      bytes = bytes.subspan(size);
    }
  }
  return write();
}

void Volume::SetHashed(std::uint64_t block, bool hashed) {
  if (unhashed_[block] != hashed) return;
  unhashed_[block] = !hashed;
  unhashed_count_ += hashed ? std::uint64_t(-1) : 1;
}

absl::StatusOr<std::string> Volume::DiskHash() {
  for (std::uint64_t block = 0; block < unhashed_.size() && unhashed_count_ > 0; ++block) {
    if (unhashed_[block]) RETURN_IF_ERROR(DigestAt(block).status());
  }
  return digests_.DiskHash();
}

absl::Status Volume::Replace(pb::StagedDisk staged) {
  // A file that stays took the place of those before it that went.
  std::vector<std::string> gone;
  const std::vector<std::string> before = files_;
  staged_ = std::move(staged);
  SetFiles();
  for (const std::string& name : before) {
    if (std::find(files_.begin(), files_.end(), name) == files_.end()) {
      gone.push_back(Path(name));
      continue;
    }
    if (!gone.empty()) RETURN_IF_ERROR(sealed_.Merged(Path(name), gone));
    gone.clear();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<block::Digest>> Volume::DigestAt(std::uint64_t block) {
  const std::uint32_t size =
      block::BlockBytes(static_cast<std::uint64_t>(staged_.size_bytes()), block);
  block::AlignedBuffer buffer(kBlockSize);
  const block::MutableBytes bytes = buffer.bytes().first(size);
  if (open_ != nullptr && unsure_[block]) {
    const absl::Status read = open_->Read(block, bytes);
    if (read.ok()) {
      digests_.Set(block, block::DigestOf(bytes));
      unsure_[block] = false;
      return digests_.at(block);
    }
    if (!absl::IsNotFound(read)) return read;
  }
  // Written by us, or held by what lies below.
  if (old_base_ && (open_ == nullptr || !open_->Read(block, bytes).ok())) return std::nullopt;
  if (unhashed_[block]) {
    RETURN_IF_ERROR(Read(block, bytes));
    digests_.Set(block, block::DigestOf(bytes));
    SetHashed(block, true);
  }
  return digests_.at(block);
}

absl::Status Volume::Sync() { return open_ == nullptr ? absl::OkStatus() : open_->Sync(); }

absl::Status Volume::SealBase(const std::string& name, const FileCipherPtr& cipher) {
  std::string bytes;
  bytes.reserve(digests_.size() * sizeof(block::Digest) + kDigestFileSlack);
  for (std::uint64_t i = 0; i < digests_.size(); ++i) {
    bytes.append(reinterpret_cast<const char*>(digests_.at(i).bytes.data()), sizeof(block::Digest));
  }
  const std::uint64_t checksum =
      block::Checksum({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  if (group_ != nullptr) {
    std::vector<std::uint64_t> blocks;
    for (std::uint64_t i = 0; i < digests_.size(); ++i) {
      if (!digests_.IsZero(i)) blocks.push_back(i);
    }
    RETURN_IF_ERROR(WriteBaseImage(Path(ImageOfBase(name)),
                                   static_cast<std::uint64_t>(staged_.size_bytes()),
                                   fs::path(name).filename().string(), cipher, blocks));
    ASSIGN_OR_RETURN(bytes, EncryptContent(group_, kDigestPurpose, bytes));
  }
  return WriteFileAtomically(Path(DigestFile(name)), bytes, 0640);
}

absl::StatusOr<pb::StagedDisk> Volume::Seal(std::int64_t epoch, std::int64_t* changed_bytes) {
  pb::StagedDisk sealed = staged_;
  // A disk that was never written to is a base of zeros.
  if (files_.empty() && !old_base_ && open_ == nullptr) RETURN_IF_ERROR(Open().status());
  const auto seal_base = [&](const std::string& name, const FileCipherPtr& cipher) -> absl::Status {
    RETURN_IF_ERROR(SealBase(name, cipher));
    pb::StagedFile* file = sealed.add_files();
    file->set_name(name);
    file->set_epoch(epoch);
    return absl::OkStatus();
  };
  if (old_base_) RETURN_IF_ERROR(seal_base(OldBase(), old_cipher_));
  if (open_ == nullptr) return sealed;
  const std::string name = open_->path().substr(folder_.size() + 1);
  if (open_->kind() == OpenFile::Kind::kBase) {
    RETURN_IF_ERROR(seal_base(name, open_->cipher()));
    for (std::uint64_t i = 0; i < digests_.size(); ++i) {
      if (digests_.at(i) != block::ZeroDigest()) *changed_bytes += kBlockSize;
    }
    return sealed;
  }
  if (!open_->used()) return sealed;
  const std::string below = sealed.files(sealed.files_size() - 1).name();
  RETURN_IF_ERROR(open_->Seal(BackingOf(below, group_ != nullptr)));
  *changed_bytes += static_cast<std::int64_t>(open_->held_bytes());
  pb::StagedFile* file = sealed.add_files();
  file->set_name(name);
  file->set_epoch(epoch);
  return sealed;
}

absl::StatusOr<pb::StagedDisk> Volume::SealDelta(std::int64_t epoch, const DeltaPages& pages,
                                                 const BlockFile& log,
                                                 std::int64_t* changed_bytes) {
  if (pages.empty() && !clean()) return staged_;  // a disk that was added since
  if (!clean()) return absl::InternalError(staged_.disk_id() + ": a delta log over an open file");
  if (open_ != nullptr) {  // made and not used
    const std::string path = open_->path();
    RETURN_IF_ERROR(std::exchange(open_, nullptr)->DropJournal());
    unlink(path.c_str());
  }
  pb::StagedDisk sealed = staged_;
  if (pages.empty()) return sealed;
  const std::string name = absl::StrCat(staged_.disk_id(), "/e", epoch, ".qcow2");
  const std::string below = files_.back();
  RETURN_IF_ERROR(WriteFineLayer(Path(name), static_cast<std::uint64_t>(staged_.size_bytes()),
                                 BackingOf(below, group_ != nullptr), pages, log, sealed_, group_));
  *changed_bytes += static_cast<std::int64_t>(pages.size() * kPageBytes);
  pb::StagedFile* file = sealed.add_files();
  file->set_name(name);
  file->set_epoch(epoch);
  return sealed;
}

absl::Status Volume::Sealed(std::int64_t epoch, pb::StagedDisk staged) {
  const std::size_t files_before = files_.size();
  const bool kept_open =
      open_ != nullptr && !open_->used() && open_->kind() == OpenFile::Kind::kLayer;
  std::unique_ptr<OpenFile> closed = std::move(open_);
  staged_ = std::move(staged);
  SetFiles();
  committed_epoch_ = epoch;
  if (std::exchange(old_base_, false)) {
    unlink((Path(OldBase()) + ".journal").c_str());
    RETURN_IF_ERROR(sealed_.AddBase(Path(OldBase()), digests_));
  }
  if (closed != nullptr && closed->kind() == OpenFile::Kind::kBase) {
    RETURN_IF_ERROR(sealed_.AddBase(closed->path(), digests_));
  } else if (files_.size() > files_before && !IsBase(files_.back())) {
    ASSIGN_OR_RETURN(const LayerTable table, ReadLayerTable(Path(files_.back()), group_));
    RETURN_IF_ERROR(sealed_.AddLayer(Path(files_.back()), table));
    if (table.fine()) {
      for (const Placed& placed : table.placed) SetHashed(placed.block / kPagesPerBlock, false);
    }
  }
  if (closed != nullptr) RETURN_IF_ERROR(closed->DropJournal());
  if (kept_open) unlink(closed->path().c_str());
  return absl::OkStatus();
}

}  // namespace godwit::store
