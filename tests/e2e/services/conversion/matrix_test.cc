// Layout x boot mode x profile: every disk is converted once for each boot mode and booted on each
// profile that QEMU can be, through the launch target; it must serve its page. The table is
// printed.
//
// A part of the matrix runs by default, in which every layout, boot mode and profile is there;
// GODWIT_MATRIX=full runs all of it (half an hour under emulation).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/appliance/appliance.h"
#include "services/conversion/service/profile_files.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "tests/support/process.h"
#include "tests/support/source_machine.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using ::godwit::testing::Process;
using ::godwit::testing::SourceMachine;
using ::godwit::testing::TempDir;

constexpr absl::Duration kPatience = absl::Minutes(6);
constexpr int kWebPort = 80;

struct Cell {
  std::string layout, boot_mode, profile;  // "bios" or "uefi"
  bool always;                             // part of every run
};

// ENA and the buses of Hyper-V have no emulation: ec2-nvme has another card here, hyperv is left
// out (its drivers are asserted by the tests of the converter).
const std::vector<Cell>& Cells() {
  static const auto& cells = *new std::vector<Cell>([] {
    std::vector<Cell> all;
    const std::set<std::vector<std::string>> always = {
        {"ext4", "bios", "vmware-pvscsi"},  {"ext4", "uefi", "kvm-virtio"},
        {"xfs", "bios", "generic-ahci"},    {"gpt-bios", "bios", "ec2-nvme"},
        {"gpt-uefi", "uefi", "ec2-nvme"},   {"gpt-uefi", "uefi", "generic-ahci"},
        {"lvm", "bios", "kvm-virtio-scsi"}, {"luks-lvm", "bios", "generic-ahci"},
        {"md", "bios", "kvm-nvme"},         {"btrfs", "uefi", "kvm-virtio-scsi"}};
    for (const char* layout :
         {"ext4", "xfs", "gpt-bios", "gpt-uefi", "lvm", "luks-lvm", "md", "btrfs"}) {
      for (const char* mode : {"bios", "uefi"}) {
        // Without an area for it GRUB cannot be put where a BIOS looks.
        if (std::string(layout) == "gpt-uefi" && std::string(mode) == "bios") continue;
        for (const char* profile : {"kvm-virtio", "kvm-virtio-scsi", "kvm-nvme", "ec2-nvme",
                                    "vmware-pvscsi", "generic-ahci"}) {
          // The UEFI firmware of Debian's QEMU has no driver for this bus.
          if (std::string(mode) == "uefi" && std::string(profile) == "vmware-pvscsi") continue;
          all.push_back({layout, mode, profile, always.contains({layout, mode, profile})});
        }
      }
    }
    return all;
  }());
  return cells;
}

// What a machine of the layout says of itself (its page /facts).
const std::map<std::string, std::vector<std::string>>& Facts() {
  static const auto& facts = *new std::map<std::string, std::vector<std::string>>{
      {"gpt-bios", {"failed=0"}},
      {"gpt-uefi", {"mount=/boot/efi", "failed=0"}},
      {"lvm",
       {"root=/dev/mapper/vg0-root", "mount=/boot /dev/", "mount=/srv /dev/mapper/vg0-srv",
        "failed=0"}},
      {"luks-lvm",
       {"root=/dev/mapper/vg--crypt-root", "mount=/boot /dev/", "swap=/dev/dm-", "failed=0"}},
      {"md", {"root=/dev/md0", "root=UUID=", "swap=/swapfile", "failed=0"}},
      {"btrfs", {"[/@] btrfs", "mount=/home /dev/", "[/@home]", "failed=0"}}};
  return facts;
}

class MatrixTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(profiles_, LoadProfiles({GODWIT_PROFILES}));
    ASSERT_OK_AND_ASSIGN(target_, jobs::QemuTarget::Open(
                                      {.machines_dir = dir_ / "machines",
                                       .accelerator = {.choice = jobs::AcceleratorChoice::kTcg}}));
  }

  // The disks of a layout, converted for a boot mode; "" and the reason when that failed.
  absl::StatusOr<std::vector<std::string>> Convert(const Cell& cell) {
    ASSIGN_OR_RETURN(const std::vector<std::string> images, SourceMachine::Images(cell.layout));
    pb::ConversionTask task;
    task.set_mode(pb::ConversionTask::APPEND);
    std::vector<std::string> disks;
    const std::string folder = dir_ / absl::StrCat(cell.layout, "-", cell.boot_mode);
    RETURN_IF_ERROR(MakeDirs(folder));
    for (std::size_t i = 0; i < images.size(); ++i) {
      disks.push_back(absl::StrCat(folder, "/disk", i, ".qcow2"));
      ASSIGN_OR_RETURN(Process create,
                       Process::Start({.command = {"/usr/bin/qemu-img", "create", "-q", "-f",
                                                   "qcow2", "-F", "raw", "-b", images[i], disks[i]},
                                       .log = folder + "/create.log"}));
      RETURN_IF_ERROR(create.Wait(absl::Seconds(30)).status());
      auto& disk = *task.add_disks();
      disk.set_device_name(absl::StrCat("/dev/sd", std::string(1, static_cast<char>('a' + i))));
      disk.set_path(disks[i]);
    }
    auto& nic = *task.mutable_target()->add_nics();
    nic.set_mac_address(kMac);
    nic.set_source_mac_address(kMac);
    nic.set_source_name("lan0");
    task.mutable_target()->set_boot_mode(cell.boot_mode == "uefi"
                                             ? jobs::v1::LaunchSettings::UEFI
                                             : jobs::v1::LaunchSettings::LEGACY_BIOS);
    std::string keys;
    if (const auto key = ReadFile(absl::StrReplaceAll(images[0], {{"-0.raw", ".key"}})); key.ok()) {
      keys = folder + "/keys";
      RETURN_IF_ERROR(MakeDirs(keys, 0700));
      RETURN_IF_ERROR(WriteFileAtomically(keys + "/default.key", *key, 0600));
    }
    ASSIGN_OR_RETURN(const auto appliance,
                     Appliance::Open({.folder = GODWIT_APPLIANCE, .disk_keys_folder = keys}));
    const std::atomic<bool> cancel{false};
    const ApplianceResult result =
        appliance.Run(task, dir_.path(), kPatience, cancel, [](const std::string&) {});
    RETURN_IF_ERROR(result.status);
    return disks;
  }

  // Seconds until the page was served.
  absl::StatusOr<double> Boot(const Cell& cell, const std::vector<std::string>& disks) {
    const Profile* profile = profiles_.Find(cell.profile);
    if (profile == nullptr) return absl::NotFoundError("no profile " + cell.profile);
    jobs::MachineSpec spec{.machine_id = NewId("i-"),
                           .epoch = 1,
                           .name = cell.layout,
                           .cpu_count = 2,
                           .memory_bytes = std::int64_t{1024} << 20,
                           .firmware = cell.boot_mode,
                           .disk_bus = profile->disk_bus,
                           .port_forwards = {{.guest_port = kWebPort}},
                           .throw_away = true};
    for (const std::string& disk : disks) spec.disks.push_back({.path = disk});
    spec.nics = {{.mac_address = kMac,
                  .model = profile->nic_model == "ena" ? "e1000e" : profile->nic_model}};
    const absl::Time from = absl::Now();
    RETURN_IF_ERROR(target_->Create(spec));
    absl::StatusOr<jobs::MachineStatus> status = target_->Start(spec.machine_id, 1);
    absl::Status served = status.status();
    if (status.ok()) served = AwaitPage(status->endpoints[kWebPort], from + kPatience);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - from);
    if (served.ok()) served = CheckFacts(cell.layout, status->endpoints[kWebPort]);
    if (!served.ok()) {
      const auto console = target_->ReadConsole(spec.machine_id, -4000);
      if (console.ok()) std::printf("%s\n", console->content.c_str());
    }
    RETURN_IF_ERROR(target_->Destroy(spec.machine_id));
    RETURN_IF_ERROR(served);
    return seconds;
  }

  absl::StatusOr<std::string> Get(const std::string& url) {
    ASSIGN_OR_RETURN(Process fetch,
                     Process::Start({.command = {"/usr/bin/curl", "-fs", "-m", "10", "-o",
                                                 dir_ / "page", "http://" + url},
                                     .log = dir_ / "curl.log"}));
    ASSIGN_OR_RETURN(const int code, fetch.Wait(absl::Seconds(30)));
    if (code != 0) return absl::UnavailableError(absl::StrCat("curl ended with ", code));
    return ReadFile(dir_ / "page");
  }

  absl::Status AwaitPage(const std::string& endpoint, absl::Time until) {
    while (absl::Now() < until) {
      if (Get(endpoint + "/").ok()) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(500));
    }
    return absl::DeadlineExceededError("its page was not served");
  }

  absl::Status CheckFacts(const std::string& layout, const std::string& endpoint) {
    const auto expected = Facts().find(layout);
    if (expected == Facts().end()) return absl::OkStatus();
    // The machine writes them when it has started whole.
    absl::StatusOr<std::string> facts = Get(endpoint + "/facts");
    for (int i = 0; i < 120 && (!facts.ok() || !absl::StrContains(*facts, "failed=")); ++i) {
      absl::SleepFor(absl::Milliseconds(500));
      facts = Get(endpoint + "/facts");
    }
    RETURN_IF_ERROR(facts.status());
    for (const std::string& fact : expected->second) {
      if (!absl::StrContains(*facts, fact))
        return absl::FailedPreconditionError(absl::StrCat("not \"", fact, "\" but ", *facts));
    }
    return absl::OkStatus();
  }

  static constexpr char kMac[] = "52:54:00:aa:00:01";
  TempDir dir_;
  Profiles profiles_;
  std::unique_ptr<jobs::QemuTarget> target_;
};

TEST_F(MatrixTest, EveryCellBootsAndServesItsPage) {
  const char* wanted = std::getenv("GODWIT_MATRIX");
  const bool full = wanted != nullptr && std::string(wanted) == "full";
  std::map<std::string, absl::StatusOr<std::vector<std::string>>> converted;
  std::string table =
      absl::StrFormat("%-10s %-5s %-16s %s\n", "layout", "boot", "profile", "result");
  for (const Cell& cell : Cells()) {
    if (!cell.always && !full) continue;
    const std::string key = absl::StrCat(cell.layout, "/", cell.boot_mode);
    if (!converted.contains(key)) converted.emplace(key, Convert(cell));
    const auto& disks = converted.at(key);
    absl::StatusOr<double> seconds =
        disks.ok() ? Boot(cell, *disks) : absl::StatusOr<double>(disks.status());
    EXPECT_TRUE(seconds.ok()) << key << " on " << cell.profile << ": " << seconds.status();
    const std::string line =
        absl::StrFormat("%-10s %-5s %-16s %s\n", cell.layout, cell.boot_mode, cell.profile,
                        seconds.ok() ? absl::StrFormat("serves its page after %.0f s", *seconds)
                                     : std::string(seconds.status().message()));
    std::printf("%s", line.c_str());
    std::fflush(stdout);
    table += line;
  }
  std::printf("\n%s", table.c_str());
}

}  // namespace
}  // namespace godwit::conversion
