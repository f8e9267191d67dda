#include "agent/boot/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;

TEST(Mounts, TheFirstOfEachDevice) {
  const std::string text =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
      "23 22 0:21 / /proc rw - proc proc rw\n"
      "24 22 8:2 / /mnt/a\\040b\\134 ro,nosuid shared:2 master:1 - xfs /dev/sda2 ro,attr2\n"
      "25 22 8:1 /srv /bind rw - ext4 /dev/sda1 rw\n"
      "26 22 8:3 / /other rw - ext4 /dev/sda3 rw\n"
      "nonsense\n";
  EXPECT_THAT(MountsOf(text, {"8:1", "8:2"}),
              ElementsAre(FieldsAre("8:1", "/", "ext4", false),
                          FieldsAre("8:2", "/mnt/a b\\", "xfs", true)));
}

}  // namespace
}  // namespace godwit::agent
