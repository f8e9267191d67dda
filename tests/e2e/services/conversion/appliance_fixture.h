// Overlays of disks and what the appliance makes of them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/base/file.h"
#include "services/conversion/appliance/appliance.h"
#include "tests/support/process.h"
#include "tests/support/source_machine.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {

inline constexpr absl::Duration kPatience = absl::Minutes(8);

class ApplianceFixture : public ::testing::Test {
 protected:
  // Ends when the program did; its output when it failed.
  void Do(std::vector<std::string> command) {
    command.insert(command.begin(), "/usr/bin/env");
    ASSERT_OK_AND_ASSIGN(auto process,
                         testing::Process::Start({.command = command, .log = dir_ / "do.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, process.Wait(absl::Minutes(3)));
    ASSERT_EQ(status, 0) << command[1] << ": " << process.Log();
  }
  // A qcow2 file on the raw image `base`.
  void Overlay(const std::string& base, const std::string& path) {
    Do({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, path});
  }
  static v1::ConversionTask TaskFor(const std::string& disk) {
    v1::ConversionTask task;
    task.set_mode(v1::ConversionTask::APPEND);
    auto& added = *task.add_disks();
    added.set_device_name("/dev/sda");
    added.set_path(disk);
    auto& nic = *task.mutable_target()->add_nics();
    nic.set_mac_address("52:54:00:aa:00:01");
    nic.set_source_mac_address("52:54:00:aa:00:01");
    nic.set_source_name("lan0");
    return task;
  }
  ApplianceResult Run(const v1::ConversionTask& task, ApplianceOptions options = {},
                      absl::Duration patience = kPatience, std::string work_folder = "") {
    if (options.folder.empty()) options.folder = GODWIT_APPLIANCE;
    const auto appliance = Appliance::Open(options);
    EXPECT_OK(appliance.status());
    if (!appliance.ok()) return {.status = appliance.status()};
    const std::atomic<bool> cancel{false};
    if (work_folder.empty()) work_folder = dir_.path();
    return appliance->Run(task, work_folder, patience, cancel, [](const std::string&) {});
  }

  testing::TempDir dir_;
};

}  // namespace godwit::conversion
