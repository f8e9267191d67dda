// Disks that are resized, added and taken away while they are replicated. See docs/disks.md.
#include <atomic>
#include <thread>

#include "tests/e2e/agent/disks/disks_fixture.h"

namespace godwit::agent {
namespace {

using ::testing::HasSubstr;

// godwit-agent run, with folders of the test's own.
TEST(ServiceProcess, Child) {
  const char* const dir = std::getenv("GODWIT_TEST_SERVICE");
  if (dir == nullptr) GTEST_SKIP() << "started by the tests below";
  BlockShutdownSignals();
  const Places places = PlacesIn(dir);
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Freezer> freezer, Freezer::Start());
  ASSERT_OK_AND_ASSIGN(Installation installation, LoadInstallation(places.state_folder));
  ASSERT_OK_AND_ASSIGN(rpc::TlsMaterial tls, rpc::LoadTls(TlsFolder(places.state_folder)));
  Service service(std::move(installation), std::move(tls), std::move(freezer), places);
  bool removed = false;
  EXPECT_OK(service.Run(&removed));
}

TEST_F(DisksE2eTest, AResizedDiskIsSentAsAnotherOneAndTheOthersAreNot) {
  StartAgent();
  const auto before = Contents();
  const std::string first_id = StatusOf("vdb")["disk_id"];
  const std::string point = NewPoint();
  std::set<std::string> ids = {first_id};
  for (const std::uint64_t bytes : {14 * kMiB, 5 * kMiB}) {
    BlockDevice& loop = *loops_["vdb"];
    const std::uint64_t old = loop.bytes();
    std::atomic<bool> stop = false;
    std::thread load([&] {
      for (unsigned i = 0; !stop; ++i) {
        loops_["vda"]->Write(i * 7919 % 64 * 4096, 4096, i);
        absl::SleepFor(absl::Milliseconds(2));
      }
    });
    loop.Resize(bytes);
    if (bytes > old) Fill(loop, old);
    const absl::Time from = absl::Now();
    EXPECT_TRUE(Eventually([&] { return Replicated() == Sizes(); }, absl::Seconds(15)));
    stop = true;
    load.join();
    std::printf("%d MiB: known to the coordinator after %.1f s\n", static_cast<int>(bytes / kMiB),
                absl::ToDoubleSeconds(absl::Now() - from));
    ExpectPointHolds(NewPoint(), Contents());
    EXPECT_TRUE(ids.insert(StatusOf("vdb")["disk_id"]).second);
    // Since the engine started anew. Disk vda has more than that.
    ASSERT_TRUE(Eventually([&] { return SentBytes() >= bytes; }, absl::Seconds(15)));
    EXPECT_LE(SentBytes(), bytes + kMiB);
    EXPECT_TRUE(Eventually([&] { return Registered() == Sizes(); }, absl::Seconds(15)));
    AwaitState(pb::Replication::CONTINUOUS);
  }
  ExpectPointHolds(point, before);
  EXPECT_THAT(service_.Log(), HasSubstr("a disk was resized"));
  // While no agent looks.
  ASSERT_OK(service_.Terminate().status());
  loops_["vdb"]->Resize(9 * kMiB);
  Fill(*loops_["vdb"], 2 * kMiB);
  StartAgent();
  ASSERT_TRUE(Eventually([&] { return Replicated() == Sizes(); }, absl::Seconds(15)));
  ExpectPointHolds(NewPoint(), Contents());
  EXPECT_FALSE(ids.contains(StatusOf("vdb")["disk_id"]));
}

TEST_F(DisksE2eTest, ANewDiskIsReplicatedWhenAllAre) {
  StartAgent();
  Add("vdc", 6 * kMiB);
  ASSERT_TRUE(Eventually([&] { return Replicated() == Sizes(); }, absl::Seconds(15)));
  ExpectPointHolds(NewPoint(), Contents());
  EXPECT_EQ(Status()["points"], "by capture: records of dynamic size");
}

TEST_F(DisksE2eTest, ANewDiskIsOnlyReportedWhenDisksWereChosen) {
  installation_.all_disks = false;
  StartAgent();
  const auto chosen = Contents();
  Add("vdc", 6 * kMiB);
  ASSERT_TRUE(Eventually([&] { return StatusOf("vdc").contains("reason"); }, absl::Seconds(15)));
  EXPECT_EQ(StatusOf("vdc")["reason"], "not chosen");
  EXPECT_EQ(StatusOf("vdc")["replicated"], false);
  EXPECT_TRUE(Eventually([&] { return Registered() == Sizes(); }, absl::Seconds(15)));
  EXPECT_EQ(Get().state(), pb::Replication::CONTINUOUS);
  ExpectPointHolds(NewPoint(), chosen);
}

TEST_F(DisksE2eTest, ADeviceWithoutRequestsIsReplicatedWhenItIsNamed) {
  BlockDevice& zram = Add("zram9", 8 * kMiB, DeviceKind::kZram);
  Add("zram10", kMiB, DeviceKind::kZram);  // nobody named it
  installation_.all_disks = false;
  Install({"zram9"});
  StartAgent();
  const auto chosen = [this] {
    auto contents = Contents();
    contents.erase("zram10");
    return contents;
  };
  EXPECT_THAT(StatusOf("zram9")["tracker"].get<std::string>(), HasSubstr("block_bio_complete"));
  EXPECT_THAT(StatusOf("vda")["tracker"].get<std::string>(), HasSubstr("block_rq_complete"));
  EXPECT_EQ(Status()["points"], "by capture: records of dynamic size");
  EXPECT_TRUE(StatusOf("zram10").empty());
  Fill(zram, 3 * kMiB);
  Fill(*loops_["vdb"], 5 * kMiB);
  ExpectPointHolds(NewPoint(), chosen());
  EXPECT_OK(service_.Terminate().status());
  zram.Write(kMiB, 64 << 10, 77);
  StartAgent();
  ExpectPointHolds(NewPoint(), chosen());
  EXPECT_LE(SentBytes(), kMiB) << "its changes were noted while the agent was away";
}

TEST_F(DisksE2eTest, ADiskThatIsGoneStallsUntilItIsBackOrForgotten) {
  StartAgent();
  const auto both = Contents();
  const std::string point = NewPoint();
  const std::string id = StatusOf("vdb")["disk_id"];
  const auto stalls = [&] {
    const pb::Replication replication = Get();
    return replication.state() == pb::Replication::STALLED &&
           replication.stall_cause() == pb::Replication::SOURCE_READ_ERROR &&
           absl::StrContains(replication.error().message(), "godwit-agent disks forget");
  };
  // Its medium is away, and comes back with another content.
  loops_["vdb"]->Resize(0);
  ASSERT_TRUE(Eventually(stalls, absl::Seconds(15)));
  EXPECT_THAT(Get().error().message(), HasSubstr(id));
  EXPECT_EQ(Get().disks_size(), 2) << "the lease is of both";
  // It is noted once the coordinator has answered.
  EXPECT_TRUE(Eventually([&] { return StatusOf("vdb")["missing"] == true; }, absl::Seconds(15)));
  loops_["vdb"]->Resize(8 * kMiB);
  Fill(*loops_["vdb"], 3 * kMiB);
  AwaitState(pb::Replication::CONTINUOUS);
  EXPECT_EQ(StatusOf("vdb")["disk_id"], id);
  ExpectPointHolds(NewPoint(), Contents());

  std::filesystem::remove(dir_ / "sys/block/vdb");
  ASSERT_TRUE(Eventually(stalls, absl::Seconds(15)));
  EXPECT_THAT(ForgetGoneDisk(PlacesIn(dir_.path()), "vda"),
              ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition, "there"));
  EXPECT_TRUE(stalls());
  ASSERT_OK_AND_ASSIGN(const std::string forgotten, ForgetGoneDisk(PlacesIn(dir_.path()), "vdb"));
  EXPECT_EQ(forgotten, id);
  AwaitState(pb::Replication::CONTINUOUS);
  auto rest = Contents();
  rest.erase("vdb");
  ExpectPointHolds(NewPoint(), rest);
  ExpectPointHolds(point, both);
}

}  // namespace
}  // namespace godwit::agent
