// Copies of disks that have nothing but the blocks that are to travel first.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/boot/plan.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {

// Runs a program to its end; its output.
inline std::string RunProgram(const std::vector<std::string>& command, const std::string& log) {
  auto process = ::godwit::testing::Process::Start({.command = command, .log = log});
  EXPECT_OK(process);
  if (!process.ok()) return "";
  const auto status = process->Wait(absl::Seconds(60));
  EXPECT_OK(status);
  EXPECT_EQ(status.value_or(-1), 0) << process->Log();
  return process->Log();
}

// A disk or its image, to be read past the page cache where that is possible.
inline PickedDisk DiskToPick(const std::string& path, std::uint64_t bytes) {
  const auto fd = std::make_shared<Fd>(open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  GODWIT_CHECK(fd->valid());
  return {.size_bytes = bytes, .read = [fd](std::uint64_t block, block::MutableBytes out) {
            const ssize_t got = pread(fd->get(), out.data(), out.size(),
                                      static_cast<off_t>(block * block::kBlockSize));
            return got == static_cast<ssize_t>(out.size()) ? absl::OkStatus() : ErrnoStatus("read");
          }};
}

// An image of the disk, empty but for the blocks of the plan; how many bytes those are.
inline std::uint64_t CopyPlanned(const PickedDisk& disk, const FirstPlan& plan,
                                 const std::string& image) {
  const Fd out(open(image.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  GODWIT_CHECK(out.valid() && ftruncate(out.get(), static_cast<off_t>(disk.size_bytes)) == 0);
  std::uint64_t copied = 0;
  block::AlignedBuffer buffer(block::kBlockSize);
  for (const FirstRun& run : plan.runs) {
    for (std::uint64_t block = run.first; block < run.first + run.count; ++block) {
      const std::uint32_t bytes = block::BlockBytes(disk.size_bytes, block);
      EXPECT_OK(disk.read(block, buffer.bytes().first(bytes)));
      GODWIT_CHECK(pwrite(out.get(), buffer.data(), bytes,
                          static_cast<off_t>(block * block::kBlockSize)) == bytes);
      copied += bytes;
    }
  }
  return copied;
}

}  // namespace godwit::agent
