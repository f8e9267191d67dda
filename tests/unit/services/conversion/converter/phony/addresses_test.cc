// New addresses on whole guests: the launch asks, the family's own configuration says it, and a
// second time changes nothing.
#include "services/conversion/converter/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "services/common/base/file.h"
#include "tests/support/phony/phony_guest.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using namespace ::godwit::testing;

struct Row {
  std::string family, card, file, line;
  std::size_t changes;
};

class AddressesTest : public ::testing::TestWithParam<Row> {};

TEST_P(AddressesTest, AStaticAddressThenDhcp) {
  const Row& row = GetParam();
  const TempDir dir;
  PhonyGuest guest(dir.path());
  PhonyFamilies().at(row.family)(guest);
  Nic nic{.mac_address = kPhonyTargetMac,
          .source_mac_address = kPhonySourceMac,
          .source_name = row.card,
          .static_address = "192.168.7.9/26",
          .gateway = "192.168.7.1"};
  const auto convert = [&](std::size_t changes) {
    auto root = GuestRoot::Open(dir.path());
    ASSERT_OK(root);
    ASSERT_OK(ConvertNetwork(*root, {nic}));
    const std::size_t before = root->changes().size();
    std::vector<std::string> kinds;
    Findings findings;
    ASSERT_OK(ConvertAddresses(*root, {nic}, &kinds, &findings));
    EXPECT_TRUE(findings.empty());
    EXPECT_FALSE(kinds.empty());
    EXPECT_EQ(root->changes().size() - before, changes);
  };
  convert(row.changes);
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(dir / row.file));
  EXPECT_THAT(text, ::testing::HasSubstr(row.line));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("10.1.2.3")));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("10.1.2.1")));
  convert(0);
  nic.static_address = nic.gateway = "";
  nic.reset_to_dhcp = true;
  convert(row.changes);
  ASSERT_OK_AND_ASSIGN(const std::string later, ReadFile(dir / row.file));
  EXPECT_THAT(later, ::testing::Not(::testing::HasSubstr("192.168.7")));
  convert(0);
}

INSTANTIATE_TEST_SUITE_P(
    Families, AddressesTest,
    ::testing::Values(
        Row{"centos6", "eth0", "etc/sysconfig/network-scripts/ifcfg-eth0",
            "IPADDR=192.168.7.9\nPREFIX=26\nGATEWAY=192.168.7.1\n", 1},
        Row{"centos7", "ens192", "etc/sysconfig/network-scripts/ifcfg-ens192",
            "BOOTPROTO=none\nIPADDR=192.168.7.9\nPREFIX=26\n", 1},
        Row{"rocky9", "ens192", "etc/NetworkManager/system-connections/ens192.nmconnection",
            "address1=192.168.7.9/26,192.168.7.1\n", 1},
        Row{"sles15", "eth0", "etc/sysconfig/network/ifcfg-eth0", "IPADDR='192.168.7.9/26'\n", 2},
        Row{"debian09", "eth0", "etc/network/interfaces",
            "address 192.168.7.9\n    netmask 255.255.255.192\n", 1},
        Row{"debian10", "ens192", "etc/network/interfaces.d/ens192", "gateway 192.168.7.1\n", 1},
        Row{"ubuntu1804", "ens192", "etc/netplan/50-cloud-init.yaml",
            "            addresses:\n              - 192.168.7.9/26\n", 1},
        Row{"ubuntu2204", "ens160", "etc/netplan/00-installer-config.yaml",
            "- to: 0.0.0.0/0\n          via: 192.168.7.1\n", 1},
        Row{"alpine320", "eth0", "etc/network/interfaces",
            "iface eth0 inet static\n    address 192.168.7.9\n", 1},
        Row{"arch_systemd_boot", "ens33", "etc/systemd/network/20-wired.network",
            "Address=192.168.7.9/26\nGateway=192.168.7.1\n", 1},
        // Cards that nothing configures get a file of their own.
        Row{"ubuntu2204", "ens224", "etc/netplan/90-godwit-ens224.yaml",
            "    ens224:\n      dhcp4: false\n", 1},
        Row{"arch_grub", "lan7", "etc/systemd/network/10-godwit-lan7.network",
            "Gateway=192.168.7.1\n", 1}));

// A card that nothing configures, on the tree at `where`; reasons of the findings.
std::string ResetUnknownCard(const std::string& where, std::size_t changes) {
  auto root = GuestRoot::Open(where);
  EXPECT_OK(root);
  std::vector<std::string> kinds;
  Findings findings;
  const Nic nic{.mac_address = kPhonyTargetMac, .source_name = "ens3", .reset_to_dhcp = true};
  EXPECT_OK(ConvertAddresses(*root, {nic}, &kinds, &findings));
  EXPECT_EQ(root->changes().size(), changes);
  return findings.empty() ? "" : findings[0].reason;
}

TEST(NewConnections, AreReadableByRootAlone) {
  const TempDir dir;
  PhonyGuest guest(dir.path());
  PhonyFamilies().at("fedora40")(guest);
  guest.Put("usr/sbin/NetworkManager", "");
  EXPECT_EQ(ResetUnknownCard(dir.path(), 1), "");
  struct stat info {};
  ASSERT_EQ(
      stat((dir / "etc/NetworkManager/system-connections/godwit-ens3.nmconnection").c_str(), &info),
      0);
  EXPECT_EQ(info.st_mode & 0777, 0600u) << "NetworkManager ignores others";
}

TEST(NewConnections, WhereNothingIsKnownTheOperatorIsTold) {
  const TempDir dir;
  EXPECT_EQ(ResetUnknownCard(dir.path(), 0), "ADDRESS_NOT_SET");
}

}  // namespace
}  // namespace godwit::convert
