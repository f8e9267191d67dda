#include "services/registry/domain/address_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

bool Allows(const AddressPolicy& policy, const char* address) {
  return policy.Check(*ParseAddress(address)).ok();
}
AddressPolicy With(const std::vector<std::string>& networks) {
  std::vector<Network> allowed;
  for (const std::string& text : networks) allowed.push_back(*ParseNetwork(text));
  return AddressPolicy(allowed);
}

TEST(AddressPolicyTest, OnlyPublicAddressesByItself) {
  const AddressPolicy policy;
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.255.255",
        "172.32.0.1", "193.0.0.1", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8"}) {
    EXPECT_TRUE(Allows(policy, address)) << address;
  }
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.9.9.9",
                              "169.254.1.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.0.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::10.0.0.1",
                              "64:ff9b::a00:1",
                              "2002:a00:1::",
                              "2001:0:1::1",
                              "2001:db8::1",
                              "fe80::1",
                              "fd00::1",
                              "ff02::1"}) {
    EXPECT_FALSE(Allows(policy, address)) << address;
  }
}

TEST(AddressPolicyTest, WhatIsAllowedBesidesAndNotMore) {
  const AddressPolicy policy = With({"10.20.0.0/15", "fd00::/8", "192.168.7.9"});
  EXPECT_TRUE(Allows(policy, "10.20.0.1"));
  EXPECT_TRUE(Allows(policy, "10.21.255.255"));
  EXPECT_TRUE(Allows(policy, "::ffff:10.20.0.1"));
  EXPECT_FALSE(Allows(policy, "10.22.0.0"));
  EXPECT_FALSE(Allows(policy, "10.19.255.255"));
  EXPECT_TRUE(Allows(policy, "fdff::1"));
  EXPECT_FALSE(Allows(policy, "fe80::1"));
  EXPECT_TRUE(Allows(policy, "192.168.7.9"));
  EXPECT_FALSE(Allows(policy, "192.168.7.8"));
}

TEST(AddressPolicyTest, MetadataServicesOnlyByThemselves) {
  const AddressPolicy wide = With({"0.0.0.0/0", "::/0"});
  for (const char* address : {"169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254",
                              "168.63.129.16", "100.100.100.200"}) {
    EXPECT_THAT(wide.Check(*ParseAddress(address)),
                StatusIs(absl::StatusCode::kPermissionDenied, "metadata"))
        << address;
  }
  EXPECT_TRUE(Allows(wide, "127.0.0.1"));
  EXPECT_TRUE(Allows(With({"169.254.169.254"}), "169.254.169.254"));
}

TEST(AddressPolicyTest, ParsesWhatItShould) {
  for (const char* bad : {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0/8", "::/129",
                          "example.org", "10.0.0.1/x", "1.2.3.4 "}) {
    EXPECT_THAT(ParseNetwork(bad), StatusIs(absl::StatusCode::kInvalidArgument, "")) << bad;
  }
  EXPECT_EQ(FormatAddress(*ParseAddress("::ffff:10.0.0.1")), "10.0.0.1");
  EXPECT_EQ(FormatAddress(*ParseAddress("2001:db8:0::1")), "2001:db8::1");
  EXPECT_TRUE(IsLoopback(*ParseAddress("127.3.2.1")));
  EXPECT_TRUE(IsLoopback(*ParseAddress("::1")));
  EXPECT_FALSE(IsLoopback(*ParseAddress("128.0.0.1")));
}

}  // namespace
}  // namespace godwit::registry
