// Several streams to the worker. See replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"
#include "tests/support/cut_line.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::CutLine;

class LanesTest : public ReplicationTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    settings_.set_lane_count(GetParam());
    ReplicationTest::SetUp();
    // Content that does not compress.
    for (unsigned i = 0; i < kBytes >> 20; ++i) loop_.Write(std::uint64_t{i} << 20, 1 << 20, i);
  }
  void TearDown() override {
    StopWriting();
    ReplicationTest::TearDown();
    line_.reset();
  }
  void StartOverLine() {
    line_ = std::make_unique<CutLine>(port_);
    agent_port_ = line_->port();
    StartAgent();
  }
  // Until StopWriting: small writes everywhere, and the same few blocks again and again.
  void StartWriting(unsigned seed) {
    writing_ = true;
    writer_ = std::thread([this, seed] {
      std::mt19937 random(seed);
      while (writing_) {
        Churn(random(), 5);
        for (int i = 0; i < 5; ++i) loop_.Write(random() % 64 * 4096, 4096, random());
        absl::SleepFor(absl::Milliseconds(4));
      }
    });
  }
  void StopWriting() {
    writing_ = false;
    if (writer_.joinable()) writer_.join();
  }

  std::unique_ptr<CutLine> line_;
  std::atomic<bool> writing_ = false;
  std::thread writer_;
};
INSTANTIATE_TEST_SUITE_P(Lanes, LanesTest, ::testing::Values(1, 2, 4));

TEST_P(LanesTest, EachIsAConnectionAndWritesDuringTheSyncArrive) {
  StartWriting(1);
  StartOverLine();
  const std::int64_t first = AwaitPoint("");
  EXPECT_EQ(line_->connections(), GetParam());
  AwaitPoint("", first + 3);
  StopWriting();
  ExpectReplicaEqualsSource();
  EXPECT_EQ(line_->connections(), GetParam()) << "nothing broke";
}

TEST_P(LanesTest, TheEndOfOneIsTheEndOfAllAndNothingIsLost) {
  constexpr int kCuts = 8;
  settings_.set_bandwidth_limit_bytes_per_second(40 << 20);  // cuts come in the middle of the sync
  StartWriting(2);
  StartOverLine();
  std::mt19937 random(31);
  for (int i = 0; i < kCuts; ++i) {
    const int before = line_->connections();
    const auto open = [&] {
      return line_->connections() >= before + (i == 0 ? GetParam() : 0) &&
             engine_->Progress().connected_generation() == generation_;
    };
    for (int tries = 0; tries < 400 && !open(); ++tries) absl::SleepFor(absl::Milliseconds(10));
    ASSERT_TRUE(open());
    absl::SleepFor(absl::Milliseconds(50 + random() % 300));
    const int connections = line_->connections();
    line_->CutOne(static_cast<int>(random()) & (GetParam() - 1));
    for (int tries = 0; tries < 1000 && line_->connections() < connections + GetParam(); ++tries)
      absl::SleepFor(absl::Milliseconds(10));
    EXPECT_GE(line_->connections(), connections + GetParam()) << "all lanes are opened anew";
  }
  StopWriting();
  ExpectReplicaEqualsSource();
}

TEST_P(LanesTest, TheSettingCountsAtOnce) {
  StartOverLine();
  AwaitPoint("");
  const int before = line_->connections();
  settings_.set_lane_count(3);
  Direct("");
  for (int tries = 0; tries < 500 && line_->connections() < before + 3; ++tries)
    absl::SleepFor(absl::Milliseconds(10));
  EXPECT_EQ(line_->connections(), before + 3);
  Churn(7, 50);
  ExpectReplicaEqualsSource();
}

TEST_P(LanesTest, AWorkerMayGrantFewer) {
  StopWorker();
  worker_options_.max_lanes = 1;
  StartWorker(2);
  StartOverLine();
  Churn(8, 50);
  ExpectReplicaEqualsSource();
  EXPECT_EQ(line_->connections(), 1);
}

// The session alone, as the engine uses it: what is on its way stays within the credit, whatever
// the lanes do, and whoever sends waits.
TEST_P(LanesTest, TheCreditIsOneForAllLanes) {
  constexpr std::int64_t kCredit = 6 << 20, kRate = 8 << 20, kFrame = 1 << 20;
  StopWorker();
  worker_options_.credit = {.initial = kCredit, .least = kCredit, .most = kCredit};
  worker_options_.bandwidth_limit_bytes_per_second = kRate;
  StartWorker(2);
  pb::Open open;
  open.set_source_server(absl::StrCat("sourceServers/", kServer));
  open.set_lease_generation(2);
  open.set_session_id(NewUuid());
  open.set_lane_count(GetParam());
  open.add_disks()->set_disk_id(device_.disk_id);
  open.mutable_disks(0)->set_size_bytes(kBytes);
  ASSERT_OK_AND_ASSIGN(
      const auto session,
      BlockSession::Open(
          [this] {
            return rpc::Dial(absl::StrCat("127.0.0.1:", port_),
                             *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)),
                             pki_.Issue(absl::StrCat("agent/", kServer)), rpc::Traffic::kData);
          },
          open, {.durable = [](const InFlight&) {}, .hash_diff = [](const pb::HashDiff&) {}}));
  EXPECT_EQ(session->lanes(), GetParam());
  const std::string content = loop_.Read();
  std::int64_t sent = 0, most = 0;
  for (std::uint64_t i = 0; i < kBytes >> 20; ++i) {
    pb::AgentFrame frame;
    pb::Data& data = *frame.mutable_data();
    data.set_first_block(i * 16);
    data.set_present(0xffff);
    data.set_codec(pb::CODEC_NONE);
    data.set_payload(content.substr(i << 20, kFrame));
    data.set_checksum(block::Checksum(
        {reinterpret_cast<const std::uint8_t*>(data.payload().data()), data.payload().size()}));
    ASSERT_OK(session->Send(std::move(frame), {.blocks = {i * 16, 0xffff}, .bytes = kFrame}));
    sent += kFrame;
    most = std::max(most, sent - host_->List()[0].received_bytes);
  }
  EXPECT_LE(most, kCredit);
  EXPECT_GE(most, kCredit - 2 * kFrame) << "it is used";
  ASSERT_OK(session->Flush(absl::Seconds(60)));
  EXPECT_TRUE(session->AllDurable());
  EXPECT_EQ(host_->List()[0].received_bytes, static_cast<std::int64_t>(kBytes));
}

// A worker in a process of its own, so that it can be killed. Told by the environment what to do.
TEST(WorkerProcess, Child) {
  const char* const text = std::getenv("GODWIT_TEST_WORKER");
  if (text == nullptr) GTEST_SKIP() << "started by AKilledWorkerLosesNothingItPromised";
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  ASSERT_OK_AND_ASSIGN(const auto store, store::OpenFileStore(words[0] + "/store"));
  worker::LeaseTable leases(RealClock());
  const store::DiskSpec disk{
      .disk_id = words[1], .device_name = "/dev/disk0", .size_bytes = kBytes, .is_boot_disk = true};
  leases.Renew(RealClock().Monotonic(), absl::Minutes(10),
               {{kServer, {.generation = std::atoi(words[3].c_str()), .disks = {disk}}}});
  worker::GroupHost host(*store, leases);
  worker::BlockStreamService service(
      host, leases, {}, [](const std::string&, std::int64_t, const store::PointFacts&) {});
  ASSERT_OK_AND_ASSIGN(const rpc::TlsMaterial tls, rpc::LoadTls(words[0] + "/worker-tls"));
  ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({.listen = "127.0.0.1:" + words[2],
                                                              .tls = tls,
                                                              .traffic = rpc::Traffic::kData},
                                                             {&service}));
  absl::SleepFor(absl::Minutes(1));  // the end comes before
}

TEST_P(LanesTest, AKilledWorkerLosesNothingItPromised) {
  pki_.Write(absl::StrCat("worker/", kWorker), dir_ / "worker-tls");
  StopWorker();
  settings_.set_bandwidth_limit_bytes_per_second(40 << 20);
  StartWriting(3);
  std::mt19937 random(17);
  for (generation_ = 2; generation_ < 7; ++generation_) {
    ASSERT_OK_AND_ASSIGN(
        Process child,
        Process::Start(
            {.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                         "--gtest_filter=WorkerProcess.Child"},
             .log = dir_ / absl::StrCat("worker", generation_),
             .environment = {{"GODWIT_TEST_WORKER", absl::StrCat(dir_.path(), " ", device_.disk_id,
                                                                 " ", port_, " ", generation_)}}}));
    if (generation_ == 2) StartAgent();
    Direct("");
    const auto open = [&] { return engine_->Progress().connected_generation() == generation_; };
    for (int tries = 0; tries < 1500 && !open(); ++tries) absl::SleepFor(absl::Milliseconds(10));
    ASSERT_TRUE(open()) << child.Log();
    absl::SleepFor(absl::Milliseconds(100 + random() % 700));
    child.Signal(SIGKILL);
    ASSERT_OK(child.Wait(absl::Seconds(10)));
  }
  StartWorker(generation_);
  Direct("");
  StopWriting();
  ExpectReplicaEqualsSource();
}

}  // namespace
}  // namespace godwit::agent
