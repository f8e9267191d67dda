// The kinds of block devices that tests run on.
#pragma once

#include <memory>
#include <string>

#include "tests/e2e/agent/loop_device.h"
#include "tests/e2e/agent/zram_device.h"

namespace godwit::testing {

enum class DeviceKind {
  kLoop,  // completes requests
  kZram   // completes bios
};

inline std::string KindName(DeviceKind kind) { return kind == DeviceKind::kLoop ? "Loop" : "Zram"; }

// `file` is where a loop device has its content.
inline std::unique_ptr<BlockDevice> MakeDevice(DeviceKind kind, const std::string& file,
                                               std::uint64_t bytes) {
  if (kind == DeviceKind::kZram) return std::make_unique<ZramDevice>(bytes);
  return std::make_unique<LoopDevice>(file, bytes);
}

}  // namespace godwit::testing
