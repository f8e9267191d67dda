// A phony Windows in a folder, drivers beside it, and their conversion.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "services/common/base/file.h"
#include "services/conversion/converter/windows/convert_windows.h"
#include "services/conversion/converter/windows/hive.h"
#include "tests/support/phony_windows.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert::windows {

class WindowsTree : public ::testing::Test {
 protected:
  void Make(const std::string& name) {
    ASSERT_OK(::godwit::testing::MakePhonyWindows(::godwit::testing::PhonyWindowsGuest(name),
                                                  guest_.path()));
    config_ = name == "2k16" ? "WINDOWS/system32/config/" : "Windows/System32/config/";
    ASSERT_OK(::godwit::testing::MakePhonyDrivers(drivers_.path()));
  }
  absl::Status Convert(Outcome* outcome, Job job = {}) {
    absl::StatusOr<GuestRoot> root = GuestRoot::Open(guest_.path());
    if (!root.ok()) return root.status();
    Supplies supplies;
    absl::StatusOr<GuestRoot> drivers = GuestRoot::Open(drivers_.path());
    absl::StatusOr<GuestRoot> scripts = GuestRoot::Open(scripts_.path());
    if (drivers.ok()) supplies.drivers.emplace(*std::move(drivers));
    if (scripts.ok()) supplies.scripts.emplace(*std::move(scripts));
    return ConvertWindowsTree(*root, job, supplies, outcome, [](const std::string&) {});
  }
  std::string Get(const std::string& path) {
    return ReadFile(guest_ / path, 64 << 20).value_or("(none)");
  }
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(guest_ / path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(guest_ / path, content));
  }
  Hive OpenHive(const std::string& name) {
    absl::StatusOr<Hive> hive = Hive::Open(name, Get(config_ + name));
    EXPECT_OK(hive.status());
    return *std::move(hive);
  }
  static std::string FindingOf(const Outcome& outcome, const std::string& reason) {
    for (const Finding& finding : outcome.findings) {
      if (finding.reason == reason) return finding.severity + ": " + finding.message;
    }
    return "";
  }

  ::godwit::testing::TempDir guest_, drivers_, scripts_;
  std::string config_;
};

}  // namespace godwit::convert::windows
