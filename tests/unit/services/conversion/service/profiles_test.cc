// Profiles are files: those that come with Godwit are good, and a wrong one is named with its
// field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/conversion/service/profile_files.h"
#include "services/conversion/service/rpc/messages.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr char kGood[] =
    R"({"name": "own", "description": "mine", "disk_bus": "nvme", "nic_model": "e1000",
        "firmware": ["uefi"], "hypervisor": "xen", "kernel_arguments": ["a.b=1"]})";

v1::CreateTaskRequest Request(const std::string& profile) {
  v1::CreateTaskRequest request;
  request.set_request_id(NewUuid());
  auto& disk = *request.add_disks();
  disk.set_disk_id("d-0123456789abcdef0");
  disk.set_device_name("/dev/sda");
  disk.set_path("/disk");
  request.mutable_target()->set_profile(profile);
  return request;
}

TEST(ProfilesTest, ThoseThatComeWithItAreGoodAndOldNamesStay) {
  ASSERT_OK_AND_ASSIGN(const Profiles profiles, LoadProfiles({GODWIT_PROFILES}));
  for (const char* name : {"kvm-virtio", "kvm-virtio-scsi", "kvm-nvme", "ec2-nvme", "hyperv",
                           "vmware-pvscsi", "generic-ahci"}) {
    const Profile* const profile = profiles.Find(name);
    ASSERT_NE(profile, nullptr) << name;
    EXPECT_FALSE(profile->linux_modules.empty()) << name;
    EXPECT_FALSE(profile->windows_services.empty()) << name;
  }
  EXPECT_EQ(profiles.Find("")->name, "kvm-virtio");
  EXPECT_EQ(profiles.Find("kvm-ahci")->name, "generic-ahci");
  EXPECT_EQ(profiles.Find("none"), nullptr);
}

TEST(ProfilesTest, AnOperatorsOwnProfileTravelsInTheTask) {
  const TempDir own;
  ASSERT_OK(WriteFileAtomically(own / "own.json", kGood));
  ASSERT_OK_AND_ASSIGN(const Profiles profiles, LoadProfiles({GODWIT_PROFILES, own.path()}));
  v1::CreateTaskRequest request = Request("own");
  // What a caller says in the profile's place counts for nothing.
  request.mutable_target()->set_disk_bus("ide");
  request.mutable_target()->set_hypervisor("vmware");
  request.mutable_target()->add_linux_modules("evil");
  ASSERT_OK_AND_ASSIGN(const NewTask task, ToNewTask(request, "service/jobs", profiles));
  v1::ConversionTask input;
  ASSERT_TRUE(input.ParseFromString(task.input));
  EXPECT_EQ(input.target().disk_bus(), "nvme");
  EXPECT_EQ(input.target().nic_model(), "e1000");
  EXPECT_EQ(input.target().hypervisor(), "xen");
  EXPECT_THAT(input.target().firmware(), ElementsAre("uefi"));
  EXPECT_THAT(input.target().kernel_arguments(), ElementsAre("a.b=1"));
  EXPECT_THAT(input.target().linux_modules(), Not(Contains("evil")));
  EXPECT_EQ(ToMessage(*profiles.Find("own")).source(), own / "own.json");

  Profiles changed;
  ASSERT_OK_AND_ASSIGN(Profile other,
                       ParseProfile(absl::StrReplaceAll(kGood, {{"nvme", "ahci"}}), "other.json"));
  ASSERT_OK(changed.Add(std::move(other)));
  ASSERT_OK_AND_ASSIGN(const NewTask again, ToNewTask(request, "service/jobs", changed));
  EXPECT_EQ(task.fingerprint, again.fingerprint) << "the request is the same";
  EXPECT_THAT(ToNewTask(Request("none"), "service/jobs", profiles).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "target.profile"));
}

TEST(ProfilesTest, AWrongFileIsNamedWithItsField) {
  const auto with = [](const char* from, const char* to) {
    return ParseProfile(absl::StrReplaceAll(kGood, {{from, to}}), "p.json").status();
  };
  const auto invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(with("\"nvme\"", "\"floppy\""), StatusIs(invalid, "p.json: disk_bus: \"floppy\""));
  EXPECT_THAT(with("nic_model", "nicmodel"), StatusIs(invalid, "p.json: nic_model: is required"));
  EXPECT_THAT(with("\"name\"", "\"nome\": 1, \"name\""), StatusIs(invalid, "p.json: nome"));
  EXPECT_THAT(with("[\"uefi\"]", "[]"), StatusIs(invalid, "p.json: firmware"));
  EXPECT_THAT(with("[\"uefi\"]", "\"uefi\""), StatusIs(invalid, "p.json: firmware"));
  EXPECT_THAT(with("a.b=1", "x; reboot"), StatusIs(invalid, "p.json: kernel_arguments"));
  EXPECT_THAT(with("\"xen\"", "\"box\""), StatusIs(invalid, "p.json: hypervisor: \"box\""));
  EXPECT_THAT(with("\"own\"", "\"../own\""), StatusIs(invalid, "p.json: name"));
  EXPECT_THAT(ParseProfile("[", "p.json").status(), StatusIs(invalid, "p.json: not a JSON"));
}

TEST(ProfilesTest, TheSameNameTwiceIsRefusedWithBothFiles) {
  const TempDir own;
  ASSERT_OK(WriteFileAtomically(own / "mine.json",
                                absl::StrReplaceAll(kGood, {{"\"own\"", "\"kvm-ahci\""}})));
  EXPECT_THAT(LoadProfiles({GODWIT_PROFILES, own.path()}).status(),
              StatusIs(absl::StatusCode::kAlreadyExists, "mine.json"));
  EXPECT_THAT(LoadProfiles({own / "none"}).status(), StatusIs(absl::StatusCode::kNotFound, "none"));
}

}  // namespace
}  // namespace godwit::conversion
