// What every launch target that starts machines promises, as tests with real machines of one
// sector. A target's own test binary instantiates them for each way it can be set up:
//   INSTANTIATE_TEST_SUITE_P(Qemu, TargetContract, ::testing::Values(&MakeQemuWorld));
#pragma once

#include <thread>

#include "absl/time/clock.h"
#include "services/jobs/domain/errors.h"
#include "tests/support/target_world.h"

namespace godwit::testing {

class TargetContract : public TargetFixture {
 protected:
  // The console once it has `count` greetings, or what it has after a minute.
  std::string AwaitHello(int count = 1) {
    std::string content;
    for (int i = 0; i < 300; ++i) {
      const auto chunk = target_->ReadConsole(spec_.machine_id, 0);
      EXPECT_OK(chunk);
      if (!chunk.ok()) return "";
      content = chunk->content;
      int seen = 0;
      for (std::size_t at = 0; (at = content.find(kTargetHello, at)) != std::string::npos; ++at)
        ++seen;
      if (seen >= count) return content;
      absl::SleepFor(absl::Milliseconds(200));
    }
    ADD_FAILURE() << "the guest did not greet " << count << " time(s): " << content;
    return content;
  }
};

TEST_P(TargetContract, BootsStopsStartsAgainAndLeavesNothing) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Create(Spec()));  // repeating it is harmless
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
  EXPECT_THAT(*target_->List(), ::testing::ElementsAre(spec_.machine_id));
  ASSERT_OK_AND_ASSIGN(const jobs::MachineStatus status, target_->Start(spec_.machine_id, 1));
  EXPECT_EQ(status.power, jobs::Power::kRunning);
  EXPECT_EQ(status.accelerator, "tcg");
  EXPECT_THAT(ProcessesOf(spec_.machine_id), ::testing::SizeIs(1));
  ASSERT_TRUE(status.endpoints.contains(22));
  EXPECT_THAT(status.endpoints.at(22), ::testing::StartsWith("127.0.0.1:"));
  AwaitHello();
  EXPECT_THAT(target_->ReadConsole(spec_.machine_id, -4)->content.size(), 4u);
  EXPECT_THAT(target_->ReadFirmwareLog(spec_.machine_id), ::testing::HasSubstr("Booting from"));

  ASSERT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  EXPECT_EQ(PowerOf(), jobs::Power::kStopped);
  EXPECT_THAT(ProcessesOf(spec_.machine_id), ::testing::IsEmpty());
  ASSERT_OK_AND_ASSIGN(const jobs::MachineStatus again, target_->Start(spec_.machine_id, 1));
  EXPECT_EQ(again.endpoints, status.endpoints) << "an endpoint stays what it was";
  AwaitHello(2);

  ASSERT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_THAT(ProcessesOf(spec_.machine_id), ::testing::IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(world_->MachineDir(spec_.machine_id)));
  EXPECT_TRUE(std::filesystem::exists(disk_)) << "the clone is not the target's";
  EXPECT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_EQ(PowerOf(), jobs::Power::kAbsent);
  EXPECT_THAT(*target_->List(), ::testing::IsEmpty());
}

TEST_P(TargetContract, AnotherServiceFindsTheMachineAndItsScreen) {
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_THAT(target_->Screenshot(spec_.machine_id).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, ""));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  const std::vector<int> running = ProcessesOf(spec_.machine_id);
  target_ = world_->Open();
  ASSERT_OK_AND_ASSIGN(const jobs::MachineStatus found, target_->Start(spec_.machine_id, 2));
  EXPECT_EQ(ProcessesOf(spec_.machine_id), running);
  EXPECT_TRUE(found.endpoints.contains(22));

  ASSERT_OK_AND_ASSIGN(const std::string screen, target_->Screenshot(spec_.machine_id));
  EXPECT_THAT(screen, ::testing::StartsWith("\x89PNG\r\n\x1a\n"));
  EXPECT_GT(screen.size(), 500u) << "SeaBIOS has written on it";
  // No agent runs in this guest.
  EXPECT_THAT(
      target_->AskAgent(spec_.machine_id, R"({"execute":"guest-ping"})", absl::Seconds(2)).status(),
      StatusIs(absl::StatusCode::kUnavailable, ""));
}

TEST_P(TargetContract, StartsAtOnceFromManySidesMakeOneProcess) {
  ASSERT_OK(target_->Create(Spec()));
  std::vector<std::thread> threads;
  std::vector<bool> started(4, false);
  std::vector<std::unique_ptr<jobs::Target>> targets;
  for (std::size_t i = 0; i < started.size(); ++i) targets.push_back(world_->Open());
  absl::Mutex mutex;
  for (std::size_t i = 0; i < started.size(); ++i) {
    threads.emplace_back([&, i] {
      const bool ok = targets[i]->Start(spec_.machine_id, 1).ok();
      const absl::MutexLock guard(&mutex);
      started[i] = ok;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(started, ::testing::Each(true));
  EXPECT_THAT(ProcessesOf(spec_.machine_id), ::testing::SizeIs(1));
}

TEST_P(TargetContract, AnOlderEpochIsRefused) {
  jobs::MachineSpec spec = Spec();
  spec.epoch = 5;
  ASSERT_OK(target_->Create(spec));
  const auto started = target_->Start(spec.machine_id, 4);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(jobs::Classify(started.status()), jobs::ErrorClass::kLostLease);
  EXPECT_EQ(started.status().code(), absl::StatusCode::kAborted);
  spec.epoch = 4;
  EXPECT_EQ(jobs::Classify(target_->Create(spec)), jobs::ErrorClass::kLostLease);
  EXPECT_THAT(ProcessesOf(spec.machine_id), ::testing::IsEmpty());
}

TEST_P(TargetContract, AMachineThatPowersOffIsSeenAsStopped) {
  ASSERT_OK(MakeTinyOsDisk(disk_, kTargetHello, TinyOsEnd::kPowerOff));
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  jobs::Power power = jobs::Power::kRunning;
  for (int i = 0; i < 100 && power == jobs::Power::kRunning; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    power = PowerOf();
  }
  EXPECT_EQ(power, jobs::Power::kStopped);
}

TEST_P(TargetContract, DetachedItNeedsNoClone) {
  const auto go_on = [] { return absl::OkStatus(); };
  const auto stop = [] { return absl::CancelledError("stop"); };
  ASSERT_OK(target_->Create(Spec()));
  if (world_->NeedsClone()) {
    EXPECT_THAT(target_->Detach(spec_.machine_id, absl::Minutes(1), stop),
                StatusIs(absl::StatusCode::kCancelled, "stop"));
  }
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), go_on));  // while it runs
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), go_on));
  std::filesystem::remove(disk_);
  ASSERT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello(2);
}

TEST_P(TargetContract, DetachedAtRestItNeedsNoClone) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), [] { return absl::OkStatus(); }));
  std::filesystem::remove(disk_);
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
}

TEST_P(TargetContract, ACreationThatWasCutOffIsRepeated) {
  ASSERT_OK(MakeDirs(world_->MachineDir(spec_.machine_id)));
  ASSERT_OK(WriteFileAtomically(world_->MachineDir(spec_.machine_id) + "/disk0.qcow2", "half"));
  EXPECT_THAT(target_->Start(spec_.machine_id, 1), StatusIs(absl::StatusCode::kNotFound, "i-"));
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
}

}  // namespace godwit::testing
