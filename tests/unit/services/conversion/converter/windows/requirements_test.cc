#include "services/conversion/converter/windows/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::convert::windows {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Requirements, FollowTheDevicesOfTheProfile) {
  const Requirements ec2 =
      RequirementsOf({.disk_bus = "nvme", .nic_model = "ena", .services = {"stornvme", "ena"}});
  EXPECT_THAT(ec2.disk_services, ElementsAre("stornvme", "AWSNVMe"));
  EXPECT_THAT(ec2.nic_services, ElementsAre("ena"));
  const Requirements hyperv = RequirementsOf(
      {.disk_bus = "hyperv", .nic_model = "hyperv", .services = {"vmbus", "storvsc", "netvsc"}});
  EXPECT_THAT(hyperv.disk_services, ElementsAre("storvsc")) << "vmbus alone reads no disk";
  EXPECT_THAT(RequirementsOf({.disk_bus = "ahci", .nic_model = "e1000e"}).nic_services, IsEmpty());
}

// Of an operator's own profile, which has no name that is known anywhere.
TEST(Requirements, ADriverThatOnlyTheProfileKnowsIsOneOfItsDisks) {
  const Requirements own = RequirementsOf(
      {.disk_bus = "nvme", .nic_model = "e1000e", .services = {"OurNvme", "STORNVME", "netkvm"}});
  EXPECT_THAT(own.disk_services, ElementsAre("stornvme", "AWSNVMe", "OurNvme"));
  EXPECT_THAT(own.nic_services, IsEmpty());
  const Requirements unknown = RequirementsOf({.disk_bus = "tape", .nic_model = "pigeon"});
  EXPECT_THAT(unknown.disk_services, IsEmpty());
}

}  // namespace
}  // namespace godwit::convert::windows
