// IPv4 addresses in every kind of configuration: what the documentation of each says, before and
// after. Sources are those named in address_text.h.
#include "services/conversion/converter/address_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/conversion/converter/job.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

const Nic kStatic{.mac_address = "52:54:00:10:20:30",
                  .source_name = "eth0",
                  .static_address = "192.168.7.9/26",
                  .gateway = "192.168.7.1"};
const Nic kNoGateway{
    .mac_address = "52:54:00:10:20:30", .source_name = "eth0", .static_address = "192.168.7.9/26"};
const Nic kDhcp{.mac_address = "52:54:00:10:20:30", .source_name = "eth0", .reset_to_dhcp = true};

TEST(Addresses, OnlyAddressesAreTaken) {
  EXPECT_OK(CheckAddresses(kStatic));
  EXPECT_OK(CheckAddresses(kDhcp));
  EXPECT_EQ(Netmask(kStatic), "255.255.255.192");
  for (const char* bad : {"192.168.7.9", "192.168.7.9/33", "192.168.7.9/0", "x/24", "fd00::1/64",
                          "1.2.3.4/24\nDHCP=yes", "1.2.3.4/ 24 "}) {
    EXPECT_FALSE(CheckAddresses({.static_address = bad}).ok()) << bad;
  }
  EXPECT_FALSE(CheckAddresses({.static_address = "1.2.3.4/8", .reset_to_dhcp = true}).ok());
  EXPECT_FALSE(CheckAddresses({.gateway = "1.2.3.4"}).ok());
  EXPECT_FALSE(CheckAddresses({.static_address = "1.2.3.4/8", .gateway = "a b"}).ok());
}

TEST(Addresses, OfTheJobAreChecked) {
  const std::string nic = R"({"mac_address":"52:54:00:10:20:30","source_name":"eth0",)";
  ASSERT_OK_AND_ASSIGN(
      const Job job,
      ParseJob(absl::StrCat(R"({"regenerate":true,"regenerate_seconds":7,"nics":[)", nic,
                            R"("static_address":"192.168.7.9/26","gateway":"192.168.7.1"},)", nic,
                            R"("reset_to_dhcp":true}]})")));
  ASSERT_EQ(job.nics.size(), 2u);
  EXPECT_EQ(job.nics[0].static_address, "192.168.7.9/26");
  EXPECT_EQ(job.nics[0].gateway, "192.168.7.1");
  EXPECT_TRUE(job.nics[1].reset_to_dhcp);
  EXPECT_TRUE(job.regenerate);
  EXPECT_EQ(job.regenerate_seconds, 7);
  EXPECT_THAT(ParseJob(absl::StrCat(R"({"nics":[)", nic, R"("static_address":"1.2.3.4"}]})")),
              ::godwit::testing::StatusIs(absl::StatusCode::kInvalidArgument, "static_address"));
}

struct Row {
  const char* name;
  std::string (*edit)(const std::string&, const Nic&);
  const Nic* nic;
  std::string before, after;
};

std::string Routes(const std::string& text, const Nic& nic) {
  return EditSuseRoutes(text, nic, !nic.gateway.empty());
}

class AddressRowTest : public ::testing::TestWithParam<Row> {};

TEST_P(AddressRowTest, BeforeAndAfter) {
  const Row& row = GetParam();
  const std::string edited = row.edit(row.before, *row.nic);
  EXPECT_EQ(edited, row.after);
  EXPECT_EQ(row.edit(edited, *row.nic), edited) << "twice is once";
}

const Row kRows[] = {
    {"RedHatStatic", EditRedHatIfcfg, &kStatic,
     "DEVICE=eth0\nBOOTPROTO=none\nIPADDR=10.1.2.3\nNETMASK=255.255.255.0\nGATEWAY=10.1.2.1\n"
     "IPV6ADDR=fd00::2/64\nDNS1=10.1.2.2\n",
     "DEVICE=eth0\nBOOTPROTO=none\nIPADDR=192.168.7.9\nPREFIX=26\nGATEWAY=192.168.7.1\n"
     "IPV6ADDR=fd00::2/64\nDNS1=10.1.2.2\n"},
    {"RedHatStaticFromDhcp", EditRedHatIfcfg, &kNoGateway, "DEVICE=eth0\nBOOTPROTO=\"dhcp\"\n",
     "DEVICE=eth0\nBOOTPROTO=none\nIPADDR=192.168.7.9\nPREFIX=26\n"},
    {"RedHatDhcp", EditRedHatIfcfg, &kDhcp,
     "DEVICE=eth0\nBOOTPROTO=static\nIPADDR0=10.1.2.3\nIPADDR1=10.1.2.4\nPREFIX0=24\n"
     "GATEWAY0=10.1.2.1\nONBOOT=yes\n",
     "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n"},
    {"SuseStatic", EditSuseIfcfg, &kStatic,
     "BOOTPROTO='static'\nIPADDR='10.1.2.3/24'\nIPADDR_1='10.1.2.4/24'\nSTARTMODE='auto'\n",
     "BOOTPROTO='static'\nIPADDR='192.168.7.9/26'\nSTARTMODE='auto'\n"},
    {"SuseDhcp", EditSuseIfcfg, &kDhcp,
     "STARTMODE='auto'\nBOOTPROTO='static'\nIPADDR='10.1.2.3'\nNETMASK='255.255.255.0'",
     "STARTMODE='auto'\nBOOTPROTO='dhcp'"},
    {"SuseRoutes", Routes, &kStatic, "default 10.1.2.1 - -\n10.9.0.0/16 10.1.2.5 - -\n",
     "10.9.0.0/16 10.1.2.5 - -\ndefault 192.168.7.1 - -\n"},
    {"SuseRoutesDhcp", Routes, &kDhcp, "default 10.1.2.1 - -\ndefault fe80::1 - eth0\n",
     "default fe80::1 - eth0\n"},
    {"KeyfileStatic", EditKeyfile, &kStatic,
     "[connection]\nid=x\n\n[ipv4]\naddress1=10.1.2.3/24,10.1.2.1\naddress-data=x\ndns=10.1.2.2;\n"
     "method=manual\nroute1=10.9.0.0/16,10.1.2.5\n\n[ipv6]\naddress1=fd00::2/64\nmethod=manual\n",
     "[connection]\nid=x\n\n[ipv4]\naddress1=192.168.7.9/26,192.168.7.1\nmethod=manual\n"
     "address-data=x\ndns=10.1.2.2;\nroute1=10.9.0.0/16,10.1.2.5\n\n[ipv6]\naddress1=fd00::2/64\n"
     "method=manual\n"},
    {"KeyfileDhcp", EditKeyfile, &kDhcp,
     "[ipv4]\naddress1=10.1.2.3/24\naddress2=10.1.2.4/24\ngateway=10.1.2.1\nmethod=manual\n",
     "[ipv4]\nmethod=auto\n"},
    {"KeyfileWithoutSection", EditKeyfile, &kNoGateway, "[connection]\nid=x\n",
     "[connection]\nid=x\n\n[ipv4]\naddress1=192.168.7.9/26\nmethod=manual\n"},
    {"NetworkdStatic", EditNetworkd, &kStatic,
     "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\nAddress=fd00::2/64\nDNS=10.1.2.2\n",
     "[Match]\nName=eth0\n\n[Network]\nDHCP=no\nAddress=192.168.7.9/26\nGateway=192.168.7.1\n"
     "Address=fd00::2/64\nDNS=10.1.2.2\n"},
    {"NetworkdDhcp", EditNetworkd, &kDhcp,
     "[Match]\nName=eth0\n\n[Network]\nAddress=10.1.2.3/24\nGateway=10.1.2.1\n\n[Address]\n"
     "Address=10.1.2.4/24\nLabel=eth0:1\n",
     "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n\n[Address]\nLabel=eth0:1\n"},
    {"InterfacesStatic", EditInterfaces, &kStatic,
     "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n    mtu 9000\niface eth0 "
     "inet6 auto\n",
     "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n    address 192.168.7.9\n"
     "    netmask 255.255.255.192\n    gateway 192.168.7.1\n    mtu 9000\niface eth0 inet6 auto\n"},
    {"InterfacesDhcp", EditInterfaces, &kDhcp,
     "auto eth0\niface eth0 inet static\n\taddress 10.1.2.3/24\n\tgateway 10.1.2.1\n"
     "\tdns-nameservers 10.1.2.2\n\niface eth0 inet static\n\taddress 10.1.2.4/24\niface eth1 inet "
     "static\n\taddress 10.2.2.3/24\n",
     "auto eth0\niface eth0 inet dhcp\n\tdns-nameservers 10.1.2.2\n\niface eth1 inet static\n"
     "\taddress 10.2.2.3/24\n"},
    {"NetplanStatic", EditNetplan, &kStatic,
     "network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses:\n      - 10.1.2.3/24\n"
     "      - \"fd00::2/64\"\n      gateway4: 10.1.2.1\n      nameservers:\n"
     "        addresses: [10.1.2.2]\n      routes:\n      - to: default\n        via: 10.1.2.1\n"
     "      - to: 10.9.0.0/16\n        via: 10.1.2.5\n    eth1:\n      dhcp4: true\n",
     "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: false\n      addresses:\n"
     "        - 192.168.7.9/26\n        - \"fd00::2/64\"\n      routes:\n"
     "        - to: 0.0.0.0/0\n          via: 192.168.7.1\n        - to: 10.9.0.0/16\n"
     "          via: 10.1.2.5\n      nameservers:\n        addresses: [10.1.2.2]\n    eth1:\n"
     "      dhcp4: true\n"},
    {"NetplanDhcpByMac", EditNetplan, &kDhcp,
     "# by hand\nnetwork:\n    ethernets:\n        card:\n            match:\n"
     "                macaddress: \"52:54:00:10:20:30\"\n            set-name: lan\n"
     "            addresses: [10.1.2.3/24, \"fd00::2/64\"]\n    version: 2\n",
     "# by hand\nnetwork:\n    ethernets:\n        card:\n            dhcp4: true\n"
     "            addresses:\n              - \"fd00::2/64\"\n            match:\n"
     "                macaddress: \"52:54:00:10:20:30\"\n            set-name: lan\n    version: "
     "2\n"},
    {"NetplanOfAnotherCard", EditNetplan, &kDhcp,
     "network:\n  ethernets:\n    eth1:\n      addresses: [10.1.2.3/24]\n",
     "network:\n  ethernets:\n    eth1:\n      addresses: [10.1.2.3/24]\n"},
    {"NetplanFlowStyle", EditNetplan, &kDhcp, "network: {ethernets: {eth0: {dhcp4: false}}}\n",
     "network: {ethernets: {eth0: {dhcp4: false}}}\n"},
};

INSTANTIATE_TEST_SUITE_P(Kinds, AddressRowTest, ::testing::ValuesIn(kRows),
                         [](const auto& info) { return info.param.name; });

TEST(Addresses, WhoseItIs) {
  EXPECT_TRUE(IsIfcfgOf("ifcfg-eth0", "", kStatic));
  EXPECT_TRUE(IsIfcfgOf("ifcfg-lan", "HWADDR=\"52:54:00:10:20:30\"\n", kStatic));
  EXPECT_TRUE(IsIfcfgOf("ifcfg-System_x", "DEVICE=eth0\n", kStatic));
  EXPECT_FALSE(IsIfcfgOf("ifcfg-eth1", "DEVICE=eth1\n", kStatic));
  EXPECT_TRUE(IsKeyfileOf("[connection]\ninterface-name=eth0\n", kStatic));
  EXPECT_TRUE(IsKeyfileOf("[ethernet]\nmac-address=52:54:00:10:20:30\n", kStatic));
  EXPECT_FALSE(IsKeyfileOf("[wifi]\nmac-address=52:54:00:10:20:30\n", kStatic));
  EXPECT_TRUE(IsNetworkdOf("[Match]\nName=eth9 eth0\n", kStatic));
  EXPECT_FALSE(IsNetworkdOf("[Network]\nName=eth0\n", kStatic));
  EXPECT_TRUE(HasInterface("iface eth0 inet dhcp\n", kStatic));
  EXPECT_FALSE(HasInterface("iface eth0 inet6 auto\n", kStatic));
}

TEST(Addresses, ACardThatHadNone) {
  EXPECT_EQ(NewKeyfile(kDhcp),
            "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=auto\n");
  EXPECT_EQ(NewNetworkd(kNoGateway),
            "[Match]\nMACAddress=52:54:00:10:20:30\n\n[Network]\nDHCP=no\n"
            "Address=192.168.7.9/26\n");
  EXPECT_EQ(NewNetplan(kDhcp),
            "network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n      match:\n"
            "        macaddress: \"52:54:00:10:20:30\"\n      set-name: eth0\n");
  EXPECT_EQ(NewRedHatIfcfg(kDhcp), "TYPE=Ethernet\nDEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n");
  EXPECT_EQ(NewSuseIfcfg(kDhcp), "STARTMODE='auto'\nBOOTPROTO='dhcp'\n");
  EXPECT_EQ(NewInterface(kNoGateway),
            "\nauto eth0\niface eth0 inet static\n    address 192.168.7.9\n"
            "    netmask 255.255.255.192\n");
}

}  // namespace
}  // namespace godwit::convert
