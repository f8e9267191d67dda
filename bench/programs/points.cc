// godwit-bench-points: the staging store alone. A volume with a point, then small changes as a
// source that is followed sends them, an interim epoch, a point, writes after it, expiry, a clone.
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/programs/json_line.h"
#include "services/common/base/flags.h"
#include "services/common/base/process.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/open_store.h"

namespace godwit::bench {
namespace {

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr std::uint64_t kPage = 4096;
constexpr int kPagesOfAFrame = 256, kFramesOfAnEpoch = 10;

struct Config {
  std::string store;
  store::RbdOptions rbd{.user = "godwit"};
  std::int64_t disk_bytes = std::int64_t{4} << 30, changed = 0,
               after_bytes = std::int64_t{256} << 20;
};

class Volume {
 public:
  Volume(store::Group& group, std::uint64_t bytes) : group_(group), bytes_(bytes) {}

  absl::Status Fill() {
    block::AlignedBuffer buffer(block::kMaxFrameBlocks * block::kBlockSize);
    for (std::uint64_t at = 0; at < bytes_; at += buffer.size()) {
      Randomize(buffer.bytes());
      RETURN_IF_ERROR(group_.Write(0, at / block::kBlockSize, buffer.bytes()));
    }
    return group_.Sync();
  }
  // `count` pages at random places, in frames and interim epochs as an agent sends them.
  absl::Status Change(std::int64_t count) {
    block::AlignedBuffer buffer(kPagesOfAFrame * kPage);
    for (std::int64_t done = 0, frames = 0; done < count; ++frames) {
      Randomize(buffer.bytes().first(64));
      std::vector<store::SectorRun> runs;
      for (std::size_t i = 0; i < kPagesOfAFrame && done < count; ++i, ++done) {
        runs.push_back({random_() % (bytes_ / kPage) * (kPage / block::kSectorSize),
                        buffer.bytes().subspan(i * kPage, kPage)});
      }
      RETURN_IF_ERROR(group_.Patch(0, runs));
      if (frames % kFramesOfAnEpoch == kFramesOfAnEpoch - 1) RETURN_IF_ERROR(Commit(true));
    }
    return absl::OkStatus();
  }
  // MiB/s of blocks of 64 KiB at random places until they are durable.
  absl::StatusOr<double> Blocks(std::int64_t bytes) {
    block::AlignedBuffer buffer(block::kBlockSize);
    const absl::Time from = absl::Now();
    for (std::int64_t done = 0; done < bytes; done += block::kBlockSize) {
      Randomize(buffer.bytes().first(64));
      RETURN_IF_ERROR(group_.Write(0, random_() % (bytes_ / block::kBlockSize), buffer.bytes()));
    }
    RETURN_IF_ERROR(group_.Sync());
    return static_cast<double>(bytes) / (1 << 20) / absl::ToDoubleSeconds(absl::Now() - from);
  }
  absl::Status Commit(bool interim) {
    return group_
        .Commit({.epoch = group_.committed_epoch() + 1,
                 .cut_time = absl::Now(),
                 .consistency = 1,
                 .interim = interim})
        .status();
  }

 private:
  void Randomize(block::MutableBytes bytes) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      const std::uint64_t value = random_();
      std::memcpy(bytes.data() + at, &value, 8);
    }
  }
  store::Group& group_;
  const std::uint64_t bytes_;
  std::mt19937_64 random_{1};
};

template <typename Work>
absl::StatusOr<double> Seconds(const Work& work) {
  const absl::Time from = absl::Now();
  RETURN_IF_ERROR(work());
  return absl::ToDoubleSeconds(absl::Now() - from);
}

absl::Status Run(const Config& config) {
  ASSIGN_OR_RETURN(const auto store, store::OpenStore(config.store, config.rbd));
  const auto bytes = static_cast<std::uint64_t>(config.disk_bytes);
  ASSIGN_OR_RETURN(const auto group, store->OpenGroup(kServer, 1,
                                                      {{.disk_id = "d-0123456789abcdef0",
                                                        .device_name = "/dev/sda",
                                                        .size_bytes = bytes,
                                                        .is_boot_disk = true}}));
  Volume volume(*group, bytes);
  nlohmann::json line;
  ASSIGN_OR_RETURN(line["fill_seconds"], Seconds([&] { return volume.Fill(); }));
  RETURN_IF_ERROR(volume.Commit(false));
  ASSIGN_OR_RETURN(line["blocks_before_mib_per_second"], volume.Blocks(config.after_bytes));
  RETURN_IF_ERROR(volume.Commit(false));
  ASSIGN_OR_RETURN(line["change_seconds"], Seconds([&] { return volume.Change(config.changed); }));
  ASSIGN_OR_RETURN(line["interim_seconds"], Seconds([&] { return volume.Commit(true); }));
  RETURN_IF_ERROR(volume.Change(config.changed > 0 ? kPagesOfAFrame : 0));
  ASSIGN_OR_RETURN(line["point_seconds"], Seconds([&] { return volume.Commit(false); }));
  ASSIGN_OR_RETURN(line["blocks_after_mib_per_second"], volume.Blocks(config.after_bytes));
  const std::int64_t last = group->committed_epoch();
  ASSIGN_OR_RETURN(line["clone_seconds"], Seconds([&] {
                     return group->CreateClone("c-0123456789abcdef0", last).status();
                   }));
  RETURN_IF_ERROR(volume.Commit(false));
  std::vector<std::int64_t> gone;
  for (const store::PointFacts& point : group->Points(1000)) {
    if (point.epoch != group->committed_epoch()) gone.push_back(point.epoch);
  }
  ASSIGN_OR_RETURN(line["expiry_seconds"], Seconds([&] { return group->DeletePoints(gone); }));
  Print("points", std::move(line));
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::TuneProcess();
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-points", "Points of the staging store under measurement.");
  flags.String("store", &config.store, "folder of the store, or rbd:POOL[/NAMESPACE]");
  flags.String("ceph-conf", &config.rbd.conf, "ceph.conf of a store in Ceph");
  flags.String("clone-folder", &config.rbd.clone_folder, "of the disks of clones, then");
  flags.Int("disk-bytes", &config.disk_bytes, 1 << 20, std::int64_t{1} << 46, "size of the volume");
  flags.Int("changed", &config.changed, 0, 1 << 30, "pages of 4 KiB that change before the point");
  flags.Int("after-bytes", &config.after_bytes, 1 << 20, std::int64_t{1} << 40,
            "written in blocks before and after");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
