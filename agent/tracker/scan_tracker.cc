#include "agent/tracker/scan_tracker.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/block.h"
#include "services/common/block/hash.h"

namespace godwit::agent {
namespace {

class ScanTracker final : public ChangeTracker {
 public:
  ScanTracker(Fd fd, std::string path, std::uint64_t size_bytes, std::string reason,
              absl::Duration least_pause)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        size_bytes_(size_bytes),
        reason_(std::move(reason)),
        least_pause_(least_pause),
        digests_(block::BlockCount(size_bytes)),
        states_(digests_.size(), kStateUnknown) {}

  std::string Describe() const override { return absl::StrCat("scan: ", reason_); }
  std::span<std::uint8_t> States() override { return states_; }
  bool Resumed() const override { return false; }
  bool TakeLost() override { return false; }
  absl::Status Detach() override { return absl::OkStatus(); }

  absl::Status Take(bool exact, const std::function<void(std::uint64_t)>& mark) override {
    const absl::Duration from = RealClock().Monotonic();
    if (!exact && known_ && from < next_) return absl::OkStatus();
    constexpr std::uint64_t kAtOnce = 64;
    block::AlignedBuffer buffer(kAtOnce * block::kBlockSize);
    for (std::uint64_t first = 0; first < digests_.size(); first += kAtOnce) {
      const std::uint64_t at = first * block::kBlockSize;
      const std::size_t size = std::min<std::uint64_t>(buffer.size(), size_bytes_ - at);
      for (std::size_t done = 0; done < size;) {
        const ssize_t got =
            pread(fd_.get(), buffer.data() + done, size - done, static_cast<off_t>(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return ErrnoStatus(absl::StrCat(path_, ": reading at byte ", at + done));
        done += static_cast<std::size_t>(got);
      }
      for (std::uint64_t i = 0; i * block::kBlockSize < size; ++i) {
        const std::uint64_t number = first + i;
        const block::Digest digest = block::DigestOf(
            buffer.bytes().subspan(i * block::kBlockSize, block::BlockBytes(size_bytes_, number)));
        if (digest == digests_[number]) continue;
        // The first reading is only remembered: nothing is known of the replica yet, so all is
        // compared anyway.
        if (known_) mark(number);
        digests_[number] = digest;
      }
    }
    known_ = true;
    const absl::Duration now = RealClock().Monotonic();
    next_ = now + std::max(least_pause_, (now - from) * 10);
    return absl::OkStatus();
  }

 private:
  const Fd fd_;
  const std::string path_;
  const std::uint64_t size_bytes_;
  const std::string reason_;
  const absl::Duration least_pause_;
  std::vector<block::Digest> digests_;
  std::vector<std::uint8_t> states_;
  bool known_ = false;
  absl::Duration next_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChangeTracker>> StartScanTracker(const std::string& path,
                                                                std::uint64_t size_bytes,
                                                                const std::string& reason,
                                                                absl::Duration least_pause) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  return std::make_unique<ScanTracker>(std::move(fd), path, size_bytes, reason, least_pause);
}

}  // namespace godwit::agent
