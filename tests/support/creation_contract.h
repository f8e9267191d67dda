// What every launch target promises about machines that are only made, also one that starts none.
// Instantiated as TargetContract is (target_contract.h).
#pragma once

#include "services/jobs/domain/errors.h"
#include "tests/support/target_world.h"

namespace godwit::testing {

class CreationContract : public TargetFixture {};

TEST_P(CreationContract, MadeTwiceItIsOneAndRemovedItLeavesNothing) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
  target_ = world_->Open();  // another service
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
  EXPECT_THAT(*target_->List(), ::testing::ElementsAre(spec_.machine_id));
  EXPECT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
  ASSERT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_FALSE(std::filesystem::exists(world_->MachineDir(spec_.machine_id)));
  EXPECT_TRUE(std::filesystem::exists(disk_)) << "the clone is not the target's";
  EXPECT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  EXPECT_EQ(PowerOf(), jobs::Power::kAbsent);
  EXPECT_THAT(*target_->List(), ::testing::IsEmpty());
  EXPECT_THAT(target_->Start(spec_.machine_id, 1), StatusIs(absl::StatusCode::kNotFound, ""));
}

TEST_P(CreationContract, AnOlderEpochMakesNothing) {
  jobs::MachineSpec spec = Spec();
  spec.epoch = 5;
  ASSERT_OK(target_->Create(spec));
  spec.epoch = 4;
  const absl::Status refused = target_->Create(spec);
  EXPECT_EQ(jobs::Classify(refused), jobs::ErrorClass::kLostLease);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(jobs::Classify(target_->Start(spec.machine_id, 4).status()),
            jobs::ErrorClass::kLostLease);
  spec.epoch = 6;
  EXPECT_OK(target_->Create(spec));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
}

TEST_P(CreationContract, AMachineThatWasRemovedIsNotMadeByAPausedRunner) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Destroy(spec_.machine_id));
  const jobs::CreateWatch lost = {.check = [] { return jobs::LostLease(); }};
  EXPECT_EQ(jobs::Classify(target_->CreateWatched(Spec(), lost)), jobs::ErrorClass::kLostLease);
  EXPECT_EQ(PowerOf(), jobs::Power::kAbsent);
  EXPECT_FALSE(std::filesystem::exists(world_->MachineDir(spec_.machine_id)));
  // What is there already is nobody's to make.
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
}

TEST_P(CreationContract, WhatWasCutOffIsMadeAnew) {
  const std::string dir = world_->MachineDir(spec_.machine_id);
  ASSERT_OK(MakeDirs(dir));
  ASSERT_OK(WriteFileAtomically(dir + "/disk0.qcow2", "half"));
  EXPECT_EQ(PowerOf(), jobs::Power::kAbsent);
  EXPECT_THAT(target_->Start(spec_.machine_id, 1), StatusIs(absl::StatusCode::kNotFound, "i-"));
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
}

TEST_P(CreationContract, RefusesWhatItCannotMake) {
  jobs::MachineSpec spec = Spec();
  spec.disk_bus = "floppy";
  EXPECT_THAT(target_->Validate(spec), StatusIs(absl::StatusCode::kInvalidArgument, "disk_bus"));
  spec = Spec();
  spec.machine_id = "i-../../x";
  EXPECT_THAT(target_->Create(spec), StatusIs(absl::StatusCode::kInvalidArgument, "machine_id"));
}

}  // namespace godwit::testing
