// What the first boot is given to do.
#include "services/conversion/converter/windows/first_boot.h"

#include <gmock/gmock.h>

#include "services/conversion/converter/windows/network.h"
#include "tests/unit/services/conversion/converter/windows/windows_tree.h"

namespace godwit::convert::windows {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kService[] = R"(ControlSet001\Services\GodwitFirstBoot)";

class FirstBoot : public WindowsTree {
 protected:
  void Script(const std::string& name, const std::string& content) {
    ASSERT_OK(WriteFileAtomically(scripts_ / name, content));
  }
  Job OneCard() {
    Job job;
    job.windows.cards = {{.mac_address = "52:54:00:aa:00:01"}};
    return job;
  }
};

TEST_F(FirstBoot, StepsLieReadyInTheirOrder) {
  Make("2k19");
  Script("10-agent.cmd", "echo agent\r\n");
  Script("20-users.ps1", "Write-Output users\r\n");
  Script("settings.json", "{}");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome, OneCard()));
  const std::string runner = Get("Windows/Godwit/firstboot.cmd");
  EXPECT_THAT(runner, HasSubstr("sc.exe delete GodwitFirstBoot"));
  EXPECT_THAT(runner, HasSubstr("del \"%~f0\""));
  EXPECT_THAT(Get("Windows/Godwit/steps/1000-drivers.cmd"), HasSubstr(R"(Drivers\Godwit)"));
  EXPECT_THAT(Get("Windows/Godwit/steps/2000-disks.cmd"), HasSubstr("san policy=OnlineAll"));
  EXPECT_THAT(Get("Windows/Godwit/steps/3000-network.ps1"), HasSubstr("52:54:00:AA:00:01"));
  EXPECT_EQ(Get("Windows/Godwit/steps/5000-10-agent.cmd"), "echo agent\r\n");
  EXPECT_EQ(Get("Windows/Godwit/steps/5000-20-users.ps1"), "Write-Output users\r\n");
  EXPECT_EQ(Get("Windows/Godwit/run/settings.json"), "{}");
  for (const char* script : {"firstboot.cmd", "steps/1000-drivers.cmd", "steps/2000-disks.cmd",
                             "steps/3000-network.ps1"}) {
    const std::string text = Get(std::string("Windows/Godwit/") + script);
    // What such a word stands for may be a digit: the number of a handle.
    EXPECT_THAT(text, Not(HasSubstr("%>"))) << script;
    EXPECT_THAT(text, Not(HasSubstr("%d>"))) << script;
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
      ASSERT_EQ(text[at - 1], '\r') << script << " at " << at;
    }
  }
}

TEST_F(FirstBoot, AHelperOfTheOperatorIsTheService) {
  Make("win10-x64");
  Script("rhsrvany.exe", "MZ");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  const Hive system = OpenHive("SYSTEM");
  EXPECT_EQ(system.GetText(kService, "ImagePath"),
            R"(%SystemRoot%\Godwit\rhsrvany.exe -s GodwitFirstBoot)");
  EXPECT_EQ(system.GetText(std::string(kService) + R"(\Parameters)", "CommandLine"),
            R"(cmd.exe /d /c "%SystemRoot%\Godwit\firstboot.cmd")");
  EXPECT_EQ(Get("Windows/Godwit/rhsrvany.exe"), "MZ");
  EXPECT_EQ(Get("Windows/Godwit/steps/5000-rhsrvany.exe"), "(none)");
}

TEST_F(FirstBoot, ANameThatIsNoPlainNameIsRefused) {
  Make("win10-x64");
  Script("a&b.cmd", "");
  Outcome outcome;
  EXPECT_THAT(Convert(&outcome),
              ::godwit::testing::StatusIs(absl::StatusCode::kInvalidArgument, "a&b.cmd"));
}

TEST_F(FirstBoot, AStaticAddressOfTheSourceMovesToTheNewCard) {
  Make("2k19");
  Outcome outcome;
  ASSERT_OK(Convert(&outcome, OneCard()));
  EXPECT_THAT(Get("Windows/Godwit/steps/3000-network.ps1"),
              HasSubstr("@{ Mac = '52:54:00:AA:00:01'; Address = '192.0.2.10'; Mask = "
                        "'255.255.255.0'; Gateway = '192.0.2.1'; Servers = @('192.0.2.2', "
                        "'192.0.2.3') }"));
}

TEST_F(FirstBoot, AnAddressThatIsAskedForWins) {
  Make("2k19");
  Job job;
  job.windows.cards = {{.mac_address = "52:54:00:aa:00:01",
                        .source_name = "Other",
                        .static_address = "10.0.0.5/23",
                        .gateway = "10.0.0.1"},
                       {.mac_address = "52:54:00:aa:00:02", .source_name = "ethernet0"},
                       {.mac_address = "52:54:00:aa:00:03",
                        .source_name = "By DHCP",
                        .static_address = "fd00::5/64"}};
  Outcome outcome;
  ASSERT_OK(Convert(&outcome, job));
  const std::string script = Get("Windows/Godwit/steps/3000-network.ps1");
  EXPECT_THAT(script, HasSubstr("AA:00:01'; Address = '10.0.0.5'; Mask = '255.255.254.0'; "
                                "Gateway = '10.0.0.1'; Servers = @()"));
  EXPECT_THAT(script, HasSubstr("AA:00:02'; Address = '192.0.2.10'"));
  EXPECT_THAT(script, Not(HasSubstr("AA:00:03")));
  EXPECT_THAT(FindingOf(outcome, "STATIC_ADDRESS"), HasSubstr("fd00::5/64"));
}

TEST_F(FirstBoot, TextOfTheGuestIsNoScript) {
  Make("2k19");
  Hive hive = OpenHive("SYSTEM");
  const std::string key = R"(ControlSet001\Services\Tcpip\Parameters\Interfaces)"
                          R"(\{11111111-2222-4333-8444-555555555555})";
  ASSERT_OK(hive.Set(key, "NameServer", RegSz("1.1.1.1');evil,9.9.9.9")));
  ASSERT_OK(hive.Set(key, "DefaultGateway", RegMultiSz({"'; Remove-Item"})));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, hive.Serialize());
  Put(config_ + "SYSTEM", bytes);
  Outcome outcome;
  ASSERT_OK(Convert(&outcome, OneCard()));
  const std::string script = Get("Windows/Godwit/steps/3000-network.ps1");
  EXPECT_THAT(script, HasSubstr("Gateway = ''; Servers = @('9.9.9.9')"));
  EXPECT_THAT(script, Not(HasSubstr("evil")));
}

TEST(Network, MasksOfLengths) {
  EXPECT_EQ(MaskOfLength("24"), "255.255.255.0");
  EXPECT_EQ(MaskOfLength("32"), "255.255.255.255");
  EXPECT_EQ(MaskOfLength("1"), "128.0.0.0");
  EXPECT_EQ(MaskOfLength("0"), "");
  EXPECT_EQ(MaskOfLength("33"), "");
  EXPECT_EQ(MaskOfLength("x"), "");
}

}  // namespace
}  // namespace godwit::convert::windows
