// What a group does with its delta log: begin, bound, promote, take over, leave.
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/fence.h"
#include "services/replication/worker/store/file_group.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store {
namespace fs = std::filesystem;

namespace {

// More than this without a commit is no small change: it goes into the volumes.
constexpr std::uint64_t kMaxUncommittedBytes = std::uint64_t{128} << 20;

}  // namespace

std::string FileGroup::DeltaPath(const std::string& folder, std::int64_t epoch) const {
  return absl::StrCat(folder, "/delta-", epoch, ".log");
}

bool FileGroup::Clean() const {
  if (committed_ == 0) return false;
  for (const auto& volume : volumes_) {
    if (!volume->clean()) return false;
  }
  return true;
}

absl::Status FileGroup::BeginDelta() {
  ASSIGN_OR_RETURN(delta_, DeltaLog::Create(DeltaPath(folder_, LastPoint()), disks_, group_key_));
  return absl::OkStatus();
}

void FileGroup::RemoveDelta() {
  if (delta_ == nullptr) return;
  unlink(delta_->path().c_str());
  delta_.reset();
}

absl::Status FileGroup::Added() {
  if (delta_->uncommitted_bytes() <= kMaxUncommittedBytes) return absl::OkStatus();
  RETURN_IF_ERROR(Promote().status());
  return LeaveDelta();
}

absl::Status FileGroup::LeaveDelta() {
  if (delta_ == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(Broken(delta_->Sync()));
  block::AlignedBuffer buffer(block::kBlockSize);
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    const DeltaPages& pages = delta_->pages(i);
    for (auto it = pages.begin(); it != pages.end();) {
      const std::uint64_t block = it->first / kPagesPerBlock;
      const block::MutableBytes bytes =
          buffer.bytes().first(block::BlockBytes(disks_[i].size_bytes, block));
      RETURN_IF_ERROR(volumes_[i]->Read(block, bytes));
      RETURN_IF_ERROR(delta_->Overlay(i, block * block::kBlockSize, bytes));
      RETURN_IF_ERROR(volumes_[i]->Write(block, bytes));
      it = pages.lower_bound((block + 1) * kPagesPerBlock);
    }
  }
  for (const auto& volume : volumes_) RETURN_IF_ERROR(Broken(volume->Sync()));
  RemoveDelta();
  return absl::OkStatus();
}

absl::StatusOr<PointFacts> FileGroup::TakeOverDelta(const DeltaLog::Found& found) {
  PointFacts facts = FromStaged(found.committed);
  // First what came after the interim epoch, under the name that counts once that is sealed: it was
  // acknowledged.
  const std::string path = DeltaPath(folder_, facts.epoch);
  ASSIGN_OR_RETURN(auto later, DeltaLog::Create(path + ".new", disks_, group_key_));
  block::AlignedBuffer content(kPageBytes);
  bool any = false;
  for (std::size_t i = 0; i < found.later_pages.size(); ++i) {
    for (const auto& [page, place] : found.later_pages[i]) {
      any = true;
      if (place.offset == DeltaPage::kZero) {
        std::fill(content.bytes().begin(), content.bytes().end(), 0);
      } else {
        RETURN_IF_ERROR(found.file.Read(place.offset, content.bytes()));
      }
      for (std::uint32_t bit = 0; bit < 8; ++bit) {
        const std::uint64_t at = page * kPageBytes + bit * block::kSectorSize;
        if ((place.sectors >> bit & 1) == 0 || at >= disks_[i].size_bytes) continue;
        RETURN_IF_ERROR(
            later->Write(i, at / block::kSectorSize,
                         content.bytes().subspan(bit * block::kSectorSize, block::kSectorSize)));
      }
    }
  }
  RETURN_IF_ERROR(Broken(later->Sync()));
  RETURN_IF_ERROR(later->MoveTo(path));
  if (facts.epoch > LastPoint()) {
    ASSIGN_OR_RETURN(facts, Seal(facts, &found.committed_pages, &found.file));
  }
  delta_ = std::move(later);
  if (!any) RemoveDelta();
  return facts;
}

absl::StatusOr<std::optional<PointFacts>> FileGroup::Promote() {
  if (delta_ == nullptr || delta_->committed().epoch() == 0) return std::nullopt;
  RETURN_IF_ERROR(Broken(delta_->Sync()));
  const std::string path = delta_->path();
  ASSIGN_OR_RETURN(const auto found, DeltaLog::Read(path, disks_, group_key_));
  if (found == nullptr) return absl::DataLossError(path + ": the delta log is gone");
  delta_.reset();
  const absl::StatusOr<PointFacts> facts = TakeOverDelta(*found);
  RETURN_IF_ERROR(Broken(facts.status()));
  unlink(path.c_str());
  return facts;
}

absl::StatusOr<std::optional<PointFacts>> FileGroup::Rest() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(Broken(CheckFence(group_, generation_)));
  return Promote();
}

absl::Status FileGroup::RecoverDelta(const std::vector<std::int64_t>& generations) {
  const std::int64_t epoch = LastPoint();
  std::unique_ptr<DeltaLog::Found> found;
  for (auto it = generations.rbegin(); it != generations.rend() && found == nullptr; ++it) {
    ASSIGN_OR_RETURN(
        found, DeltaLog::Read(DeltaPath(GenerationFolder(group_, *it), epoch), disks_, group_key_));
  }
  if (found != nullptr) {
    // Without an interim epoch the new log takes the place of the found one.
    if (found->committed.epoch() == 0) found->committed.set_epoch(epoch);
    RETURN_IF_ERROR(TakeOverDelta(*found).status());
    Log(Severity::kInfo, "took over a delta log",
        {{"group", group_}, {"epoch", absl::StrCat(LastPoint())}});
    // The volumes had been written to already: then the log holds nothing that is newer there.
    if (delta_ != nullptr && !Clean()) RETURN_IF_ERROR(LeaveDelta());
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("delta-") && (delta_ == nullptr || entry.path() != delta_->path()))
      unlink(entry.path().c_str());
  }
  return error ? absl::InternalError(absl::StrCat(folder_, ": ", error.message()))
               : SyncDir(folder_);
}

}  // namespace godwit::store
