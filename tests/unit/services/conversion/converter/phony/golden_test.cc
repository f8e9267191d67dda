// Every family, converted: exactly these files change, exactly so. What is expected stands in
// golden/FAMILY.txt; lines with "#" there say where the rules are from. A file that is not in it
// must not change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/conversion/converter/convert.h"
#include "tests/support/phony/phony_guest.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using namespace ::godwit::testing;

// The name of the card on each source.
std::string CardOf(const std::string& family) {
  if (family == "ubuntu2204") return "ens160";
  if (family == "arch_systemd_boot") return "ens33";
  if (family == "arch_grub") return "lan0";
  for (const char* named : {"centos7", "rocky9", "debian10", "debian11", "debian12", "ubuntu1804"})
    if (family == named) return "ens192";
  return "eth0";
}

absl::Status Convert(const std::string& family, const std::string& where, bool dry_run,
                     Outcome* outcome) {
  auto root = GuestRoot::Open(where);
  if (!root.ok()) return root.status();
  outcome->volumes = {
      {.source_device = "/dev/sda1", .type = "ext4", .uuid = kPhonyBootUuid},
      {.source_device = "/dev/sda2", .type = "ext4", .uuid = kPhonyRootUuid, .mount_point = "/"},
      {.source_device = "/dev/sda3", .type = "swap", .uuid = kPhonySwapUuid}};
  const Job job{.source_disks = {"/dev/sda"},
                .nics = {{.mac_address = kPhonyTargetMac,
                          .source_mac_address = kPhonySourceMac,
                          .source_name = CardOf(family)}},
                .dry_run = dry_run};
  return ConvertTree(*root, job, outcome, [](const std::string&) {});
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, ExactlyTheseFilesChange) {
  const TempDir dir;
  PhonyGuest guest(dir.path());
  PhonyFamilies().at(GetParam())(guest);
  const auto before = Snapshot(dir.path());

  Outcome plan;
  ASSERT_OK(Convert(GetParam(), dir.path(), /*dry_run=*/true, &plan));
  EXPECT_TRUE(Snapshot(dir.path()) == before) << "a plan wrote something";

  Outcome outcome;
  ASSERT_OK(Convert(GetParam(), dir.path(), /*dry_run=*/false, &outcome));
  const auto after = Snapshot(dir.path());
  std::string actual = DescribeChanges(before, after);
  for (const Finding& finding : outcome.findings)
    absl::StrAppend(&actual, finding.severity, " ", finding.reason, ": ", finding.message, "\n");
  const Inspection& seen = outcome.inspection;
  absl::StrAppend(&actual, "= ", seen.distribution, " ", seen.version, ", ", seen.boot_loader, ", ",
                  seen.initramfs_tool, ", ", seen.init_system, "\n");

  const std::string path = absl::StrCat(GODWIT_GOLDEN, "/", GetParam(), ".txt");
  std::string expected;
  for (const absl::string_view line : absl::StrSplit(ReadFile(path).value_or(""), '\n')) {
    if (!absl::StartsWith(line, "#") && !line.empty()) absl::StrAppend(&expected, line, "\n");
  }
  EXPECT_EQ(actual, expected) << path;

  // The plan named the same files.
  const auto paths = [](const Outcome& of) {
    std::vector<std::string> names;
    for (const Change& change : of.changes) names.push_back(change.path);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  };
  EXPECT_EQ(paths(plan), paths(outcome));

  Outcome again;
  ASSERT_OK(Convert(GetParam(), dir.path(), /*dry_run=*/false, &again));
  EXPECT_EQ(paths(again), std::vector<std::string>{}) << "twice is once";
  EXPECT_TRUE(Snapshot(dir.path()) == after);
}

TEST_P(GoldenTest, TheProgramPlansOnAFileTree) {
  const TempDir dir;
  PhonyGuest guest(dir / "tree");
  PhonyFamilies().at(GetParam())(guest);
  const auto before = Snapshot(guest.root());
  ASSERT_OK_AND_ASSIGN(
      Process convert,
      Process::Start({.command = {Program("godwit-convert"), "--root", guest.root(), "--dry-run",
                                  "--result", dir / "result"},
                      .log = dir / "log"}));
  EXPECT_EQ(*convert.Wait(absl::Seconds(30)), 0) << convert.Log();
  ASSERT_OK_AND_ASSIGN(const std::string result, ReadFile(dir / "result"));
  EXPECT_TRUE(absl::StrContains(result, "\"step\":\"initramfs\"")) << result;
  EXPECT_TRUE(Snapshot(guest.root()) == before);
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, build] : PhonyFamilies()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace godwit::convert
