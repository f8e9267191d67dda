#include "services/jobs/domain/boot_evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::jobs {
namespace {

using ::testing::HasSubstr;

TEST(BootEvidence, NamesTheFailureAndItsLine) {
  const BootFinding finding = FindFailure(
      "[    1.0] ok\r\n[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on "
      "unknown-block(0,0)\r\n",
      "");
  EXPECT_EQ(finding.failure, BootFailure::kKernelPanicNoRoot);
  EXPECT_THAT(finding.line, HasSubstr("unknown-block(0,0)"));
  EXPECT_STREQ(FailureName(finding.failure), "KERNEL_PANIC_NO_ROOT");
}

TEST(BootEvidence, KnowsEveryWayNotToBoot) {
  const auto of = [](absl::string_view console) { return FindFailure(console, "").failure; };
  EXPECT_EQ(of("ALERT!  /dev/sda1 does not exist.  Dropping to a shell!\n"),
            BootFailure::kInitramfsShell);
  EXPECT_EQ(of("You are in emergency mode. After logging in"), BootFailure::kEmergencyMode);
  EXPECT_EQ(of("error: no such device\ngrub rescue> "), BootFailure::kBootLoaderPrompt);
  EXPECT_EQ(of("Kernel panic - not syncing: Attempted to kill init!"), BootFailure::kKernelPanic);
  EXPECT_EQ(of("Boot failed: not a bootable disk\n\nNo bootable device."),
            BootFailure::kNoBootableDevice);
  EXPECT_EQ(of("Debian GNU/Linux 12 web1 ttyS0\n\nweb1 login: "), BootFailure::kNone);
  EXPECT_EQ(of(""), BootFailure::kNone);
}

TEST(BootEvidence, TheFirmwareIsAskedToo) {
  EXPECT_EQ(FindFailure("", "Booting from Hard Disk...\nNo bootable device.\n").failure,
            BootFailure::kNoBootableDevice);
}

TEST(BootEvidence, ThePanicForWantOfARootWinsOverTheShellBeforeIt) {
  EXPECT_EQ(FindFailure("Gave up waiting for root file system device.\nDropping to a shell!\n"
                        "Kernel panic - not syncing: VFS: Unable to mount root fs\n",
                        "")
                .failure,
            BootFailure::kKernelPanicNoRoot);
}

TEST(BootEvidence, EveryFailureHasNameAndRemedy) {
  for (int i = 0; i <= static_cast<int>(BootFailure::kMachineStopped); ++i) {
    EXPECT_STRNE(FailureName(static_cast<BootFailure>(i)), "");
    EXPECT_STRNE(FailureRemedy(static_cast<BootFailure>(i)), "");
  }
}

TEST(BootEvidence, ConcludesFromWhatWasSeenWhenTimeIsOver) {
  const std::string up = "Welcome to Debian\n";
  const auto of = [](const ProofGap& gap, absl::string_view console) {
    return std::string(FailureName(ConcludeFailure(gap, console).failure));
  };
  EXPECT_EQ(of({.stopped = true}, up), "MACHINE_STOPPED");
  EXPECT_EQ(of({.ports_wanted = true}, "SeaBIOS\n"), "TIMEOUT") << "nothing started";
  EXPECT_EQ(of({.ports_wanted = true}, up), "NO_NETWORK");
  EXPECT_EQ(of({.alive = true, .ports_wanted = true, .has_address = false}, ""), "NO_NETWORK");
  EXPECT_EQ(of({.alive = true, .ports_wanted = true, .has_address = true}, ""), "SERVICE_FAILED");
  EXPECT_EQ(of({.ports_wanted = true, .port_refused = true}, up), "SERVICE_FAILED");
  EXPECT_EQ(of({.ports_wanted = true, .any_port_answered = true}, up), "SERVICE_FAILED");
  EXPECT_EQ(of({.alive = true, .command_failed = true}, ""), "SERVICE_FAILED");
  EXPECT_EQ(of({}, up), "TIMEOUT") << "a text that was asked for did not come";
  const std::string failed = up + "[FAILED] Failed to start nginx.service - A web server.\n";
  EXPECT_EQ(of({.ports_wanted = true}, failed), "SERVICE_FAILED");
  EXPECT_THAT(ConcludeFailure({.ports_wanted = true}, failed).line, HasSubstr("nginx"));
  const std::string network = up + "[FAILED] Failed to start networking.service - Raise network.\n";
  EXPECT_EQ(of({.ports_wanted = true}, network), "NO_NETWORK");
}

TEST(BootEvidence, SeesTheFirstSignOfLife) {
  EXPECT_EQ(FindSignOfLife("[ 1.2] Run /init as init process\nweb1 login: "),
            "[ 1.2] Run /init as init process");
  EXPECT_EQ(FindSignOfLife("x\nweb1 login: "), "web1 login: ");
  EXPECT_EQ(FindSignOfLife("Loading Linux...\n"), "");
}

TEST(BootEvidence, WhatIsShownIsPrintableAndBounded) {
  EXPECT_EQ(Printable("a\x1b[31mb\n\xff", 100), "a?[31mb??");
  EXPECT_EQ(Printable(std::string(1000, 'x'), 10).size(), 10u);
  const std::string line = "Kernel panic - not syncing: " + std::string(5000, 'y');
  EXPECT_EQ(FindFailure(line, "").line.size(), 300u);
}

}  // namespace
}  // namespace godwit::jobs
