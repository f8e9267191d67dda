#include "agent/tracker/ebpf_tracker.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/tracker/bio_notes.h"
#include "agent/tracker/device_probe.h"
#include "agent/tracker/dirty.skel.h"
#include "agent/tracker/dirty_layout.h"
#include "agent/tracker/in_flight_audit.h"
#include "services/common/base/file.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"

namespace godwit::agent {
namespace {

constexpr char kBpffs[] = "/sys/fs/bpf";
constexpr unsigned long kBpffsMagic = 0xcafe4a11;
constexpr std::size_t kMapCount = 5;
constexpr const char* kMaps[kMapCount] = {"dirty", "ranges", "states", "meta", "in_flight"};
// Pinned links. The last one, without which a folder is not taken over, is always there; the others
// only where the kernel's tracepoints have the arguments that the program expects (5.11), or for
// devices without requests.
constexpr char kIssueLink[] = "link_issue", kRequeueLink[] = "link_requeue",
               kQueueLink[] = "link_queue", kLink[] = "link";
constexpr char kBiosMap[] = "bios";
// A completion may be passed over; this many in a row are not.
constexpr int kProbes = 8;
// Writes from before the programs came end within this time, or the disk is compared.
constexpr absl::Duration kDrain = absl::Seconds(1);

absl::Status BpfError(absl::string_view what, int error) {
  return absl::UnimplementedError(
      absl::StrCat(what, ": ", std::strerror(error < 0 ? -error : error)));
}

// A map's memory.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  absl::Status Map(int fd, std::size_t size) {
    const std::size_t page = 4096;
    size_ = (size + page - 1) / page * page;
    void* data = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return BpfError("mapping a BPF map", errno);
    data_ = data;
    return absl::OkStatus();
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

std::uint64_t Pages(std::uint64_t count) { return (count + GODWIT_PAGE - 1) / GODWIT_PAGE; }

class EbpfTracker final : public ChangeTracker {
 public:
  struct Options {
    bool resumed, pinned, audited;
    CompletionKind kind;
  };
  EbpfTracker(std::string folder, const TrackedDevice& device, Options options)
      : folder_(std::move(folder)),
        blocks_(block::BlockCount(device.size_bytes)),
        options_(options) {}
  ~EbpfTracker() override {
    if (skeleton_ != nullptr) dirty_bpf__destroy(skeleton_);
  }

  // Of a device without requests; `bios` and `queue_link` as below.
  absl::Status MapBios(int bios, int queue_link) {
    bios_ = Fd(dup(bios));
    if (!bios_.valid()) return BpfError("dup", errno);
    ASSIGN_OR_RETURN(queue_program_, ProgramOf(queue_link));
    return absl::OkStatus();
  }

  // The fds may be closed afterwards.
  // `maps` in the order of kMaps.
  absl::Status Map(const std::array<int, kMapCount>& maps, int link) {
    RETURN_IF_ERROR(dirty_.Map(maps[0], Pages(blocks_) * sizeof(godwit_page)));
    ranges_ = Fd(dup(maps[1]));
    if (!ranges_.valid()) return BpfError("dup", errno);
    RETURN_IF_ERROR(states_.Map(maps[2], Pages(blocks_) * sizeof(godwit_page)));
    RETURN_IF_ERROR(meta_.Map(maps[3], sizeof(godwit_meta)));
    RETURN_IF_ERROR(in_flight_.Map(maps[4], sizeof(godwit_in_flight)));
    if (options_.audited) {
      audit_.emplace(std::span<std::int64_t>(in_flight_.as<std::int64_t>(), GODWIT_SLOTS + 1));
    }
    ASSIGN_OR_RETURN(program_, ProgramOf(link));
    return Misses().status();
  }
  // After attaching: whether a read's end is seen, as a write's will be. Where the device cannot be
  // read, what sysfs says is believed.
  absl::Status Verify(const TrackedDevice& device) {
    godwit_meta& meta = *meta_.as<godwit_meta>();
    std::atomic_ref<__u64> ends(meta.probe_ends);
    std::atomic_ref<__u64>(meta.probe_tgid).store(static_cast<__u64>(getpid()));
    absl::Status read;
    for (int i = 0; i < kProbes && read.ok() && ends.load() == 0; ++i) read = ReadOnce(device);
    std::atomic_ref<__u64>(meta.probe_tgid).store(0);
    if (!read.ok() || ends.load() > 0) return absl::OkStatus();
    return absl::UnimplementedError(options_.kind == CompletionKind::kRequests
                                        ? "the device does not complete requests"
                                        : "the ends of the device's bios are not seen");
  }
  // Ends of bios from before the programs came: nobody has read the disk yet.
  void Drain(const TrackedDevice& device) {
    AwaitIdle(device, kDrain);
    std::atomic_ref<__u64>(meta_.as<godwit_meta>()->unknown_ends).store(0);
  }
  void Own(dirty_bpf* skeleton) { skeleton_ = skeleton; }
  // Whoever removes the pins does not end the tracking of an agent that runs.
  void Hold(Fd link) { links_.push_back(std::move(link)); }

  std::string Describe() const override {
    return absl::StrCat("ebpf: ",
                        options_.kind == CompletionKind::kRequests
                            ? "tp_btf/block_rq_complete"
                            : "tp_btf/block_bio_complete (the device has no requests)",
                        options_.audited ? "" : ", completions not counted",
                        options_.pinned ? ", goes on without the agent"
                                        : "; bpffs is not there: ends with the agent");
  }
  std::span<std::uint8_t> States() override { return {states_.as<std::uint8_t>(), blocks_}; }
  bool Resumed() const override { return options_.resumed; }

  absl::Status Take(bool exact, const std::function<void(std::uint64_t)>& mark) override {
    // First: whatever ended before is marked below or here.
    if (audit_) {
      int unseen = 0;
      audit_->Check(exact, [&](std::size_t slot) {
        if (slot == GODWIT_SLOTS) {
          ++missed_wide_;
          return;
        }
        ++unseen;
        for (std::uint64_t block = slot; block < blocks_; block += GODWIT_SLOTS) mark(block);
      });
      if (unseen > 0) {
        Log(Severity::kInfo, "completions were not seen: their blocks are copied again",
            {{"disk", folder_}, {"slots", absl::StrCat(unseen)}});
      }
    }
    if (bios_.valid()) notes_.Sweep(bios_.get());
    std::uint8_t* const dirty = dirty_.as<std::uint8_t>();
    // Looked at before it is taken away, so that a crash in between loses nothing. There is no
    // other taker.
    for (godwit_range range; bpf_map_lookup_elem(ranges_.get(), nullptr, &range) == 0;) {
      for (std::uint64_t block = range.first; block <= range.last; ++block) mark(block);
      if (bpf_map_lookup_and_delete_elem(ranges_.get(), nullptr, &range) != 0)
        return BpfError("taking a range", errno);
    }
    for (std::uint64_t page = 0; page < Pages(blocks_); ++page) {
      const std::uint64_t first = page * GODWIT_PAGE;
      // Eight marks at a time: most are not set. The map has room up to a whole page.
      for (std::uint64_t at = first; at < first + GODWIT_PAGE; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, dirty + at, sizeof word);
        if (word == 0) continue;
        for (std::uint64_t block = at; block < at + 8; ++block) {
          if (dirty[block] == 0) continue;
          mark(block);
          Clear(&dirty[block]);
        }
      }
    }
    return absl::OkStatus();
  }

  TrackerLosses Losses() const override {
    const godwit_meta& meta = *meta_.as<godwit_meta>();
    return {.out_of_range = meta.out_of_range,
            .passthrough = meta.passthrough,
            .ranges_dropped = meta.ranges_dropped,
            .bios_dropped = meta.bios_dropped,
            .unknown_ends = meta.unknown_ends,
            .recursion_misses = Misses().value_or(0),
            .completions_missed = missed_wide_};
  }

  bool TakeLost() override {
    const godwit_meta& meta = *meta_.as<godwit_meta>();
    const std::uint64_t misses = Misses().value_or(seen_losses_ + 1);
    const std::uint64_t losses = meta.out_of_range + meta.passthrough + meta.ranges_dropped +
                                 meta.bios_dropped + meta.unknown_ends + misses + missed_wide_;
    if (losses == seen_losses_) return false;
    Log(Severity::kWarning, "change tracking lost marks",
        {{"out_of_range", absl::StrCat(meta.out_of_range)},
         {"passthrough", absl::StrCat(meta.passthrough)},
         {"ranges_dropped", absl::StrCat(meta.ranges_dropped)},
         {"bios_dropped", absl::StrCat(meta.bios_dropped)},
         {"unknown_ends", absl::StrCat(meta.unknown_ends)},
         {"recursion_misses", absl::StrCat(misses)},
         {"missed_discards", absl::StrCat(missed_wide_)}});
    seen_losses_ = losses;
    return true;
  }

  absl::Status Detach() override {
    if (skeleton_ != nullptr) dirty_bpf__destroy(std::exchange(skeleton_, nullptr));
    links_.clear();
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
    rmdir(kPinRoot);
    return error ? absl::InternalError(absl::StrCat(folder_, ": ", error.message()))
                 : absl::OkStatus();
  }

 private:
  // A mark that was set again before the exchange is of a request that had completed by then:
  // `mark` was called for its block, and whoever reads the block afterwards reads what it wrote.
  static void Clear(std::uint8_t* byte) {
    std::atomic_ref<std::uint8_t>(*byte).exchange(0, std::memory_order_seq_cst);
  }

  static absl::StatusOr<Fd> ProgramOf(int link) {
    bpf_link_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(link, &info, &size) != 0)
      return BpfError("the program's link", errno);
    Fd program(bpf_prog_get_fd_by_id(info.prog_id));
    if (!program.valid()) return BpfError("the program of the link", errno);
    return program;
  }
  absl::StatusOr<std::uint64_t> Misses() const {
    std::uint64_t misses = 0;
    for (const Fd* program : {&program_, &queue_program_}) {
      bpf_prog_info info{};
      __u32 size = sizeof info;
      if (!program->valid()) continue;
      if (bpf_obj_get_info_by_fd(program->get(), &info, &size) != 0)
        return BpfError("the program's counters", errno);
      misses += info.recursion_misses;
    }
    return misses;
  }

  const std::string folder_;
  const std::uint64_t blocks_;
  const Options options_;
  dirty_bpf* skeleton_ = nullptr;
  Mapping dirty_, states_, meta_, in_flight_;
  Fd ranges_, program_;
  Fd bios_, queue_program_;  // of a device without requests
  BioNotes notes_;
  std::vector<Fd> links_;  // of programs that an agent before attached
  // What an agent before had seen is kept nowhere: after a restart an old loss counts again.
  std::uint64_t seen_losses_ = 0;
  std::optional<InFlightAudit> audit_;
  std::uint64_t missed_wide_ = 0;
};

// True when pins can be made.
bool MountBpffs() {
  struct statfs info;
  if (statfs(kBpffs, &info) == 0 && static_cast<unsigned long>(info.f_type) == kBpffsMagic)
    return true;
  return mount("bpf", kBpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") == 0;
}

// What an agent process before left running; NOT_FOUND when there is nothing that fits.
absl::StatusOr<std::unique_ptr<ChangeTracker>> Adopt(const TrackedDevice& device,
                                                     const std::string& folder,
                                                     std::uint64_t blocks) {
  Fd fds[kMapCount];
  std::array<int, kMapCount> maps{};
  for (std::size_t i = 0; i < kMapCount; ++i) {
    fds[i] = Fd(bpf_obj_get((folder + "/" + kMaps[i]).c_str()));
    if (!fds[i].valid()) return absl::NotFoundError("no pins");
    maps[i] = fds[i].get();
  }
  const auto pinned = [&](const char* name) {
    return Fd(bpf_obj_get((folder + "/" + name).c_str()));
  };
  Fd link = pinned(kLink), issue = pinned(kIssueLink), requeue = pinned(kRequeueLink);
  if (!link.valid()) return absl::NotFoundError("no pinned program");
  Mapping meta;
  RETURN_IF_ERROR(meta.Map(fds[3].get(), sizeof(godwit_meta)));
  const godwit_meta& found = *meta.as<godwit_meta>();
  if (found.layout != GODWIT_LAYOUT || found.major != device.major ||
      found.first_minor != device.first_minor || found.block_count != blocks) {
    return absl::NotFoundError("the pins are of another version or another device");
  }
  const bool bio_ends = found.completion == GODWIT_BIO_ENDS;
  const bool audited = bio_ends || (issue.valid() && requeue.valid());
  auto tracker = std::make_unique<EbpfTracker>(
      folder, device,
      EbpfTracker::Options{.resumed = true,
                           .pinned = true,
                           .audited = audited,
                           .kind = bio_ends ? CompletionKind::kBios : CompletionKind::kRequests});
  RETURN_IF_ERROR(tracker->Map(maps, link.get()));
  if (bio_ends) {
    const Fd bios = pinned(kBiosMap);
    Fd queue = pinned(kQueueLink);
    if (!bios.valid() || !queue.valid()) return absl::NotFoundError("no pinned programs");
    RETURN_IF_ERROR(tracker->MapBios(bios.get(), queue.get()));
    tracker->Hold(std::move(queue));
  }
  for (Fd* held : {&link, &issue, &requeue}) {
    if (held->valid()) tracker->Hold(std::move(*held));
  }
  return tracker;
}

struct Mode {
  CompletionKind kind = CompletionKind::kRequests;
  bool audited = true;
};

// What is not asked for is neither loaded nor made.
void Choose(const Mode& mode, dirty_bpf* skeleton) {
  const bool bio_ends = mode.kind == CompletionKind::kBios;
  const bool before = TracepointArguments("block_bio_queue") == 2;
  bpf_program__set_autoload(skeleton->progs.issue, !bio_ends && mode.audited);
  bpf_program__set_autoload(skeleton->progs.requeue, !bio_ends && mode.audited);
  bpf_program__set_autoload(skeleton->progs.complete, !bio_ends);
  bpf_program__set_autoload(skeleton->progs.queued, bio_ends && !before);
  bpf_program__set_autoload(skeleton->progs.queued_before, bio_ends && before);
  bpf_program__set_autoload(skeleton->progs.ended, bio_ends);
  bpf_map__set_autocreate(skeleton->maps.bios, bio_ends);
}

absl::StatusOr<std::unique_ptr<ChangeTracker>> Load(const TrackedDevice& device,
                                                    const std::string& folder, std::uint64_t blocks,
                                                    bool pin, const Mode& mode) {
  dirty_bpf* const skeleton = dirty_bpf__open();
  if (skeleton == nullptr) return BpfError("opening the program", errno);
  const bool bio_ends = mode.kind == CompletionKind::kBios;
  auto tracker = std::make_unique<EbpfTracker>(
      folder, device,
      EbpfTracker::Options{
          .resumed = false, .pinned = pin, .audited = mode.audited, .kind = mode.kind});
  tracker->Own(skeleton);
  Choose(mode, skeleton);
  skeleton->rodata->disk_major = device.major;
  skeleton->rodata->disk_first_minor = device.first_minor;
  skeleton->rodata->block_count = blocks;
  bpf_map__set_max_entries(skeleton->maps.dirty, static_cast<__u32>(Pages(blocks)));
  bpf_map__set_max_entries(skeleton->maps.states, static_cast<__u32>(Pages(blocks)));
  if (const int error = dirty_bpf__load(skeleton); error != 0) {
    return BpfError("this kernel does not take the program (BTF and tracing programs are needed)",
                    error);
  }
  {
    Mapping meta;
    RETURN_IF_ERROR(meta.Map(bpf_map__fd(skeleton->maps.meta), sizeof(godwit_meta)));
    *meta.as<godwit_meta>() = {
        .layout = GODWIT_LAYOUT,
        .major = device.major,
        .first_minor = device.first_minor,
        .completion = static_cast<__u32>(bio_ends ? GODWIT_BIO_ENDS : GODWIT_REQUESTS),
        .block_count = blocks};
  }
  {
    // Before the program is pinned: whoever takes the pins over must not take new states for
    // settled ones.
    Mapping states;
    RETURN_IF_ERROR(
        states.Map(bpf_map__fd(skeleton->maps.states), Pages(blocks) * sizeof(godwit_page)));
    std::memset(states.as<std::uint8_t>(), kStateUnknown, blocks);
  }
  if (const int error = dirty_bpf__attach(skeleton); error != 0)
    return BpfError("attaching the program", error);
  bpf_map* const maps[kMapCount] = {skeleton->maps.dirty, skeleton->maps.ranges,
                                    skeleton->maps.states, skeleton->maps.meta,
                                    skeleton->maps.in_flight};
  std::array<int, kMapCount> fds{};
  for (std::size_t i = 0; i < kMapCount; ++i) fds[i] = bpf_map__fd(maps[i]);
  bpf_link* const link = bio_ends ? skeleton->links.ended : skeleton->links.complete;
  bpf_link* const queue_link =
      skeleton->links.queued != nullptr ? skeleton->links.queued : skeleton->links.queued_before;
  RETURN_IF_ERROR(tracker->Map(fds, bpf_link__fd(link)));
  if (bio_ends) {
    RETURN_IF_ERROR(tracker->MapBios(bpf_map__fd(skeleton->maps.bios), bpf_link__fd(queue_link)));
  }
  RETURN_IF_ERROR(tracker->Verify(device));
  if (bio_ends) tracker->Drain(device);
  if (!pin) return tracker;
  for (std::size_t i = 0; i < kMapCount; ++i) {
    if (const int error = bpf_map__pin(maps[i], (folder + "/" + kMaps[i]).c_str()); error != 0) {
      return BpfError("pinning a map", error);
    }
  }
  const auto pin_link = [&](bpf_link* link, const char* name) {
    const int error = bpf_link__pin(link, (folder + "/" + name).c_str());
    return error == 0 ? absl::OkStatus() : BpfError("pinning a program", error);
  };
  if (bio_ends) {
    if (const int error = bpf_map__pin(skeleton->maps.bios, (folder + "/" + kBiosMap).c_str());
        error != 0) {
      return BpfError("pinning a map", error);
    }
    RETURN_IF_ERROR(pin_link(queue_link, kQueueLink));
  } else if (mode.audited) {
    RETURN_IF_ERROR(pin_link(skeleton->links.issue, kIssueLink));
    RETURN_IF_ERROR(pin_link(skeleton->links.requeue, kRequeueLink));
  }
  RETURN_IF_ERROR(pin_link(link, kLink));
  return tracker;
}

// In the order in which they are tried.
std::vector<Mode> ModesOf(const TrackedDevice& device, std::optional<CompletionKind> kind) {
  std::vector<Mode> requests{{.kind = CompletionKind::kRequests, .audited = false}};
  if (TracepointArguments("block_rq_issue") == 1)  // older kernels have other arguments
    requests.insert(requests.begin(), {.kind = CompletionKind::kRequests, .audited = true});
  std::vector<Mode> bios{{.kind = CompletionKind::kBios}};
  const bool requests_first = kind.value_or(GuessCompletions(device)) == CompletionKind::kRequests;
  std::vector<Mode> modes = requests_first ? requests : bios;
  if (!kind.has_value()) {
    const std::vector<Mode>& others = requests_first ? bios : requests;
    modes.insert(modes.end(), others.begin(), others.end());
  }
  return modes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeTracker>> StartEbpfTracker(
    const TrackedDevice& device, std::optional<CompletionKind> kind) {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  const std::uint64_t blocks = block::BlockCount(device.size_bytes);
  const std::string folder = absl::StrCat(kPinRoot, "/", device.disk_id);
  const bool pin = MountBpffs();
  if (pin) {
    absl::StatusOr<std::unique_ptr<ChangeTracker>> adopted = Adopt(device, folder, blocks);
    if (adopted.ok()) return adopted;
  }
  absl::Status first;
  for (const Mode& mode : ModesOf(device, kind)) {
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    if (pin) {
      mkdir(kPinRoot, 0700);
      if (mkdir(folder.c_str(), 0700) != 0) return ErrnoStatus(folder);
    }
    auto loaded = Load(device, folder, blocks, pin, mode);
    if (loaded.ok()) return loaded;
    if (first.ok()) first = loaded.status();
  }
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  rmdir(kPinRoot);
  return first;
}

absl::Status RemoveAllPins() {
  std::error_code error;
  std::filesystem::remove_all(kPinRoot, error);
  return error ? absl::InternalError(absl::StrCat(kPinRoot, ": ", error.message()))
               : absl::OkStatus();
}

}  // namespace godwit::agent
