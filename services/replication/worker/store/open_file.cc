#include "services/replication/worker/store/open_file.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {

using block::kBlockSize;

absl::StatusOr<std::unique_ptr<OpenFile>> OpenFile::Open(const std::string& path, Kind kind,
                                                         std::uint64_t disk_bytes,
                                                         std::vector<Placed>* journaled,
                                                         const crypt::GroupKeyPtr& group) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(path, ignored);
  // A file without its journal holds nothing that was promised; a journal without its file neither.
  if (!exists) unlink((path + ".journal").c_str());
  ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, exists ? BlockFile::Mode::kOpen
                                                                : BlockFile::Mode::kCreate));
  ASSIGN_OR_RETURN(Journal journal, Journal::Open(path + ".journal", journaled, group));
  if (journal.cipher() != nullptr) RETURN_IF_ERROR(file.Encrypt(journal.cipher()));
  std::unique_ptr<OpenFile> open(
      new OpenFile(std::move(file), std::move(journal), kind, disk_bytes));
  open->used_ = !journaled->empty();
  if (kind == Kind::kBase) {
    RETURN_IF_ERROR(open->file_.Truncate(block::BlockCount(disk_bytes) * kBlockSize));
    if (open->cipher() != nullptr) open->written_.resize(block::BlockCount(disk_bytes));
    for (const Placed& placed : *journaled) {
      if (placed.block < open->written_.size())
        open->written_[placed.block] = placed.offset != Placed::kZero;
    }
  } else {
    open->end_cluster_ = FirstDataCluster(open->file_, kBlockSize);
    for (const Placed& placed : *journaled) {
      open->placed_[placed.block] = placed;
      if (placed.offset != Placed::kZero) {
        open->end_cluster_ = std::max(open->end_cluster_, placed.offset / kBlockSize + 1);
      }
    }
    // What lies behind was never promised (or is a seal that no manifest names).
    RETURN_IF_ERROR(open->file_.Truncate(open->end_cluster_ * kBlockSize));
  }
  if (!exists) {
    RETURN_IF_ERROR(open->file_.Sync());
    RETURN_IF_ERROR(SyncDir(std::filesystem::path(path).parent_path().string()));
  }
  return open;
}

std::vector<std::uint64_t> OpenFile::Written() const {
  std::vector<std::uint64_t> blocks;
  for (std::uint64_t block = 0; block < written_.size(); ++block) {
    if (written_[block]) blocks.push_back(block);
  }
  return blocks;
}

absl::Status OpenFile::WriteRun(std::uint64_t first_block, block::MutableBytes bytes,
                                std::uint64_t offset, const block::Digest* digests) {
  RETURN_IF_ERROR(file_.Write(offset, bytes));
  const std::uint64_t count = block::BlockCount(bytes.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    const Placed placed{first_block + i, offset + i * kBlockSize, digests[i]};
    unsynced_.push_back(placed);
    if (kind_ == Kind::kLayer) placed_[placed.block] = placed;
    if (!written_.empty()) written_[placed.block] = true;
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Write(std::uint64_t first_block, block::MutableBytes bytes,
                             const std::vector<block::Digest>& digests) {
  used_ = true;
  const std::uint64_t count = block::BlockCount(bytes.size());
  if (kind_ == Kind::kBase) {
    return WriteRun(first_block, bytes, first_block * kBlockSize, digests.data());
  }
  // Runs of blocks that go to consecutive clusters: new ones at the end, known ones in place.
  for (std::uint64_t i = 0; i < count;) {
    const auto place = [&](std::uint64_t at) {
      const auto found = placed_.find(first_block + at);
      return found == placed_.end() ? Placed::kZero : found->second.offset;
    };
    const std::uint64_t start = place(i);
    const bool fresh = start == Placed::kZero;
    const std::uint64_t offset = fresh ? end_cluster_ * kBlockSize : start;
    std::uint64_t run = 1;
    while (i + run < count &&
           place(i + run) == (fresh ? Placed::kZero : start + run * kBlockSize)) {
      ++run;
    }
    const std::uint64_t from = i * kBlockSize;
    const std::uint64_t size = std::min<std::uint64_t>(run * kBlockSize, bytes.size() - from);
    RETURN_IF_ERROR(
        WriteRun(first_block + i, bytes.subspan(from, size), offset, digests.data() + i));
    if (fresh) end_cluster_ += run;
    i += run;
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Zero(std::uint64_t first_block, std::uint64_t count) {
  used_ = true;
  if (kind_ == Kind::kBase && written_.empty()) {
    RETURN_IF_ERROR(file_.PunchHole(first_block * kBlockSize, count * kBlockSize));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t block = first_block + i;
    const Placed placed{block, Placed::kZero,
                        block::ZeroDigest(block::BlockBytes(disk_bytes_, block))};
    unsynced_.push_back(placed);
    if (kind_ == Kind::kLayer) placed_[block] = placed;
    if (!written_.empty() && written_[block]) {
      written_[block] = false;
      to_punch_.push_back(block);
    }
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Read(std::uint64_t block, block::MutableBytes bytes) const {
  std::uint64_t offset = block * kBlockSize;
  if (kind_ == Kind::kLayer) {
    const auto found = placed_.find(block);
    if (found == placed_.end()) return absl::NotFoundError("the layer does not hold the block");
    offset = found->second.offset;
  }
  if (offset == Placed::kZero || (!written_.empty() && !written_[block])) {
    std::fill(bytes.begin(), bytes.end(), 0);
    return absl::OkStatus();
  }
  return file_.Read(offset, bytes);
}

absl::Status OpenFile::Sync() {
  if (unsynced_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(file_.Sync());
  GODWIT_FAILPOINT("store.sync.before_journal");
  RETURN_IF_ERROR(journal_.Append(unsynced_));
  unsynced_.clear();
  for (const std::uint64_t block : std::exchange(to_punch_, {})) {
    if (!written_[block]) RETURN_IF_ERROR(file_.PunchHole(block * kBlockSize, kBlockSize));
  }
  return absl::OkStatus();
}

absl::Status OpenFile::Seal(const Backing& backing) {
  LayerTable table;
  table.placed.reserve(placed_.size());
  for (const auto& [block, placed] : placed_) table.placed.push_back(placed);
  std::sort(table.placed.begin(), table.placed.end(),
            [](const Placed& a, const Placed& b) { return a.block < b.block; });
  return SealQcow2(file_, disk_bytes_, backing, end_cluster_, table);
}

absl::Status OpenFile::DropJournal() {
  const std::string path = file_.path() + ".journal";
  return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus() : ErrnoStatus(path);
}

}  // namespace godwit::store
