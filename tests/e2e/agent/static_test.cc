// godwit-agent needs nothing of the machine it runs on.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;

TEST(StaticAgent, HasNoInterpreterAndNoSharedLibraries) {
  ASSERT_OK_AND_ASSIGN(const std::string program,
                       ReadFile(Program("godwit-agent"), std::size_t{200} << 20));
  Elf64_Ehdr header;
  ASSERT_GT(program.size(), sizeof header);
  std::memcpy(&header, program.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, program.data() + header.e_phoff + static_cast<std::size_t>(i) * sizeof part,
                sizeof part);
    EXPECT_NE(part.p_type, static_cast<Elf64_Word>(PT_INTERP));
    EXPECT_NE(part.p_type, static_cast<Elf64_Word>(PT_DYNAMIC));
  }
}

TEST(StaticAgent, StartsInAnEmptyChroot) {
  const TempDir root;
  std::filesystem::copy_file(Program("godwit-agent"), root / "godwit-agent");
  ASSERT_OK_AND_ASSIGN(
      Process help,
      Process::Start({.command = {"/usr/sbin/chroot", root.path(), "/godwit-agent", "--help"},
                      .log = root / "log"}));
  EXPECT_EQ(*help.Wait(absl::Seconds(20)), 0);
  EXPECT_THAT(help.Log(), ::testing::HasSubstr("godwit-agent install"));
  ASSERT_OK_AND_ASSIGN(
      Process status,
      Process::Start({.command = {"/usr/sbin/chroot", root.path(), "/godwit-agent", "status"},
                      .log = root / "log"}));
  EXPECT_EQ(WEXITSTATUS(*status.Wait(absl::Seconds(20))), 3);
  EXPECT_THAT(status.Log(), ::testing::HasSubstr("not installed"));
}

}  // namespace
}  // namespace godwit::agent
