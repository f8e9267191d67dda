// The raw data path: full Data frames through a real BlockSession.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}

namespace godwit::bench {

// The disk of a server that only pushes.
inline constexpr char kPushedDisk[] = "d-00000000000000001";
inline constexpr std::uint64_t kPushedDiskBytes = std::uint64_t{1} << 30;

struct PushResult {
  std::int64_t bytes = 0;
  absl::Duration took;  // from the opened stream until all was acknowledged as durable
};

// Sends at least `bytes` of content that does not compress, 1 MiB a frame, uncompressed.
absl::StatusOr<PushResult> Push(std::shared_ptr<grpc::Channel> channel, const std::string& server,
                                std::int64_t bytes);

}  // namespace godwit::bench
