// Layout x boot mode x profile: every disk is converted once for each boot mode and booted on each
// profile that QEMU can be, through the launch target; it must serve its page. The table is
// printed.
//
// A part of the matrix runs by default, in which every layout, boot mode and profile is there;
// GODWIT_MATRIX=full runs all of it, GODWIT_MATRIX=md/uefi,xfs the cells whose names begin so.
// GODWIT_MATRIX_KEEP=FOLDER keeps console and network recording of machines that failed there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/appliance/appliance.h"
#include "services/conversion/service/profile_files.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "tests/e2e/services/conversion/matrix_cells.h"
#include "tests/support/process.h"
#include "tests/support/report.h"
#include "tests/support/source_machine.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using ::godwit::testing::Process;
using ::godwit::testing::SourceMachine;
using ::godwit::testing::TempDir;

constexpr absl::Duration kPatience = absl::Minutes(10);
constexpr int kWebPort = 80;
constexpr int kAtATime = 2;  // machines; ctest counts them as processors

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
        appliance.Run(task, folder, kPatience, cancel, [](const std::string&) {});
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
                           .cpu_count = 1,  // a second one costs a fifth more processor time
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
    const std::string page = dir_ / (spec.machine_id + ".page");
    if (status.ok()) served = AwaitPage(status->endpoints[kWebPort], page, from + kPatience);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - from);
    if (served.ok()) served = CheckFacts(cell.layout, status->endpoints[kWebPort], page);
    if (!served.ok()) {
      const auto console = target_->ReadConsole(spec.machine_id, -4000);
      if (console.ok()) std::printf("%s\n", console->content.c_str());
      KeepRecords(cell, spec.machine_id);
    }
    RETURN_IF_ERROR(target_->Destroy(spec.machine_id));
    RETURN_IF_ERROR(served);
    return seconds;
  }

  // What QEMU wrote beside the disks.
  void KeepRecords(const Cell& cell, const std::string& machine_id) {
    namespace fs = std::filesystem;
    const char* keep = std::getenv("GODWIT_MATRIX_KEEP");
    if (keep == nullptr) return;
    const fs::path to = fs::path(keep) / absl::StrReplaceAll(cell.Name(), {{"/", "-"}});
    std::error_code error;
    fs::create_directories(to, error);
    for (const auto& file : fs::directory_iterator(dir_ / ("machines/" + machine_id), error)) {
      if (file.is_regular_file() && file.path().extension() != ".qcow2")
        fs::copy(file.path(), to, fs::copy_options::overwrite_existing, error);
    }
  }

  // By way of the file `page`.
  absl::StatusOr<std::string> Get(const std::string& url, const std::string& page) {
    ASSIGN_OR_RETURN(Process fetch, Process::Start({.command = {"/usr/bin/curl", "-fs", "-m", "10",
                                                                "-o", page, "http://" + url},
                                                    .log = page + ".log"}));
    ASSIGN_OR_RETURN(const int code, fetch.Wait(absl::Seconds(30)));
    if (code != 0) return absl::UnavailableError(absl::StrCat("curl ended with ", code));
    return ReadFile(page);
  }

  absl::Status AwaitPage(const std::string& endpoint, const std::string& page, absl::Time until) {
    while (absl::Now() < until) {
      if (Get(endpoint + "/", page).ok()) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(500));
    }
    return absl::DeadlineExceededError("its page was not served");
  }

  absl::Status CheckFacts(const std::string& layout, const std::string& endpoint,
                          const std::string& page) {
    const auto expected = Facts().find(layout);
    if (expected == Facts().end()) return absl::OkStatus();
    // The machine writes them when it has started whole.
    absl::StatusOr<std::string> facts = Get(endpoint + "/facts", page);
    for (int i = 0; i < 120 && (!facts.ok() || !absl::StrContains(*facts, "failed=")); ++i) {
      absl::SleepFor(absl::Milliseconds(500));
      facts = Get(endpoint + "/facts", page);
    }
    RETURN_IF_ERROR(facts.status());
    for (const std::string& fact : expected->second) {
      if (!absl::StrContains(*facts, fact))
        return absl::FailedPreconditionError(absl::StrCat("not \"", fact, "\" but ", *facts));
    }
    return absl::OkStatus();
  }

  static std::string Row(const std::string& layout, const std::string& boot,
                         const std::string& profile, const std::string& result) {
    return absl::StrFormat("%-10s %-5s %-16s %s\n", layout, boot, profile, result);
  }

  static constexpr char kMac[] = "52:54:00:aa:00:01";
  TempDir dir_;
  Profiles profiles_;
  std::unique_ptr<jobs::QemuTarget> target_;
};

TEST_F(MatrixTest, EveryCellBootsAndServesItsPage) {
  const char* wanted = std::getenv("GODWIT_MATRIX");
  const std::vector<std::vector<Cell>> groups = Groups(wanted == nullptr ? "" : wanted);
  ASSERT_FALSE(groups.empty()) << "no cell begins with " << wanted;
  std::vector<std::string> rows(groups.size());
  // From both ends: what the cache does not have of the two kinds of machine is built side by side.
  std::atomic<std::size_t> taken{0}, front{0}, back{groups.size()};
  const auto work = [&](bool from_front) {
    while (taken++ < groups.size()) {
      const std::size_t i = from_front ? front++ : --back;
      const absl::Time from = absl::Now();
      const auto disks = Convert(groups[i][0]);
      const double converted = absl::ToDoubleSeconds(absl::Now() - from);
      for (const Cell& cell : groups[i]) {
        const absl::StatusOr<double> seconds =
            disks.ok() ? Boot(cell, *disks) : absl::StatusOr<double>(disks.status());
        EXPECT_TRUE(seconds.ok()) << cell.Name() << ": " << seconds.status();
        const std::string row =
            Row(cell.layout, cell.boot_mode, cell.profile,
                seconds.ok() ? absl::StrFormat("converted in %.0f s, serves its page after %.0f s",
                                               converted, *seconds)
                             : std::string(seconds.status().message()));
        std::printf("%s", row.c_str());
        std::fflush(stdout);
        rows[i] += row;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kAtATime; ++i) threads.emplace_back(work, i == 0);
  }
  testing::Report(
      absl::StrCat("\n", Row("layout", "boot", "profile", "result"), absl::StrJoin(rows, "")));
}

}  // namespace
}  // namespace godwit::conversion
