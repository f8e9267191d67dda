// Every reason of a failed boot proof, from a machine that really boots (or does not) and a disk
// with one thing broken; a whole one beside them proves its boot. All are launched at once, by one
// service. The table is printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "tests/e2e/services/jobs/boot_fixture.h"
#include "tests/support/report.h"

namespace godwit::testing {
namespace {

using jobs::v1::CreateJobRequest;
using jobs::v1::Job;
using jobs::v1::LaunchSettings;
using ::testing::HasSubstr;

// For what the console or the screen shows: it ends the proof as soon as it is there.
constexpr absl::Duration kLong = absl::Minutes(8);
// What is concluded when the time is over needs a guest that is up by then: in so many times of
// what the whole small guest took alone. Three others run beside it.
constexpr int kSmallPaces = 5, kDebianPaces = 10;

struct Case {
  std::string image;
  std::string reason;    // "": the boot is proven
  std::string evidence;  // in the message
  std::function<absl::Status(const std::string& path)> make;
  int paces = 0;  // 0: kLong
  bool debian = false;
  void (*wants)(LaunchSettings& settings) = [](LaunchSettings& settings) {
    settings.mutable_boot_proof()->add_http_checks()->set_guest_port(kWebPort);
  };
};

void WantsText(LaunchSettings& settings) {
  settings.mutable_boot_proof()->set_console_text("never said");
}
std::function<absl::Status(const std::string&)> Small(const SmallGuest& guest) {
  return [guest](const std::string& path) { return MakeSmallGuest(guest, path); };
}
std::function<absl::Status(const std::string&)> Debian(
    const std::string& root, const std::map<std::string, std::string>& files) {
  return [root, files](const std::string& path) { return MakeMiniDebian(root, files, path); };
}

// Those that take longest first.
std::vector<Case> Cases() {
  const std::string root = absl::StrCat("root=", kMiniRoot);
  const std::string no_disk = "UUID=6d696e69-0000-4000-8000-0000000000ff";
  return {
      {"Debian, its page's unit exits with 1", "SERVICE_FAILED", "Failed to start mini-web",
       Debian(root, {{"/etc/systemd/system/mini-web.service",
                      "[Unit]\nDescription=The page of this "
                      "machine\nDefaultDependencies=no\n[Service]\nType=oneshot\n"
                      "ExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"}}),
       kDebianPaces, true},
      {"Debian, fstab names a disk that is not there", "EMERGENCY_SHELL_FSTAB", "emergency mode",
       Debian(root,
              {{"/etc/fstab", absl::StrCat(kMiniRoot, " / ext4 errors=remount-ro 0 1\n", no_disk,
                                           " /data ext4 x-systemd.device-timeout=3s 0 2\n")}}),
       0, true},
      {"Debian, root= names a disk that is not there", "INITRAMFS_SHELL", "Dropping to a shell!",
       Debian(absl::StrCat("rootdelay=3 root=", no_disk), {}), 0, true},
      {"a network configuration for another interface", "NO_NETWORK", "no port answers",
       Small({.does = "network:eth7,page"}), kSmallPaces},
      {"nobody listens on the port", "SERVICE_FAILED", "closed at once",
       Small({.does = "network:eth0"}), kSmallPaces},
      {"init says and does nothing", "TIMEOUT", "no proof within", Small({.does = "silent"}),
       kSmallPaces, false, WantsText},
      {"a kernel without initramfs", "KERNEL_PANIC_NO_ROOT", "Unable to mount root fs",
       Small({.arguments = "console=ttyS0 root=/dev/vda1", .initrd = false})},
      {"the same, without a serial console", "KERNEL_PANIC_NO_ROOT", "Unable to mount root fs",
       Small({.arguments = "root=/dev/vda1", .initrd = false})},
      {"init exits", "KERNEL_PANIC", "Attempted to kill init", Small({.does = "end:exit"})},
      {"no grub.cfg", "BOOT_LOADER_PROMPT", "Minimal BASH-like", Small({.menu = false})},
      {"an empty disk", "NO_BOOTABLE_DEVICE", "No bootable device",
       [](const std::string& path) { return MakeTinyOsDisk(path, "", TinyOsEnd::kNoBoot); }},
      {"init powers off", "MACHINE_STOPPED", "stopped by itself", Small({.does = "end:poweroff"})},
  };
}

class BootFailuresTest : public BootFixture {
 protected:
  // Name of the job; "" and a failure when there is none.
  std::string Launch(const Case& what, absl::Duration timeout) {
    const std::string disk = dir_ / absl::StrCat(NewId("d-"), ".qcow2");
    const absl::Status made = what.make(disk);
    EXPECT_OK(made);
    CreateJobRequest request = LaunchDisk(NewId("s-"), disk, what.debian ? 512 : 256, timeout);
    if (what.debian) SettingsOf(request)->set_disk_bus("ahci");
    what.wants(*SettingsOf(request));
    const auto created = Create(request);
    EXPECT_OK(created);
    return created.ok() ? created->name() : "";
  }
  // Adds the job's line to the table.
  Job End(const Case& what, const std::string& name) {
    const Job job = AwaitEnd(name, kBootPatience);
    if (job.servers().empty()) return job;
    const std::string reason = ReasonOf(job);
    absl::StrAppendFormat(&table_, "%-48s %8.1f  %s\n", what.image, SecondsOf(job),
                          reason.empty() ? "(proven)" : reason);
    EXPECT_EQ(reason, what.reason) << what.image << job.DebugString();
    EXPECT_THAT(job.servers(0).error().message(), HasSubstr(what.evidence)) << what.image;
    return job;
  }
  std::string table_ = absl::StrFormat("%-48s %8s  %s\n", "image", "seconds", "reason named");
};

TEST_F(BootFailuresTest, EveryReasonIsNamedFromARealMachine) {
  more_flags_ = {"--runner-count=4"};
  Process process = StartJobs();
  Connect(process);
  const Case whole{"whole", "", "", Small({.does = "network:eth0,page"})};
  const Job proven = End(whole, Launch(whole, kLong));
  ASSERT_EQ(proven.state(), Job::SUCCEEDED) << process.Log();
  const absl::Duration pace = absl::Seconds(SecondsOf(proven));

  const std::vector<Case> cases = Cases();
  std::vector<std::string> names;
  for (const Case& what : cases)
    names.push_back(Launch(what, what.paces == 0 ? kLong : what.paces * pace));
  for (std::size_t i = 0; i < cases.size(); ++i)
    EXPECT_EQ(End(cases[i], names[i]).state(), Job::FAILED) << cases[i].image;
  Report(table_);
}

}  // namespace
}  // namespace godwit::testing
