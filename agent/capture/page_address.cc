#include "agent/capture/page_address.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAlignment = std::uint64_t{1} << 30;
// Memory of the largest machines that are searched.
constexpr std::uint64_t kMaxMemory = std::uint64_t{64} << 40;

absl::StatusOr<std::uint64_t> FrameOf(const void* address) {
  const Fd fd(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::uint64_t entry = 0;
  const auto at = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(address) / kPage * 8);
  if (!fd.valid() || pread(fd.get(), &entry, sizeof entry, at) != sizeof entry) {
    return ErrnoStatus("/proc/self/pagemap");
  }
  const std::uint64_t frame = entry & ((std::uint64_t{1} << 55) - 1);
  if ((entry >> 63) == 0 || frame == 0) {
    return absl::UnimplementedError("/proc/self/pagemap does not tell page frames");
  }
  return frame;
}

// A page of ours that stays where it is.
class LockedPage {
 public:
  LockedPage()
      : data_(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) return;
    madvise(data_, kPage, MADV_NOHUGEPAGE);
    madvise(data_, kPage, MADV_DONTFORK);
    std::memset(data_, 1, kPage);
    locked_ = mlock(data_, kPage) == 0;
  }
  ~LockedPage() {
    if (data_ != MAP_FAILED) munmap(data_, kPage);
  }
  LockedPage(const LockedPage&) = delete;
  bool valid() const { return data_ != MAP_FAILED && locked_; }
  void* data() const { return data_; }

 private:
  void* const data_;
  bool locked_ = false;
};

}  // namespace

absl::StatusOr<PageAddresses> FindPageAddresses(const KernelProbe& probe) {
  if (sysconf(_SC_PAGESIZE) != kPage)
    return absl::UnimplementedError("pages are not of 4096 bytes");
  const LockedPage page;
  if (!page.valid()) return ErrnoStatus("locking a page");
  ASSIGN_OR_RETURN(const std::uint64_t frame, FrameOf(page.data()));
  ASSIGN_OR_RETURN(const std::uint64_t noted, probe.note_page(page.data()));
  std::string magic(64, '\0');
  std::random_device random;
  for (char& byte : magic) byte = static_cast<char>(random());
  std::memcpy(page.data(), magic.data(), magic.size());
  ASSIGN_OR_RETURN(const std::uint64_t after, FrameOf(page.data()));
  if (after != frame) return absl::UnavailableError("the page was moved: try again");
  PageAddresses found{.first_page = noted - frame * probe.page_size_bytes};
  for (std::uint64_t base = probe.task / kAlignment * kAlignment;
       probe.task - base < kMaxMemory && base >= kAlignment; base -= kAlignment) {
    const absl::StatusOr<std::string> there = probe.peek(base + frame * kPage);
    if (!there.ok() || *there != magic) continue;
    found.direct_map = base;
    return found;
  }
  return absl::UnimplementedError("the kernel's direct map was not found");
}

}  // namespace godwit::agent
