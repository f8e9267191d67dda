// Windows guests of every version: exactly these keys and files.
#include <gmock/gmock.h>

#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/services/conversion/converter/windows/windows_tree.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::PhonyWindows;
using ::godwit::testing::PhonyWindowsGuests;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSet[] = R"(ControlSet001\)";
constexpr char kScsi[] = "{4D36E97B-E325-11CE-BFC1-08002BE10318}";

class EveryWindows : public WindowsTree, public ::testing::WithParamInterface<PhonyWindows> {};

TEST_P(EveryWindows, GetsTheDriversOfItsVersion) {
  const PhonyWindows& windows = GetParam();
  Make(windows.name);
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  const Hive system = OpenHive("SYSTEM");
  const bool old = windows.build < 9200;
  for (const std::string service : {"viostor", "vioscsi"}) {
    const std::string key = absl::StrCat(kSet, "Services\\", service);
    EXPECT_EQ(system.GetDword(key, "Type"), 1u);
    EXPECT_EQ(system.GetDword(key, "Start"), 0u);
    EXPECT_EQ(system.GetDword(key, "ErrorControl"), 1u);
    EXPECT_EQ(system.GetText(key, "Group"), "SCSI miniport");
    EXPECT_EQ(system.Get(key, "ImagePath"),
              RegExpandSz(absl::StrCat("system32\\drivers\\", service, ".sys")));
    EXPECT_EQ(system.GetDword(key + R"(\Parameters\PnpInterface)", "5"), 1u);
  }
  const std::string id = R"(VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00)";
  const std::string critical = absl::StrCat(kSet, R"(Control\CriticalDeviceDatabase\PCI#)");
  for (const std::string device : {id.c_str(), "VEN_1AF4&DEV_1001&REV_00", "VEN_1AF4&DEV_1042"}) {
    EXPECT_EQ(system.GetText(critical + device, "Service"), old ? "viostor" : "") << device;
    EXPECT_EQ(system.GetText(critical + device, "ClassGUID"), old ? kScsi : "");
    const auto bound =
        system.Get(R"(DriverDatabase\DeviceIds\PCI\)" + device, "godwit_viostor.inf");
    EXPECT_EQ(bound.has_value(), !old);
    EXPECT_EQ(bound.value_or(RegValue{}).data, old ? "" : std::string("\x01\xff\x00\x00", 4));
  }
  EXPECT_EQ(system.GetDword(absl::StrCat(kSet, "Services\\", old ? "msahci" : "storahci"), "Start"),
            0u);
  // The tree: the right binary in both places.
  const std::string root = windows.build == 14393 ? "WINDOWS" : "Windows";
  const std::string words = absl::StrCat(" ", windows.architecture);
  const std::string driver =
      Get(root + (windows.build == 14393 ? "/system32" : "/System32") + "/drivers/viostor.sys");
  EXPECT_THAT(driver, HasSubstr("viostor for "));
  EXPECT_THAT(driver, HasSubstr(words));
  EXPECT_EQ(Get(root + "/Drivers/Godwit/viostor/viostor.sys"), driver);
  EXPECT_THAT(Get(root + "/Drivers/Godwit/netkvm/netkvm.sys"), HasSubstr("netkvm for "));
  EXPECT_THAT(Get(root + "/Drivers/Godwit/vioscsi/vioscsi.cat"), "signature");
  EXPECT_EQ(Get(root + "/Drivers/Godwit/viostor/viostor.pdb"), "(none)");
  EXPECT_EQ(outcome.inspection.windows->build, windows.build);
  EXPECT_EQ(outcome.inspection.architecture,
            std::string(windows.architecture) == "x86" ? "i386" : "x86_64");
  EXPECT_EQ(outcome.inspection.full_string,
            std::string(windows.name) == "win11-x64" ? "Windows 11 Pro" : windows.product_name);
}

TEST_P(EveryWindows, ASecondConversionChangesNothing) {
  Make(GetParam().name);
  Outcome first, second;
  ASSERT_OK(Convert(&first));
  const std::string system = Get(config_ + "SYSTEM"), software = Get(config_ + "SOFTWARE");
  ASSERT_OK(Convert(&second));
  EXPECT_EQ(second.changes.size(), 0u);
  EXPECT_TRUE(system == Get(config_ + "SYSTEM"));
  EXPECT_TRUE(software == Get(config_ + "SOFTWARE"));
}

INSTANTIATE_TEST_SUITE_P(Guests, EveryWindows, ::testing::ValuesIn(PhonyWindowsGuests()),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// Every edit of the registry of one server, in the order in which it was made: the reference.
TEST_F(WindowsTree, TheRegistryOfAServer2019IsEditedLikeThis) {
  Make("2k19");
  std::filesystem::remove_all(drivers_ / "vioscsi");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  std::vector<std::string> edits;
  for (const Change& change : outcome.changes) {
    if (!change.registry || change.registry->made_key) continue;
    const RegistryEdit& edit = *change.registry;
    edits.push_back(absl::StrCat(
        edit.key, " | ", edit.value, " = ",
        edit.after ? absl::StrCat(edit.after->type, ":", absl::BytesToHexString(edit.after->data))
                   : "none"));
  }
  const auto text = [](int type, const std::string& value, int zeros = 1) {
    std::string bytes = RegSz(value).data;
    for (int i = 1; i < zeros; ++i) bytes += std::string(2, '\0');
    return absl::StrCat(type, ":", absl::BytesToHexString(bytes));
  };
  const std::string viostor = R"(ControlSet001\Services\viostor)";
  const std::string first = R"(ControlSet001\Services\GodwitFirstBoot)";
  const std::string package =
      R"(DriverDatabase\DriverPackages\godwit_viostor.inf_amd64_0000000000000000)";
  std::vector<std::string> expected = {
      R"(Microsoft\Windows\CurrentVersion | DevicePath = )" +
          text(2, R"(%SystemRoot%\inf;%SystemRoot%\Drivers\Godwit\netkvm)"),
      R"(Microsoft\Windows\CurrentVersion | DevicePath = )" +
          text(2, R"(%SystemRoot%\inf;%SystemRoot%\Drivers\Godwit\netkvm;)"
                  R"(%SystemRoot%\Drivers\Godwit\viostor)"),
      R"(ControlSet001\Services\VMMemCtl | Start = 4:04000000)",
      R"(ControlSet001\Services\VMTools | Start = 4:04000000)",
      R"(ControlSet001\Services\vsepflt | Start = 4:04000000)",
      R"(ControlSet001\Control\Class\{4D36E967-E325-11CE-BFC1-08002BE10318} | UpperFilters = )" +
          text(7, "partmgr", 2),
      R"(ControlSet001\Control\CrashControl | AutoReboot = 4:00000000)",
      R"(ControlSet001\Services\storahci | Start = 4:00000000)",
      R"(ControlSet001\Services\storahci\StartOverride | 0 = 4:00000000)",
      R"(ControlSet001\Services\stornvme | Start = 4:00000000)",
      R"(ControlSet001\Services\vmbus | Start = 4:00000000)",
      R"(ControlSet001\Services\storvsc | Start = 4:00000000)",
      viostor + " | Type = 4:01000000",
      viostor + " | Start = 4:00000000",
      viostor + " | ErrorControl = 4:01000000",
      viostor + " | Group = " + text(1, "SCSI miniport"),
      viostor + " | ImagePath = " + text(2, R"(system32\drivers\viostor.sys)"),
      viostor + R"(\Parameters\PnpInterface | 5 = 4:01000000)",
      R"(DriverDatabase\DriverInfFiles\godwit_viostor.inf |  = )" +
          text(7, "godwit_viostor.inf_amd64_0000000000000000", 2),
      R"(DriverDatabase\DriverInfFiles\godwit_viostor.inf | Active = )" +
          text(1, "godwit_viostor.inf_amd64_0000000000000000"),
      R"(DriverDatabase\DriverInfFiles\godwit_viostor.inf | Configurations = )" +
          text(7, "godwit_viostor_conf", 2),
      package + " | Version = 3:00ff090000000000" +  // then the class of SCSI adapters
          "7be9364d25e3ce11bfc108002be10318" + std::string(48, '0'),
      package + R"(\Configurations\godwit_viostor_conf | ConfigFlags = 4:00000000)",
      package + R"(\Configurations\godwit_viostor_conf | Service = )" + text(1, "viostor"),
  };
  for (const std::string id : {R"(PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00)",
                               R"(PCI\VEN_1AF4&DEV_1001&REV_00)", R"(PCI\VEN_1AF4&DEV_1042)"}) {
    expected.push_back(R"(DriverDatabase\DeviceIds\)" + id + " | godwit_viostor.inf = 3:01ff0000");
    expected.push_back(package + R"(\Descriptors\)" + id +
                       " | Configuration = " + text(1, "godwit_viostor_conf"));
  }
  for (const std::string& line :
       {first + " | Type = 4:10000000", first + " | Start = 4:02000000",
        first + " | ErrorControl = 4:00000000",
        first + " | DisplayName = " + text(1, "First boot after a migration"),
        first + " | ObjectName = " + text(1, "LocalSystem"),
        first + " | ImagePath = " +
            text(2, R"(%SystemRoot%\System32\cmd.exe /d /c start "firstboot" /b cmd.exe /d /c )"
                    R"("%SystemRoot%\Godwit\firstboot.cmd")")}) {
    expected.push_back(line);
  }
  EXPECT_THAT(edits, ::testing::UnorderedElementsAreArray(expected));
}

TEST_F(WindowsTree, EveryEditCanBeTakenBack) {
  Make("2k22");
  const std::string before = Get(config_ + "SYSTEM");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  EXPECT_EQ(Get(config_ + "SYSTEM.pre-migration"), before);
  std::vector<RegistryEdit> edits;
  for (const Change& change : outcome.changes) {
    if (change.registry && absl::EndsWith(change.path, "/SYSTEM"))
      edits.push_back(*change.registry);
  }
  ASSERT_GT(edits.size(), 40u);
  Hive hive = OpenHive("SYSTEM");
  ASSERT_OK(hive.Undo(edits));
  // Key by key what it was.
  ASSERT_OK_AND_ASSIGN(const Hive source, Hive::Open("SYSTEM", before));
  const std::function<void(const std::string&, int)> compare = [&](const std::string& key,
                                                                   int depth) {
    ASSERT_LT(depth, 20);
    EXPECT_THAT(hive.Values(key), ::testing::UnorderedElementsAreArray(source.Values(key))) << key;
    const std::vector<std::string> children = source.Children(key);
    EXPECT_THAT(hive.Children(key), ::testing::UnorderedElementsAreArray(children)) << key;
    for (const std::string& child : children) compare(absl::StrCat(key, "\\", child), depth + 1);
  };
  compare("", 0);
}

TEST_F(WindowsTree, WhatDriveLettersStandOnIsNeverTouched) {
  Make("win10-x64");
  const std::vector<std::pair<std::string, RegValue>> before =
      OpenHive("SYSTEM").Values("MountedDevices");
  ASSERT_EQ(before.size(), 1u);
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  EXPECT_EQ(OpenHive("SYSTEM").Values("MountedDevices"), before);
  for (const Change& change : outcome.changes) {
    EXPECT_THAT(change.registry.value_or(RegistryEdit{}).key, Not(HasSubstr("MountedDevices")));
  }
}

TEST_F(WindowsTree, TwoConversionsOfOneSourceAreTheSame) {
  Make("win11-x64");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  const std::string system = Get(config_ + "SYSTEM"), software = Get(config_ + "SOFTWARE");
  std::filesystem::remove_all(guest_ / "Windows");
  Make("win11-x64");
  Outcome again;
  ASSERT_OK(Convert(&again));
  EXPECT_TRUE(Get(config_ + "SYSTEM") == system);
  EXPECT_TRUE(Get(config_ + "SOFTWARE") == software);
}

TEST_F(WindowsTree, APlanChangesNothing) {
  Make("2k19");
  const std::string system = Get(config_ + "SYSTEM");
  Outcome plan, made;
  Job job;
  job.dry_run = true;
  ASSERT_OK(Convert(&plan, job));
  EXPECT_TRUE(Get(config_ + "SYSTEM") == system);
  EXPECT_EQ(Get("Windows/System32/drivers/viostor.sys"), "(none)");
  EXPECT_EQ(Get("Windows/Godwit/firstboot.cmd"), "(none)");
  ASSERT_OK(Convert(&made));
  EXPECT_EQ(plan.changes.size() + 2, made.changes.size()) << "all but the files of the two hives";
}

TEST_F(WindowsTree, TheInspectionSaysWhatIsThere) {
  Make("2k22");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  const WindowsInspection& windows = *outcome.inspection.windows;
  EXPECT_EQ(windows.edition, "ServerStandard");
  EXPECT_EQ(windows.installation_type, "Server Core");
  EXPECT_TRUE(windows.is_server);
  EXPECT_EQ(windows.control_set, "ControlSet001");
  EXPECT_EQ(windows.computer_name, "SOURCE-WIN");
  EXPECT_EQ(windows.boot_mode, "BIOS");
  EXPECT_EQ(windows.activation, "volume");
  EXPECT_THAT(windows.hypervisor_tools,
              ElementsAre("VMware Tools", "vmware service VMMemCtl", "vmware service VMTools",
                          "vmware service vsepflt"));
  EXPECT_THAT(windows.paravirtual_drivers, ElementsAre("storvsc"));
  EXPECT_THAT(windows.page_files, ElementsAre(R"(C:\pagefile.sys 0 0)"));
  EXPECT_THAT(FindingOf(outcome, "ACTIVATION"), HasSubstr("volume"));
  EXPECT_THAT(FindingOf(outcome, "HYPERVISOR_TOOLS"), HasSubstr("VMware Tools"));
}

TEST_F(WindowsTree, OnItsOwnHypervisorTheToolsStay) {
  Make("2k19");
  Job job;
  job.windows.disk_bus = "pvscsi";
  job.windows.nic_model = "vmxnet3";
  Outcome refused;
  EXPECT_THAT(Convert(&refused, job),
              ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition, "pvscsi"));
  job.windows.disk_bus = "ahci";
  job.windows.nic_model = "e1000e";
  Outcome outcome;
  ASSERT_OK(Convert(&outcome, job));
  EXPECT_EQ(OpenHive("SYSTEM").GetDword(R"(ControlSet001\Services\VMTools)", "Start"), 4u);
  Make("2k19");
  std::string inf = ::godwit::testing::PhonyInf("viostor", "NTamd64.10.0", "1.0");
  for (std::size_t at; (at = inf.find("viostor")) != std::string::npos;)
    inf.replace(at, 7, "pvscsi");
  ASSERT_OK(MakeDirs(drivers_ / "pvscsi"));
  ASSERT_OK(WriteFileAtomically(drivers_ / "pvscsi/pvscsi.inf", inf));
  ASSERT_OK(WriteFileAtomically(drivers_ / "pvscsi/pvscsi.sys", "pvscsi"));
  job.windows.disk_bus = "pvscsi";
  job.windows.nic_model = "vmxnet3";
  job.hypervisor = "vmware";
  Outcome home;
  ASSERT_OK(Convert(&home, job));
  EXPECT_EQ(OpenHive("SYSTEM").GetDword(R"(ControlSet001\Services\VMTools)", "Start"), 2u);
  EXPECT_EQ(OpenHive("SYSTEM").GetDword(R"(ControlSet001\Services\pvscsi)", "Start"), 0u);
}

TEST_F(WindowsTree, BothControlSetsThatMayBootAreEdited) {
  Make("2k19");
  Hive hive = OpenHive("SYSTEM");
  ASSERT_OK(hive.Set("Select", "Default", RegDword(2)));
  ASSERT_OK(hive.Set(R"(ControlSet002\Services\storahci)", "Start", RegDword(3)));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, hive.Serialize());
  Put(config_ + "SYSTEM", bytes);
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  for (const std::string set : {"ControlSet001", "ControlSet002"}) {
    EXPECT_EQ(OpenHive("SYSTEM").GetDword(set + R"(\Services\viostor)", "Start"), 0u) << set;
    EXPECT_EQ(OpenHive("SYSTEM").GetDword(set + R"(\Services\storahci)", "Start"), 0u) << set;
  }
}

}  // namespace
}  // namespace godwit::convert::windows
