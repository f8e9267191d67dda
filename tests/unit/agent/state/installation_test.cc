#include "agent/state/installation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

Installation Example() {
  return {.server = "s-0123456789abcdef0",
          .registry = "r:1",
          .replication = "c:2",
          .disk_seed = "seed",
          .certificate_generation = 3,
          .disk_ids = {"d-00000000000000001"},
          .all_disks = true,
          .disks = {{.disk_id = "d-00000000000000002",
                     .base_id = "d-00000000000000001",
                     .generation = 2,
                     .identity = "wwn-1",
                     .device_name = "/dev/sda",
                     .size_bytes = std::uint64_t{1} << 40,
                     .is_boot_disk = true,
                     .sequence = "9",
                     .forgotten = true}}};
}

TEST(Installation, IsLoadedAsSaved) {
  const TempDir dir;
  ASSERT_OK(SaveInstallation(Example(), dir.path()));
  ASSERT_OK_AND_ASSIGN(const Installation loaded, LoadInstallation(dir.path()));
  EXPECT_EQ(loaded.server, Example().server);
  EXPECT_EQ(loaded.disk_ids, Example().disk_ids);
  EXPECT_TRUE(loaded.all_disks);
  EXPECT_EQ(loaded.disks, Example().disks);
}

TEST(Installation, OneWithoutNotesOfDisksIsTaken) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(
      dir / "installation.json",
      R"({"server": "s-0123456789abcdef0", "disk_seed": "seed", "disk_ids": ["d-1"]})"));
  ASSERT_OK_AND_ASSIGN(const Installation loaded, LoadInstallation(dir.path()));
  EXPECT_FALSE(loaded.all_disks);
  EXPECT_TRUE(loaded.disks.empty());
  EXPECT_EQ(loaded.disk_ids.size(), 1u);
}

TEST(Installation, DamagedNotesAreNotGuessed) {
  const TempDir dir;
  ASSERT_OK(SaveInstallation(Example(), dir.path()));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(dir / "installation.json"));
  const auto good = nlohmann::json::parse(text);
  for (const auto& [key, value] : good["disks"][0].items()) {
    auto damaged = good;
    damaged["disks"][0].erase(key);
    ASSERT_OK(WriteFileAtomically(dir / "installation.json", damaged.dump()));
    EXPECT_THAT(LoadInstallation(dir.path()), StatusIs(absl::StatusCode::kDataLoss, "damaged"));
    damaged["disks"][0][key] = nlohmann::json::array();
    ASSERT_OK(WriteFileAtomically(dir / "installation.json", damaged.dump()));
    EXPECT_THAT(LoadInstallation(dir.path()), StatusIs(absl::StatusCode::kDataLoss, "damaged"));
  }
}

TEST(Installation, ChangesAtTheSameTimeAreAllKept) {
  const TempDir dir;
  const auto nothing = [](Installation&) { return absl::OkStatus(); };
  EXPECT_THAT(UpdateInstallation(nothing, dir / "none"),
              StatusIs(absl::StatusCode::kNotFound, "not installed"));
  ASSERT_OK(SaveInstallation(Example(), dir.path()));
  const auto add = [&](const std::string& name) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_OK(UpdateInstallation(
                    [&](Installation& installation) {
                      installation.disk_ids.push_back(absl::StrCat(name, i));
                      return absl::OkStatus();
                    },
                    dir.path())
                    .status());
    }
  };
  std::thread other([&] { add("a"); });
  add("b");
  other.join();
  EXPECT_EQ(LoadInstallation(dir.path())->disk_ids.size(), 41u);
  EXPECT_FALSE(UpdateInstallation(
                   [](Installation& installation) {
                     installation.disk_ids.clear();
                     return absl::InternalError("no");
                   },
                   dir.path())
                   .ok());
  EXPECT_EQ(LoadInstallation(dir.path())->disk_ids.size(), 41u);
}

}  // namespace
}  // namespace godwit::agent
