#include "services/conversion/service/rpc/verdicts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::Finding;
using v1::Verdict;

class VerdictsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(profiles_.Add({.name = "paravirtual",
                             .firmware = {"bios", "uefi"},
                             .linux_modules = {"virtio_blk", "virtio_net"}}));
    ASSERT_OK(
        profiles_.Add({.name = "sata", .firmware = {"uefi"}, .linux_modules = {"ahci", "e1000e"}}));
    task_.mutable_inspection()->set_os_family("linux");
    task_.mutable_inspection()->set_boot_mode("BIOS");
    v1::InspectedKernel* old = task_.mutable_inspection()->add_kernels();
    old->set_release("2.6.18");
    old->add_missing_modules("virtio_blk");
    kernel_ = task_.mutable_inspection()->add_kernels();
    kernel_->set_release("6.1");
    kernel_->set_is_default(true);
  }
  std::vector<Verdict::Outcome> Outcomes() {
    SetVerdicts(profiles_, &task_);
    std::vector<Verdict::Outcome> outcomes;
    for (const Verdict& verdict : task_.verdicts()) outcomes.push_back(verdict.outcome());
    return outcomes;
  }
  Profiles profiles_;
  v1::ConversionTask task_;
  v1::InspectedKernel* kernel_ = nullptr;
};

TEST_F(VerdictsTest, TheDefaultKernelDecides) {
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::BOOTS, Verdict::BOOTS));
  EXPECT_THAT(task_.verdicts(0).causes(), IsEmpty()) << "an older kernel is not booted";
  EXPECT_EQ(task_.verdicts(1).causes(0).reason(), "BOOT_MODE_CHANGES");
}

TEST_F(VerdictsTest, ASourceOfBothKindsChangesNothing) {
  task_.mutable_inspection()->set_boot_mode("BIOS and UEFI");
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::BOOTS, Verdict::BOOTS));
  EXPECT_THAT(task_.verdicts(1).causes(), IsEmpty());
}

TEST_F(VerdictsTest, AMissingDiskDriverStopsOneProfileOnly) {
  kernel_->add_missing_modules("virtio_blk");
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::DOES_NOT_BOOT, Verdict::BOOTS));
  EXPECT_EQ(task_.verdicts(0).causes(0).severity(), Finding::BLOCKER);
  EXPECT_THAT(task_.verdicts(0).causes(0).message(), HasSubstr("6.1"));
}

TEST_F(VerdictsTest, AMissingNetworkDriverIsAWarning) {
  kernel_->add_missing_modules("virtio_net");
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::BOOTS, Verdict::BOOTS));
  EXPECT_EQ(task_.verdicts(0).causes(0).severity(), Finding::WARNING);
}

TEST_F(VerdictsTest, WhatStopsTheConversionStopsAll) {
  task_.add_findings()->set_severity(Finding::WARNING);
  task_.add_findings()->set_severity(Finding::BLOCKER);
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::DOES_NOT_BOOT, Verdict::DOES_NOT_BOOT));
}

TEST_F(VerdictsTest, AnUnfinishedCopyIsNotCondemned) {
  task_.set_unfinished(true);
  task_.add_findings()->set_severity(Finding::BLOCKER);
  EXPECT_THAT(Outcomes(), ElementsAre(Verdict::UNKNOWN, Verdict::UNKNOWN));
}

TEST_F(VerdictsTest, OthersAreNotJudged) {
  task_.mutable_inspection()->set_os_family("windows");
  EXPECT_THAT(Outcomes(), IsEmpty());
}

}  // namespace
}  // namespace godwit::conversion
