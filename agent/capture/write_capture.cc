#include "agent/capture/write_capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/capture/capture.skel.h"
#include "agent/capture/capture_layout.h"
#include "agent/capture/page_address.h"
#include "agent/capture/ring_reader.h"
#include "agent/tracker/bio_notes.h"
#include "agent/tracker/device_probe.h"
#include "agent/tracker/in_flight_audit.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"

namespace godwit::agent {
namespace {

constexpr std::size_t kPage = 4096;
// A write that did not end for so long was missed, or the late end of it gives the capture away.
constexpr absl::Duration kMissedAfter = absl::Milliseconds(300);
constexpr absl::Duration kPause = absl::Microseconds(200);
// A completion may be passed over; this many in a row are not.
constexpr int kProbes = 8;
// For programs that copy a write at this moment.
constexpr absl::Duration kWritingPatience = absl::Milliseconds(200);

absl::Status CaptureError(absl::string_view what, int error) {
  return absl::UnimplementedError(
      absl::StrCat("capture of writes: ", what, ": ", std::strerror(error < 0 ? -error : error)));
}

template <typename T>
T Load(T& value) {
  return std::atomic_ref<T>(value).load(std::memory_order_seq_cst);
}

class EbpfCapture final : public WriteCapture {
 public:
  EbpfCapture(capture_bpf* skeleton, Records records, std::string reason)
      : skeleton_(skeleton), records_(records), reason_(std::move(reason)) {}
  ~EbpfCapture() override {
    if (control_ != nullptr) munmap(control_, Rounded(sizeof *control_));
    if (disks_ != nullptr) munmap(disks_, disk_stride_ * disk_count_);
    capture_bpf__destroy(skeleton_);
  }

  absl::Status Open(const std::vector<Device>& devices) {
    disk_count_ = devices.size();
    control_ = static_cast<godwit_capture_control*>(
        Map(bpf_map__fd(skeleton_->maps.control), Rounded(sizeof *control_)));
    // Values of an array that is mapped lie one behind the other, each a multiple of 8 bytes long.
    disk_stride_ = (sizeof(godwit_capture_disk) + 7) / 8 * 8;
    disks_ = static_cast<std::uint8_t*>(
        Map(bpf_map__fd(skeleton_->maps.disks), Rounded(disk_stride_ * disk_count_)));
    if (control_ == nullptr || disks_ == nullptr) return CaptureError("mapping", errno);
    for (std::size_t i = 0; i < disk_count_; ++i) {
      Disk(i).major = devices[i].tracked.major;
      Disk(i).first_minor = devices[i].tracked.first_minor;
      Disk(i).bio_ends = GuessCompletions(devices[i].tracked) == CompletionKind::kBios;
      audits_.emplace_back(std::span<std::int64_t>(reinterpret_cast<std::int64_t*>(Disk(i).slots),
                                                   GODWIT_CAPTURE_SLOTS + 1),
                           kMissedAfter);
    }
    RETURN_IF_ERROR(AwaitPrograms());
    if (const int error = capture_bpf__attach(skeleton_); error != 0)
      return CaptureError("attaching", error);
    ASSIGN_OR_RETURN(ring_, RingReader::Open(bpf_map__fd(skeleton_->maps.ring),
                                             bpf_map__max_entries(skeleton_->maps.ring)));
    RETURN_IF_ERROR(Calibrate(devices[0].path));
    for (std::size_t i = 0; i < disk_count_; ++i)
      RETURN_IF_ERROR(SeeCompletions(devices[i].tracked, Disk(i)));
    return absl::OkStatus();
  }

  std::string Describe() const override {
    return records_ == Records::kDynamic
               ? "records of dynamic size"
               : absl::StrCat("records of fixed sizes, because ", reason_);
  }

  void Upkeep() override {
    notes_.Sweep(bpf_map__fd(skeleton_->maps.under_way));
    for (InFlightAudit& audit : audits_) audit.Check(/*exact=*/false, [](std::size_t) {});
  }

  void Begin() override {
    End();
    ring_->Read(ring_->Begun(), [](std::span<const std::uint8_t>) {});  // leftovers
    lost_before_ = Lost();
    std::atomic_ref<__u32>(control_->enabled).store(1, std::memory_order_seq_cst);
  }

  absl::Status Settle(absl::Duration patience) override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::uint64_t called = static_cast<std::uint64_t>(now.tv_sec) * 1000000000 +
                                 static_cast<std::uint64_t>(now.tv_nsec);
    // Every slot must be seen at zero once. (What is submitted later is captured, whatever slot.)
    std::vector<__s64*> open;
    for (std::size_t i = 0; i < disk_count_; ++i) {
      for (__s64& slot : Disk(i).slots) open.push_back(&slot);
      open.push_back(&Disk(i).wide);
    }
    // Whoever looked at `enabled` before Begin has accounted for its write after this.
    RETURN_IF_ERROR(AwaitPrograms());
    for (const absl::Time end = SteadyNow() + patience;; absl::SleepFor(kPause)) {
      std::erase_if(open, [](__s64* slot) {
        const __s64 value = Load(*slot);
        // Under way when the program came: ended without having begun.
        if (value < 0) std::atomic_ref<__s64>(*slot).fetch_sub(value);
        return value <= 0;
      });
      if (open.empty()) {
        std::atomic_ref<__u64>(control_->settled_since).store(called);
        return absl::OkStatus();
      }
      Upkeep();
      if (SteadyNow() >= end) {
        return absl::DeadlineExceededError(absl::StrCat("earlier writes are still under way in ",
                                                        open.size(), " places after ",
                                                        absl::FormatDuration(patience)));
      }
    }
  }

  absl::Status Drain(const std::function<void(const CapturedWrite&)>& take) override {
    const auto record = [&](std::span<const std::uint8_t> bytes) { TakeRecord(bytes, take); };
    const std::uint64_t position = ring_->Begun();
    for (const absl::Time end = SteadyNow() + kWritingPatience; !ring_->Read(position, record);) {
      if (SteadyNow() >= end)
        return absl::UnavailableError("a captured write is still being copied");
      absl::SleepFor(kPause);
    }
    return absl::OkStatus();
  }

  void End() override {
    std::atomic_ref<__u32>(control_->enabled).store(0, std::memory_order_seq_cst);
    if (!AwaitPrograms().ok()) ++bad_;
    std::atomic_ref<__u64>(control_->settled_since).store(0);
  }

  CaptureLosses Losses() override {
    return {.dropped = Load(control_->dropped),
            .too_large = Load(control_->too_large),
            .unreadable = Load(control_->unreadable) + bad_,
            .late = Load(control_->late),
            .misses = Misses()};
  }

  absl::Status Complete() override {
    if (Lost() == lost_before_) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        "writes were not captured: ", Load(control_->dropped), " found the ring full, ",
        Load(control_->too_large), " were too large, ", Load(control_->unreadable),
        " could not be copied, ", Load(control_->late), " from before ended late, ", bad_.load(),
        " records were bad, ", Misses(), " calls were left out"));
  }

 private:
  static std::size_t Rounded(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }
  static void* Map(int fd, std::size_t bytes) {
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? nullptr : data;
  }
  godwit_capture_disk& Disk(std::size_t i) {
    return *reinterpret_cast<godwit_capture_disk*>(disks_ + i * disk_stride_);
  }

  void TakeRecord(std::span<const std::uint8_t> bytes,
                  const std::function<void(const CapturedWrite&)>& take) {
    godwit_captured head;
    if (bytes.size() < sizeof head) return;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.bad != 0 || bytes.size() < sizeof head + (head.zero != 0 ? 0 : head.bytes)) {
      ++bad_;
      return;
    }
    CapturedWrite write{.disk = head.disk, .sector = head.sector, .bytes = head.bytes};
    if (head.zero == 0) write.content = bytes.subspan(sizeof head, head.bytes);
    take(write);
  }

  // Every call of the program that may have seen the value of `enabled` before is over: the
  // programs run in RCU read sections, and this waits for all of them.
  static absl::Status AwaitPrograms() {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0
               ? absl::OkStatus()
               : CaptureError("waiting for running programs (membarrier)", errno);
  }

  std::uint64_t Misses() const {
    std::uint64_t misses = 0;
    for (const bpf_program* program :
         {skeleton_->progs.submitted, skeleton_->progs.submitted_fixed,
          skeleton_->progs.submitted_before, skeleton_->progs.completed, skeleton_->progs.ended}) {
      bpf_prog_info info{};
      __u32 size = sizeof info;
      if (bpf_program__fd(program) >= 0 &&
          bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
        misses += info.recursion_misses;
    }
    return misses;
  }
  std::uint64_t Lost() {
    return Load(control_->dropped) + Load(control_->too_large) + Load(control_->unreadable) +
           Load(control_->late) + bad_ + Misses();
  }

  // Whether the disk completes requests or bios, by reading from it.
  absl::Status SeeCompletions(const TrackedDevice& device, godwit_capture_disk& disk) {
    absl::Status read;
    const auto none = [&] { return Load(disk.request_reads) + Load(disk.bio_reads) == 0; };
    for (int i = 0; i < kProbes && read.ok() && none(); ++i) {
      control_->noted_page = 0;
      control_->calibrate_tgid = static_cast<std::uint32_t>(getpid());
      read = ReadOnce(device);
      control_->calibrate_tgid = 0;
    }
    if (!read.ok()) return absl::OkStatus();  // what sysfs says is believed
    if (none()) {
      return absl::UnimplementedError(
          absl::StrCat("capture of writes: the ends of reads of device ", device.major, ":",
                       device.first_minor, " are not seen"));
    }
    disk.bio_ends = Load(disk.request_reads) == 0;
    return absl::OkStatus();
  }

  absl::Status Calibrate(const std::string& path) {
    const Fd disk(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (!disk.valid()) return ErrnoStatus(path);
    const int peek = bpf_program__fd(skeleton_->progs.peek);
    const auto run = [&]() -> absl::Status {
      LIBBPF_OPTS(bpf_test_run_opts, options);
      const int error = bpf_prog_test_run_opts(peek, &options);
      return error == 0 ? absl::OkStatus() : CaptureError("running the probe", error);
    };
    RETURN_IF_ERROR(run());
    KernelProbe probe{
        .note_page = [&](void* buffer) -> absl::StatusOr<std::uint64_t> {
          control_->noted_page = 0;
          control_->calibrate_tgid = static_cast<std::uint32_t>(getpid());
          const ssize_t got = pread(disk.get(), buffer, kPage, 0);
          control_->calibrate_tgid = 0;
          if (got != static_cast<ssize_t>(kPage)) return ErrnoStatus(path);
          if (control_->noted_page == 0) {
            return absl::UnimplementedError("the program did not see a read of the disk");
          }
          return static_cast<std::uint64_t>(control_->noted_page);
        },
        .peek = [&](std::uint64_t address) -> absl::StatusOr<std::string> {
          control_->peek_address = address;
          RETURN_IF_ERROR(run());
          if (control_->peek_failed != 0) return absl::NotFoundError("nothing there");
          return std::string(reinterpret_cast<const char*>(control_->peeked), 64);
        },
        .task = control_->peek_task,
        .page_size_bytes = control_->page_struct_bytes};
    ASSIGN_OR_RETURN(const PageAddresses found, FindPageAddresses(probe));
    control_->first_page = found.first_page;
    control_->direct_map = found.direct_map;
    return absl::OkStatus();
  }

  capture_bpf* const skeleton_;
  const Records records_;
  const std::string reason_;
  BioNotes notes_;
  std::unique_ptr<RingReader> ring_;
  godwit_capture_control* control_ = nullptr;
  std::uint8_t* disks_ = nullptr;
  std::size_t disk_count_ = 0, disk_stride_ = 0;
  std::uint64_t lost_before_ = 0;
  std::atomic<std::uint64_t> bad_ = 0;
  std::vector<InFlightAudit> audits_;
};

// Loads one variant. `reason`: why it is not the other one.
absl::StatusOr<std::unique_ptr<WriteCapture>> LoadVariant(
    const std::vector<WriteCapture::Device>& devices, std::size_t ring_bytes,
    WriteCapture::Records records, const std::string& reason) {
  capture_bpf* const skeleton = capture_bpf__open();
  if (skeleton == nullptr) return CaptureError("opening", errno);
  auto capture = std::make_unique<EbpfCapture>(skeleton, records, reason);
  const bool dynamic = records == WriteCapture::Records::kDynamic;
  const bool before = TracepointArguments("block_bio_queue") == 2;
  if (dynamic && before) return CaptureError("the tracepoint's arguments", EINVAL);
  bpf_program__set_autoload(skeleton->progs.submitted, dynamic);
  bpf_program__set_autoload(skeleton->progs.submitted_fixed, !dynamic && !before);
  bpf_program__set_autoload(skeleton->progs.submitted_before, !dynamic && before);
  bpf_map__set_autocreate(skeleton->maps.fixed, !dynamic);
  skeleton->rodata->disk_count = static_cast<__u32>(devices.size());
  bpf_map__set_max_entries(skeleton->maps.ring, static_cast<__u32>(ring_bytes));
  bpf_map__set_max_entries(skeleton->maps.disks, static_cast<__u32>(devices.size()));
  if (const int error = capture_bpf__load(skeleton); error != 0) {
    return CaptureError("this kernel does not take the program", error);
  }
  RETURN_IF_ERROR(capture->Open(devices));
  return capture;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WriteCapture>> WriteCapture::Start(
    const std::vector<Device>& devices, std::size_t ring_bytes, std::optional<Records> records) {
  if (devices.empty() || devices.size() > GODWIT_CAPTURE_DISKS) {
    return absl::InvalidArgumentError(
        absl::StrCat("devices: 1 to ", GODWIT_CAPTURE_DISKS, " are possible"));
  }
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  if (records.has_value()) {
    return LoadVariant(devices, ring_bytes, *records, "they were asked for");
  }
  auto dynamic = LoadVariant(devices, ring_bytes, Records::kDynamic, "");
  if (dynamic.ok()) return dynamic;
  auto fixed = LoadVariant(
      devices, ring_bytes, Records::kFixed,
      absl::StrCat("those of dynamic size do not work here: ", dynamic.status().message()));
  return fixed.ok() ? std::move(fixed) : std::move(dynamic);
}

}  // namespace godwit::agent
