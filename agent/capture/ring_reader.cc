#include "agent/capture/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "services/common/base/file.h"

namespace godwit::agent {
namespace {

// The layout is the kernel's: include/uapi/linux/bpf.h and Documentation/bpf/ringbuf.rst. The data
// is mapped twice in a row, so that every record lies in one piece.
std::size_t Page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

RingReader::RingReader(std::uint64_t* consumed, const std::uint8_t* produced, std::size_t bytes)
    : consumed_(consumed), produced_(produced), bytes_(bytes) {}

absl::StatusOr<std::unique_ptr<RingReader>> RingReader::Open(int map, std::size_t bytes) {
  void* const consumed = mmap(nullptr, Page(), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (consumed == MAP_FAILED) return ErrnoStatus("mapping the ring");
  void* const produced =
      mmap(nullptr, Page() + 2 * bytes, PROT_READ, MAP_SHARED, map, static_cast<off_t>(Page()));
  if (produced == MAP_FAILED) {
    munmap(consumed, Page());
    return ErrnoStatus("mapping the ring");
  }
  return std::unique_ptr<RingReader>(new RingReader(
      static_cast<std::uint64_t*>(consumed), static_cast<const std::uint8_t*>(produced), bytes));
}

RingReader::~RingReader() {
  munmap(consumed_, Page());
  munmap(const_cast<std::uint8_t*>(produced_), Page() + 2 * bytes_);
}

std::uint64_t RingReader::Begun() const {
  auto* const position = reinterpret_cast<std::uint64_t*>(const_cast<std::uint8_t*>(produced_));
  return std::atomic_ref<std::uint64_t>(*position).load(std::memory_order_acquire);
}

bool RingReader::Read(std::uint64_t position,
                      const std::function<void(std::span<const std::uint8_t>)>& take) {
  std::uint64_t at = std::atomic_ref<std::uint64_t>(*consumed_).load(std::memory_order_relaxed);
  const std::uint8_t* const data = produced_ + Page();
  while (at < position) {
    const std::uint8_t* const record = data + at % bytes_;
    auto* const head = reinterpret_cast<std::uint32_t*>(const_cast<std::uint8_t*>(record));
    const std::uint32_t length =
        std::atomic_ref<std::uint32_t>(*head).load(std::memory_order_acquire);
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) break;
    const std::uint32_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if ((length & BPF_RINGBUF_DISCARD_BIT) == 0) take({record + BPF_RINGBUF_HDR_SZ, size});
    at += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
    std::atomic_ref<std::uint64_t>(*consumed_).store(at, std::memory_order_release);
  }
  return at >= position;
}

}  // namespace godwit::agent
