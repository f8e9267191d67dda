#include "agent/tracker/tracefs_tracker.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/tracker/device_probe.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"

namespace godwit::agent {
namespace {

constexpr char kRoot[] = "/sys/kernel/tracing";
constexpr char kEvent[] = "events/block/block_rq_complete";
constexpr char kBufferKib[] = "4096";  // of each processor
constexpr absl::Duration kPause = absl::Milliseconds(50);
constexpr std::uint64_t kSectorsPerBlock = block::kBlockSize / block::kSectorSize;

absl::Status Tell(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd.valid() || write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return absl::UnimplementedError(absl::StrCat("tracefs: ", ErrnoStatus(path).message()));
  return absl::OkStatus();
}

class TracefsTracker final : public ChangeTracker {
 public:
  TracefsTracker(std::string folder, std::uint64_t blocks, std::string reason)
      : folder_(std::move(folder)),
        reason_(std::move(reason)),
        states_(blocks, kStateUnknown),
        dirty_(blocks) {}
  ~TracefsTracker() override {
    Stop();
    Remove();
  }

  absl::Status Open(const TrackedDevice& device) {
    struct stat info;
    if (stat((std::string(kRoot) + "/instances").c_str(), &info) != 0 &&
        mount("tracefs", kRoot, "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 &&
        errno != EBUSY) {
      return absl::UnimplementedError(absl::StrCat("tracefs: ", ErrnoStatus(kRoot).message()));
    }
    // What an earlier agent left is of no use: nobody knows what it had read.
    Remove();
    if (mkdir(folder_.c_str(), 0700) != 0)
      return absl::UnimplementedError(absl::StrCat("tracefs: ", ErrnoStatus(folder_).message()));
    RETURN_IF_ERROR(Tell(folder_ + "/buffer_size_kb", kBufferKib));
    // A full buffer drops what is new, and says so.
    RETURN_IF_ERROR(Tell(folder_ + "/options/overwrite", "0"));
    // As the kernel encodes device numbers.
    const std::uint32_t number = static_cast<std::uint32_t>(device.major) << 20 |
                                 static_cast<std::uint32_t>(device.first_minor);
    RETURN_IF_ERROR(Tell(absl::StrCat(folder_, "/", kEvent, "/filter"),
                         absl::StrCat("dev == ", number, " && nr_sector > 0")));
    RETURN_IF_ERROR(Tell(absl::StrCat(folder_, "/", kEvent, "/enable"), "1"));
    RETURN_IF_ERROR(Tell(folder_ + "/tracing_on", "1"));
    pipe_ = Fd(open((folder_ + "/trace_pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!pipe_.valid()) return absl::UnimplementedError("tracefs: trace_pipe cannot be read");
    RETURN_IF_ERROR(Verify(device));
    thread_ = std::thread([this] { Loop(); });
    return absl::OkStatus();
  }

  std::string Describe() const override { return absl::StrCat("tracefs: ", reason_); }
  std::span<std::uint8_t> States() override { return states_; }
  bool Resumed() const override { return false; }

  absl::Status Take(bool, const std::function<void(std::uint64_t)>& mark) override {
    absl::MutexLock lock(&mutex_);
    Drain();
    for (std::uint64_t block = 0; any_ && block < dirty_.size(); ++block) {
      if (!dirty_[block]) continue;
      mark(block);
      dirty_[block] = false;
    }
    any_ = false;
    return absl::OkStatus();
  }
  bool TakeLost() override {
    const std::uint64_t now = Dropped();
    absl::MutexLock lock(&mutex_);
    const bool lost = now != dropped_ || broken_;
    // What was cut short in the pipe is not counted by the kernel.
    events_lost_ += now != dropped_ ? now - dropped_ : broken_ ? 1 : 0;
    dropped_ = now;
    broken_ = false;
    return lost;
  }
  TrackerLosses Losses() const override {
    absl::MutexLock lock(&mutex_);
    return {.events_lost = events_lost_};
  }
  absl::Status Detach() override {
    Stop();
    return Remove() ? absl::OkStatus() : ErrnoStatus(folder_);
  }

 private:
  // A read must be told of: devices without requests have no such events. Where the device cannot
  // be read, that is not known.
  absl::Status Verify(const TrackedDevice& device) {
    if (!ReadOnce(device).ok()) return absl::OkStatus();
    for (int i = 0; i < 20; ++i, absl::SleepFor(absl::Milliseconds(10))) {
      absl::MutexLock lock(&mutex_);
      Drain();
      if (told_) return absl::OkStatus();
    }
    return absl::UnimplementedError("tracefs: the device does not complete requests");
  }
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
    pipe_.Reset();
  }
  bool Remove() {
    for (int attempt = 0; attempt < 20; ++attempt) {  // busy while its files are being closed
      if (rmdir(folder_.c_str()) == 0 || errno == ENOENT) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  void Loop() {
    absl::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kPause)) Drain();
  }
  void Drain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    char buffer[65536];
    while (true) {
      const ssize_t got = read(pipe_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno != EAGAIN) broken_ = true;
      if (got <= 0) return;
      told_ = true;
      line_.append(buffer, static_cast<std::size_t>(got));
      std::size_t from = 0;
      for (std::size_t end; (end = line_.find('\n', from)) != std::string::npos; from = end + 1)
        Mark(absl::string_view(line_).substr(from, end - from));
      line_.erase(0, from);
    }
  }
  void Mark(absl::string_view line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // "CPU:0 [LOST 17 EVENTS]"
    if (absl::StrContains(line, " EVENTS]")) broken_ = true;
    const std::optional<TracedRange> range = ParseCompletion(line);
    if (!range) return;
    const std::uint64_t last = (range->sector + range->count - 1) / kSectorsPerBlock;
    if (last >= dirty_.size()) broken_ = true;
    for (std::uint64_t block = range->sector / kSectorsPerBlock;
         block <= std::min<std::uint64_t>(last, dirty_.size() - 1); ++block)
      dirty_[block] = any_ = true;
  }
  std::uint64_t Dropped() const {
    std::uint64_t dropped = 0;
    std::error_code error;
    for (const auto& cpu : std::filesystem::directory_iterator(folder_ + "/per_cpu", error)) {
      const std::string text = ReadFile(cpu.path().string() + "/stats", 4096).value_or("");
      for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(line, ": ");
        std::uint64_t count = 0;
        if ((absl::StrContains(pair.first, "overrun") || pair.first == "dropped events") &&
            absl::SimpleAtoi(pair.second, &count))
          dropped += count;
      }
    }
    return dropped;
  }

  const std::string folder_, reason_;
  Fd pipe_;
  std::thread thread_;
  std::vector<std::uint8_t> states_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<bool> dirty_ ABSL_GUARDED_BY(mutex_);
  bool any_ ABSL_GUARDED_BY(mutex_) = false, broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool told_ ABSL_GUARDED_BY(mutex_) = false;  // of anything
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0, events_lost_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string line_ ABSL_GUARDED_BY(mutex_);  // the beginning of one
};

}  // namespace

// "... block_rq_complete: 7,0 WS () 2048 + 8 none,0,0 [0]"; older kernels end with " [0]".
std::optional<TracedRange> ParseCompletion(absl::string_view line) {
  constexpr absl::string_view kName = "block_rq_complete: ";
  const std::size_t at = line.find(kName);
  if (at == absl::string_view::npos) return std::nullopt;
  const std::vector<absl::string_view> words =
      absl::StrSplit(line.substr(at + kName.size()), ' ', absl::SkipEmpty());
  // Discards are "D", zeroing "N": everything but reads changes the disk.
  if (words.size() < 2 || absl::StrContains(words[1], 'R')) return std::nullopt;
  for (std::size_t i = 2; i + 2 < words.size(); ++i) {
    TracedRange range;
    if (words[i + 1] != "+" || !absl::SimpleAtoi(words[i], &range.sector) ||
        !absl::SimpleAtoi(words[i + 2], &range.count))
      continue;
    constexpr std::uint64_t kMost = std::uint64_t{1} << 55;
    if (range.count == 0 || range.sector > kMost || range.count > kMost) return std::nullopt;
    return range;
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<ChangeTracker>> StartTracefsTracker(const TrackedDevice& device,
                                                                   const std::string& reason) {
  auto tracker =
      std::make_unique<TracefsTracker>(absl::StrCat(kRoot, "/instances/godwit-", device.disk_id),
                                       block::BlockCount(device.size_bytes), reason);
  RETURN_IF_ERROR(tracker->Open(device));
  return tracker;
}

}  // namespace godwit::agent
