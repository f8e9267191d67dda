// Reads the ring buffer that the capture program writes: with the position up to which everything
// is known, which libbpf's reader does not tell.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/statusor.h"

namespace godwit::agent {

// Not thread-safe; the kernel's programs write at the same time.
class RingReader {
 public:
  // `map` is a BPF_MAP_TYPE_RINGBUF of `bytes`.
  static absl::StatusOr<std::unique_ptr<RingReader>> Open(int map, std::size_t bytes);
  ~RingReader();
  RingReader(const RingReader&) = delete;

  // The position behind everything that was begun before the call.
  std::uint64_t Begun() const;
  // Hands over records up to `position` (of Begun) and takes them out of the ring. False: one in
  // front of it is still being written, call again.
  bool Read(std::uint64_t position,
            const std::function<void(std::span<const std::uint8_t> record)>& take);

 private:
  RingReader(std::uint64_t* consumed, const std::uint8_t* produced, std::size_t bytes);
  std::uint64_t* const consumed_;       // a page
  const std::uint8_t* const produced_;  // a page, then the data twice
  const std::size_t bytes_;
};

}  // namespace godwit::agent
