// The network of guests of several families, as their documentation has it.
#include "services/conversion/converter/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

constexpr char kOld[] = "00:50:56:AB:00:01", kNew[] = "52:54:00:10:20:30";

TEST(ReplaceMacTest, InEveryWayOfWriting) {
  EXPECT_EQ(ReplaceMac("HWADDR=00:50:56:AB:00:01\n", kOld, kNew), "HWADDR=52:54:00:10:20:30\n");
  EXPECT_EQ(ReplaceMac("a 00:50:56:ab:00:01, b", kOld, kNew), "a 52:54:00:10:20:30, b");
  EXPECT_EQ(ReplaceMac("m=00-50-56-AB-00-01", kOld, "52:54:00:1a:20:30"), "m=52-54-00-1A-20-30");
  EXPECT_EQ(ReplaceMac("00:50:56:ab:00:01", kOld, kNew), kNew);
}

TEST(ReplaceMacTest, NothingElse) {
  for (const char* text :
       {"00:50:56:ab:00:02", "00:50:56:ab:00:01:02", "ff:00:50:56:ab:00:01", "a00:50:56:ab:00:01",
        "00:50:56:ab:00:01f", "00:50:56-ab:00:01", "00:50:56:ab:00", "005056ab0001", ""}) {
    EXPECT_EQ(ReplaceMac(text, kOld, kNew), text);
  }
  EXPECT_EQ(ReplaceMac("00:50:56:ab:00:01", "", kNew), "00:50:56:ab:00:01");
  EXPECT_EQ(ReplaceMac("00:50:56:ab:00:01", kOld, "none"), "00:50:56:ab:00:01");
}

TEST(DropForeignPinsTest, PinsOfOwnCardsAndOtherRulesStay) {
  const std::string own =
      "SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:10:20:30\", NAME=\"eth0\"\n";
  const std::string foreign =
      "SUBSYSTEM==\"net\", ATTR{address}==\"00:0c:29:00:00:09\", NAME=\"eth1\"\n";
  EXPECT_EQ(DropForeignPins("# made by hand\n" + own + foreign, {kNew}), "# made by hand\n" + own);
  EXPECT_EQ(DropForeignPins("# made by hand\n" + foreign, {kNew}), "");
  EXPECT_EQ(DropForeignPins(foreign + "KERNEL==\"tun\", GROUP=\"vpn\"\n", {kNew}),
            "KERNEL==\"tun\", GROUP=\"vpn\"\n");
}

class NetworkTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(dir_ / path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(dir_ / path, content, 0600));
  }
  std::string Get(const std::string& path) { return ReadFile(dir_ / path).value_or("(none)"); }
  // How many files were changed.
  std::size_t Convert() {
    auto root = GuestRoot::Open(dir_.path());
    EXPECT_OK(root);
    EXPECT_OK(ConvertNetwork(
        *root, {{.mac_address = kNew, .source_mac_address = kOld, .source_name = "eth0"},
                {.mac_address = "52:54:00:10:20:31",
                 .source_mac_address = "00:50:56:ab:00:02",
                 .source_name = "eth1"}}));
    return root->changes().size();
  }
  TempDir dir_;
};

TEST_F(NetworkTest, RedHatWithScripts) {
  const std::string eth0 =
      "DEVICE=eth0\nHWADDR=00:50:56:AB:00:01\nBOOTPROTO=none\nIPADDR=10.1.2.3\nPREFIX=24\n";
  Put("etc/sysconfig/network-scripts/ifcfg-eth0", eth0);
  Put("etc/sysconfig/network-scripts/ifup", "# 00:50:56:AB:00:01\n");
  Put("etc/udev/rules.d/70-persistent-net.rules",
      "# PCI device 0x8086:0x100e (e1000)\n"
      "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"00:50:56:ab:00:01\", "
      "ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n");
  EXPECT_EQ(Convert(), 2u) << "no systemd: no .link files";
  EXPECT_EQ(Get("etc/sysconfig/network-scripts/ifcfg-eth0"),
            "DEVICE=eth0\nHWADDR=52:54:00:10:20:30\nBOOTPROTO=none\nIPADDR=10.1.2.3\nPREFIX=24\n");
  EXPECT_EQ(Get("etc/sysconfig/network-scripts/.ifcfg-eth0.pre-migration"), eth0)
      << "hidden: ifup takes every ifcfg-* for an interface";
  EXPECT_EQ(Get("etc/sysconfig/network-scripts/ifup"), "# 00:50:56:AB:00:01\n");
  EXPECT_THAT(Get("etc/udev/rules.d/70-persistent-net.rules"),
              HasSubstr("ATTR{address}==\"52:54:00:10:20:30\""));
  EXPECT_EQ(Convert(), 0u);
}

TEST_F(NetworkTest, NetworkManagerKeyfile) {
  Put("etc/NetworkManager/system-connections/lan.nmconnection",
      "[connection]\nid=lan\ntype=ethernet\n\n[ethernet]\nmac-address=00:50:56:AB:00:01\n\n[ipv4]\n"
      "address1=10.1.2.3/24,10.1.2.1\nmethod=manual\n");
  Put("usr/lib/systemd/systemd-udevd", "");
  EXPECT_EQ(Convert(), 3u);
  EXPECT_THAT(Get("etc/NetworkManager/system-connections/lan.nmconnection"),
              HasSubstr("mac-address=52:54:00:10:20:30\n"));
  EXPECT_FALSE(std::filesystem::exists(
      dir_ / "etc/NetworkManager/system-connections/lan.nmconnection.pre-migration"));
  EXPECT_THAT(Get("etc/systemd/network/10-godwit-eth1.link"),
              HasSubstr("MACAddress=52:54:00:10:20:31"));
}

TEST_F(NetworkTest, NetplanNetworkdAndIfupdown) {
  Put("etc/netplan/50-cloud-init.yaml",
      "network:\n  ethernets:\n    lan0:\n      match: {macaddress: '00:50:56:ab:00:01'}\n"
      "      set-name: lan0\n      addresses: [10.1.2.3/24]\n");
  Put("etc/systemd/network/10-lan.network", "[Match]\nMACAddress=00:50:56:ab:00:02\n");
  Put("etc/network/interfaces", "iface eth0 inet static\n  hwaddress ether 00:50:56:ab:00:01\n");
  Put("etc/network/interfaces.d/eth1", "iface eth1 inet dhcp\n");
  EXPECT_EQ(Convert(), 3u);
  EXPECT_THAT(Get("etc/netplan/50-cloud-init.yaml"), HasSubstr("'52:54:00:10:20:30'"));
  EXPECT_EQ(Get("etc/systemd/network/10-lan.network"), "[Match]\nMACAddress=52:54:00:10:20:31\n");
  EXPECT_THAT(Get("etc/network/interfaces"), HasSubstr("ether 52:54:00:10:20:30"));
}

TEST_F(NetworkTest, PinsOfCardsThatAreGoneWhereLinkFilesName) {
  const std::string rules =
      "SUBSYSTEM==\"net\", ATTR{address}==\"00:0c:29:00:00:09\", NAME=\"eth7\"\n";
  Put("etc/udev/rules.d/70-persistent-net.rules", rules);
  Put("usr/lib/udev/rules.d/80-net-setup-link.rules", "");
  Convert();
  EXPECT_EQ(Get("etc/udev/rules.d/70-persistent-net.rules"), "(none)");
  EXPECT_EQ(Get("etc/udev/rules.d/70-persistent-net.rules.pre-migration"), rules);
}

TEST_F(NetworkTest, PinsOfCardsThatAreGone) {
  const std::string rules =
      "SUBSYSTEM==\"net\", ATTR{address}==\"00:0c:29:00:00:09\", NAME=\"eth7\"\n";
  Put("etc/udev/rules.d/70-persistent-net.rules", rules);
  Convert();
  EXPECT_EQ(Get("etc/udev/rules.d/70-persistent-net.rules"),
            "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
            "ATTR{address}==\"52:54:00:10:20:30\", ATTR{type}==\"1\", NAME=\"eth0\"\n"
            "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", "
            "ATTR{address}==\"52:54:00:10:20:31\", ATTR{type}==\"1\", NAME=\"eth1\"\n");
  EXPECT_EQ(Get("etc/udev/rules.d/70-persistent-net.rules.pre-migration"), rules);
}

}  // namespace
}  // namespace godwit::convert
