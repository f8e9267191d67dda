#include "services/replication/worker/store/merge.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/qcow2.h"

namespace godwit::store {
namespace fs = std::filesystem;
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

namespace {

// Copies the layers `run` (oldest first) into one and puts it in the place of the newest.
absl::Status MergeRun(const std::string& folder, std::uint64_t disk_bytes,
                      const std::vector<const pb::StagedFile*>& run, const pb::StagedFile* below) {
  struct Source {
    std::size_t file;
    Placed placed;
  };
  std::map<std::uint64_t, Source> newest;
  std::vector<BlockFile> files;
  for (const pb::StagedFile* layer : run) {
    const std::string path = folder + "/" + layer->name();
    ASSIGN_OR_RETURN(const std::vector<Placed> blocks, ReadLayerTable(path));
    for (const Placed& placed : blocks) newest[placed.block] = {files.size(), placed};
    ASSIGN_OR_RETURN(BlockFile file, BlockFile::Open(path, BlockFile::Mode::kReadOnly));
    files.push_back(std::move(file));
  }
  const std::string target = folder + "/" + run.back()->name();
  const std::string temporary = target + ".merge";
  unlink(temporary.c_str());
  ASSIGN_OR_RETURN(BlockFile merged, BlockFile::Open(temporary, BlockFile::Mode::kCreate));
  block::AlignedBuffer buffer(kBlockSize);
  std::vector<Placed> blocks;
  std::uint64_t end_cluster = 1;
  for (auto& [number, source] : newest) {
    Placed placed = source.placed;
    if (placed.offset != Placed::kZero) {
      RETURN_IF_ERROR(files[source.file].Read(placed.offset, buffer.bytes()));
      placed.offset = end_cluster++ * kBlockSize;
      RETURN_IF_ERROR(merged.Write(placed.offset, buffer.bytes()));
    }
    blocks.push_back(placed);
  }
  Backing backing;
  if (below != nullptr) {
    backing = {.file = fs::path(below->name()).filename().string(),
               .format = IsBase(below->name()) ? "raw" : "qcow2"};
  }
  RETURN_IF_ERROR(SealQcow2(merged, disk_bytes, backing, end_cluster, blocks));
  GODWIT_FAILPOINT("store.merge.before_rename");
  if (rename(temporary.c_str(), target.c_str()) != 0) return ErrnoStatus(target);
  return SyncDir(fs::path(target).parent_path().string());
}

}  // namespace

absl::StatusOr<pb::StagedDisk> MergeLayers(const std::string& folder, const pb::StagedDisk& disk,
                                           const std::vector<std::int64_t>& kept) {
  pb::StagedDisk merged = disk;
  merged.clear_files();
  std::vector<const pb::StagedFile*> run;
  for (int i = 0; i < disk.files_size(); ++i) {
    const pb::StagedFile& file = disk.files(i);
    if (IsBase(file.name())) {
      *merged.add_files() = file;
      continue;
    }
    run.push_back(&file);
    // The run goes on while no kept point separates this file from the next one.
    const auto point = std::lower_bound(kept.begin(), kept.end(), file.epoch());
    const bool more =
        i + 1 < disk.files_size() && point != kept.end() && disk.files(i + 1).epoch() <= *point;
    if (more) continue;
    const pb::StagedFile* below =
        merged.files_size() == 0 ? nullptr : &merged.files(merged.files_size() - 1);
    if (run.size() > 1) {
      RETURN_IF_ERROR(MergeRun(folder, static_cast<std::uint64_t>(disk.size_bytes()), run, below));
    }
    *merged.add_files() = *run.back();
    run.clear();
  }
  return merged;
}

}  // namespace godwit::store
