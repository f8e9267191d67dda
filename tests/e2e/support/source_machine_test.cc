// The source machine is what the other end-to-end tests believe it to be.
#include "tests/support/source_machine.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/status_matchers.h"

namespace godwit::testing {
namespace {

using Json = nlohmann::json;

// Rows in a JSON file of the shop, -1 while there is none.
std::int64_t Rows(SourceMachine& machine, const std::string& path) {
  const absl::StatusOr<std::string> text = machine.Get(path);
  if (!text.ok()) return -1;
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json.value("rows", std::int64_t{-1}) : -1;
}

// Waits until /status says more than `rows`.
bool Grows(SourceMachine& machine, std::int64_t rows) {
  for (const absl::Time end = absl::Now() + absl::Seconds(60); absl::Now() < end;) {
    if (Rows(machine, "status") > rows) return true;
    absl::SleepFor(absl::Milliseconds(200));
  }
  return false;
}

TEST(SourceMachineTest, TakesOrdersUntilItIsQuiescedAndAgainAfterwards) {
  ASSERT_OK_AND_ASSIGN(auto machine, SourceMachine::Start({}));
  EXPECT_TRUE(Grows(*machine, 5000));

  ASSERT_OK(machine->Ssh("run-parts --exit-on-error /etc/godwit/quiesce.d"));
  const std::int64_t final_rows = Rows(*machine, "final");
  EXPECT_GT(final_rows, 5000);
  EXPECT_EQ(Rows(*machine, "status"), final_rows);
  ASSERT_OK_AND_ASSIGN(const std::string count,
                       machine->Ssh("sleep 2; cd /; runuser -u postgres -- psql -XAtq -d shop -c "
                                    "'SELECT count(*) FROM orders'"));
  EXPECT_EQ(count, absl::StrCat(final_rows, "\n")) << "orders were taken after the quiesce";

  ASSERT_OK(machine->Ssh("run-parts --exit-on-error /etc/godwit/resume.d"));
  EXPECT_TRUE(Grows(*machine, final_rows));
}

TEST(SourceMachineTest, HasItsRootByKernelNameAndNoVirtioInItsInitramfs) {
  ASSERT_OK_AND_ASSIGN(auto machine, SourceMachine::Start({}));
  ASSERT_OK_AND_ASSIGN(const std::string names, machine->Ssh("cat /proc/cmdline /etc/fstab"));
  EXPECT_TRUE(absl::StrContains(names, "root=/dev/sda1"));
  EXPECT_TRUE(absl::StrContains(names, "/dev/sda1 / ext4"));
  ASSERT_OK_AND_ASSIGN(const std::string modules,
                       machine->Ssh("lsinitramfs /boot/initrd.img-$(uname -r) | grep -F .ko"));
  EXPECT_TRUE(absl::StrContains(modules, "ata_piix.ko"));
  EXPECT_FALSE(absl::StrContains(modules, "virtio"));
}

// The point of conversion: without it the disk does not boot on the new bus.
TEST(SourceMachineTest, DoesNotBootOnVirtio) {
  ASSERT_OK_AND_ASSIGN(
      auto machine, SourceMachine::Start({.hardware = "virtio", .serial = true, .booted = false}));
  const auto gave_up = [&] {
    return absl::StrContains(machine->Console(), "ALERT!  /dev/sda1 does not exist");
  };
  for (const absl::Time end = absl::Now() + absl::Minutes(5); absl::Now() < end && !gave_up();) {
    absl::SleepFor(absl::Milliseconds(200));
  }
  EXPECT_TRUE(gave_up()) << machine->Console();
  EXPECT_FALSE(machine->Get("").ok());
}

TEST(SourceMachineTest, BootsFromXfsOnAhci) {
  ASSERT_OK_AND_ASSIGN(
      auto machine, SourceMachine::Start({.layout = "xfs", .hardware = "ahci", .booted = false}));
  ASSERT_OK(machine->WaitForPage(absl::Minutes(6)));
  ASSERT_OK_AND_ASSIGN(const std::string root, machine->Ssh("findmnt -no SOURCE,FSTYPE /"));
  EXPECT_TRUE(absl::StrContains(root, "xfs")) << root;
}

}  // namespace
}  // namespace godwit::testing
