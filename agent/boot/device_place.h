// Where a block device lies on a disk, from sysfs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace godwit::agent {

struct ByteRange {
  std::uint64_t first = 0, end = 0;
};

// Of the device "major:minor"; nullopt: it is not the disk `disk` or a partition of it.
std::optional<ByteRange> PlaceOf(const std::string& device, const std::string& disk);

// "major:minor".
std::string NameOf(dev_t device);

// "/dev/sda1", as the kernel names the device "major:minor"; empty: there is none.
std::string PathOf(const std::string& device);

}  // namespace godwit::agent
