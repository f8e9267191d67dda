// Undo on a file tree: all comes back, or nothing is touched. Scripts with their limits.
#include "services/conversion/converter/undo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "services/common/base/file.h"
#include "services/conversion/appliance/scripts_folder.h"
#include "services/conversion/converter/run_bounded.h"
#include "services/conversion/converter/scripts.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

class UndoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeDirs(dir_ / "etc/NetworkManager/system-connections"));
    ASSERT_OK(WriteFileAtomically(dir_ / "etc/fstab", "old\n", 0640));
    ASSERT_OK(WriteFileAtomically(dir_ / "etc/gone", "gone\n"));
    ASSERT_OK(WriteFileAtomically(dir_ / kConnection, "card\n"));
  }
  GuestRoot Root() { return *GuestRoot::Open(dir_.path()); }
  std::string Get(const std::string& path) { return ReadFile(dir_ / path).value_or("(none)"); }
  // A first conversion, and a second one on top of it.
  void Convert() {
    GuestRoot first = Root();
    ASSERT_OK(first.Write("fstab", "etc/fstab", "new\n", "names"));
    ASSERT_OK(first.Write("network", kConnection, "other card\n", "names"));
    ASSERT_OK(first.Write("network", "etc/systemd/network/10-a.link", "link\n", "names"));
    ASSERT_OK(first.Write("network", "etc/gone.pre-migration", "gone\n", "as it was", false));
    ASSERT_OK(first.Remove("network", "etc/gone", "not needed"));
    ASSERT_OK(SaveManifest(first));
    GuestRoot second = Root();
    ASSERT_OK(second.Write("fstab", "etc/fstab", "newest\n", "names"));
    ASSERT_OK(SaveManifest(second));
  }
  absl::Status Undo(Outcome* outcome) {
    GuestRoot root = Root();
    return DiffOrUndo(root, Job{.action = "undo"}, Firmware{}, outcome);
  }

  static constexpr char kConnection[] = "etc/NetworkManager/system-connections/a.nmconnection";
  TempDir dir_;
};

TEST_F(UndoTest, AllOfTwoConversionsComesBack) {
  Convert();
  GuestRoot root = Root();
  Outcome diff, undone, nothing;
  ASSERT_OK(DiffOrUndo(root, Job{.action = "diff"}, Firmware{}, &diff));
  EXPECT_THAT(diff.diff, HasSubstr("--- /etc/fstab"));
  EXPECT_THAT(diff.diff, HasSubstr("-old\n+newest\n"));
  ASSERT_OK(Undo(&undone));
  EXPECT_EQ(Get("etc/fstab"), "old\n");
  EXPECT_EQ(Get("etc/gone"), "gone\n");
  EXPECT_EQ(Get(kConnection), "card\n");
  struct stat info {};
  ASSERT_EQ(stat((dir_ / "etc/fstab").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path()))
    left.push_back(entry.path().lexically_relative(dir_.path()).string());
  EXPECT_THAT(left,
              ::testing::UnorderedElementsAre("etc", "etc/fstab", "etc/gone", "etc/NetworkManager",
                                              "etc/NetworkManager/system-connections", kConnection))
      << "no copy, no list, no folder of ours";
  EXPECT_THAT(Undo(&nothing), StatusIs(absl::StatusCode::kFailedPrecondition, "nothing to undo"));
}

TEST_F(UndoTest, WhatWasChangedSinceIsFoundBeforeAnythingIsTouched) {
  Convert();
  ASSERT_OK(WriteFileAtomically(dir_ / "etc/systemd/network/10-a.link", "mine\n"));
  Outcome outcome;
  EXPECT_THAT(Undo(&outcome), StatusIs(absl::StatusCode::kFailedPrecondition, "10-a.link"));
  EXPECT_EQ(Get("etc/fstab"), "newest\n");
  ASSERT_OK(WriteFileAtomically(dir_ / "etc/systemd/network/10-a.link", "link\n"));
  ASSERT_OK(WriteFileAtomically(dir_ / "etc/fstab.pre-migration", "forged\n"));
  EXPECT_THAT(Undo(&outcome), StatusIs(absl::StatusCode::kFailedPrecondition, "kept"));
  EXPECT_EQ(Get("etc/fstab"), "newest\n");
}

TEST_F(UndoTest, AForgedListLeadsNowhereElse) {
  const TempDir outside;
  ASSERT_OK(WriteFileAtomically(outside / "victim", "precious\n"));
  ASSERT_EQ(symlink(outside.path().c_str(), (dir_ / "etc/way").c_str()), 0);
  GuestRoot root = Root();
  ASSERT_OK(root.Put(kManifest,
                     R"({"changes":[{"path":"etc/way/victim","after_sha256":"","before_sha256":""},
                        {"path":"../../victim","after_sha256":"x"}, 7, {"path": 5}]})",
                     0600));
  Outcome outcome;
  EXPECT_FALSE(Undo(&outcome).ok());
  EXPECT_EQ(*ReadFile(outside / "victim"), "precious\n");
  ASSERT_OK(root.Put(kManifest, "[1", 0600));
  EXPECT_THAT(Undo(&outcome), StatusIs(absl::StatusCode::kFailedPrecondition, "no list"));
}

TEST(RunBounded, TimeAndOutputEnd) {
  const std::vector<std::string> environment = {"PATH=/bin:/usr/bin"};
  ASSERT_OK_AND_ASSIGN(const BoundedRun flood,
                       RunBounded({"sh", "-c", "while :; do echo flood; done"}, environment, "",
                                  {.timeout = absl::Seconds(3), .max_output = 1000}));
  EXPECT_TRUE(flood.timed_out);
  EXPECT_EQ(flood.output.size(), 1000u);
  ASSERT_OK_AND_ASSIGN(const BoundedRun fine,
                       RunBounded({"sh", "-c", "cat; exit 3"}, environment, "in", {}));
  EXPECT_EQ(fine.exit_code, 3);
  EXPECT_EQ(fine.output, "in");
}

TEST(Scripts, FilesAreCheckedAndOrdered) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "20-b.chroot", "true\n"));
  ASSERT_OK(WriteFileAtomically(dir / "10-a", "#!/bin/sh\n# timeout: 5m\ntrue\n"));
  ASSERT_OK_AND_ASSIGN(const auto scripts, conversion::LoadScripts(dir.path()));
  ASSERT_EQ(scripts.size(), 2u);
  EXPECT_EQ(scripts[0].name, "10-a");
  EXPECT_EQ(scripts[0].timeout_seconds, 300);
  EXPECT_EQ(scripts[1].timeout_seconds, 60);
  ASSERT_OK(WriteFileAtomically(dir / "readme", "x"));
  EXPECT_THAT(conversion::LoadScripts(dir.path()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "readme: names"));
  unlink((dir / "readme").c_str());
  ASSERT_OK(WriteFileAtomically(dir / "30-c", "# timeout: 3 days\n"));
  EXPECT_THAT(conversion::LoadScripts(dir.path()).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "30-c: timeout"));
  EXPECT_THAT(conversion::LoadScripts(dir / "none").status(),
              StatusIs(absl::StatusCode::kNotFound, "none"));
}

}  // namespace
}  // namespace godwit::convert
