// The setting "encrypt staging" on its way from the registry to the files of a real worker, and
// what the operator hears when it cannot be had.
#include <filesystem>
#include <fstream>

#include "godwit/replication/v1/block_stream.grpc.pb.h"
#include "services/common/block/hash.h"
#include "tests/rpc/services/replication/coordinator/coordinator_fixture.h"
#include "tests/support/process.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

constexpr char kWorker[] = "w-0123456789abcdef0";

class EncryptionTest : public CoordinatorTest {
 protected:
  void SetEncryption(bool wanted) {
    ::godwit::registry::v1::ReplicationSettings settings;
    settings.set_encrypt_staging(wanted);
    settings.set_never_freeze(true);
    registry_.Set(kServer, {.agent_allowed = true, .settings = settings.SerializeAsString()});
  }
  void StartWorker(bool with_key) {
    pki_.Write(absl::StrCat("worker/", kWorker), dir_ / "tls");
    const std::string keys = dir_ / "master.keys";
    if (with_key) {
      ASSERT_OK_AND_ASSIGN(Process generate,
                           Process::Start({.command = {Program("godwit-replication-worker"), "keys",
                                                       "generate", "--master-key-file", keys},
                                           .log = dir_ / "keys.log"}));
      ASSERT_OK_AND_ASSIGN(const int status, generate.Wait(absl::Seconds(20)));
      ASSERT_EQ(status, 0) << generate.Log();
    }
    std::vector<std::string> command = {Program("godwit-replication-worker"),
                                        "--store",
                                        dir_ / "store",
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--tls-dir",
                                        dir_ / "tls",
                                        "--replication",
                                        absl::StrCat("127.0.0.1:", server_->port())};
    if (with_key) command.insert(command.end(), {"--master-key-file", keys});
    ASSERT_OK_AND_ASSIGN(worker_, Process::Start({.command = command, .log = dir_ / "worker.log"}));
    ASSERT_OK_AND_ASSIGN(port_, worker_.WaitForPort());
  }
  // The scripted agent opens its stream as soon as it is told where, writes a block and hangs up:
  // what the worker said.
  absl::Status Stream() {
    absl::Status status = absl::UnavailableError("no lease");
    Eventually([&] {
      const auto directive = AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30);
      if (!directive.ok() || directive->action() != pb::Directive::REPLICATE) return false;
      status = StreamUnder(directive->assignment().lease_generation());
      return !absl::IsAborted(status) && !absl::IsUnavailable(status);
    });
    return status;
  }
  absl::Status StreamUnder(std::int64_t generation) {
    const auto channel = rpc::Dial(absl::StrCat("127.0.0.1:", port_),
                                   *rpc::ParsePrincipal(absl::StrCat("worker/", kWorker)),
                                   pki_.Issue(absl::StrCat("agent/", kServer)));
    const auto stub = pb::BlockStream::NewStub(channel);
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    const auto stream = stub->Replicate(&context);
    pb::AgentFrame first;
    pb::Open& open = *first.mutable_open();
    open.set_source_server(Name());
    open.set_lease_generation(generation);
    open.set_lane_count(1);
    open.set_session_id(NewUuid());
    open.add_disks()->set_disk_id(kDisk);
    open.mutable_disks(0)->set_size_bytes(1 << 30);
    stream->Write(first);
    const std::string content = Block();
    pb::AgentFrame frame;
    frame.set_sequence(1);
    frame.mutable_data()->set_present(1);
    frame.mutable_data()->set_codec(pb::CODEC_NONE);
    frame.mutable_data()->set_payload(content);
    frame.mutable_data()->set_checksum(
        block::Checksum({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}));
    stream->Write(frame);
    stream->WritesDone();
    pb::WorkerFrame answer;
    while (stream->Read(&answer)) {
    }
    return rpc::FromGrpc(stream->Finish());
  }
  static std::string Block() {
    std::string block;
    while (block.size() < block::kBlockSize) block += "Recognisable plain text, 32 byte";
    return block;
  }
  // Files of the store that hold the block in plain text.
  int PlainFiles() {
    int found = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "store")) {
      if (!entry.is_regular_file()) continue;
      // The block is the first of its disk.
      std::string bytes(4 << 20, '\0');
      std::ifstream(entry.path()).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      found += bytes.find("Recognisable") != std::string::npos ? 1 : 0;
    }
    return found;
  }
  std::string Folder() { return dir_ / absl::StrCat("store/groups/", kServer); }

  TempDir dir_;
  Process worker_;
  int port_ = 0;
};

TEST_F(EncryptionTest, TheSettingReachesTheStore) {
  SetEncryption(true);
  ASSERT_OK(StartServer());
  StartWorker(/*with_key=*/true);
  ASSERT_OK(Stream());
  EXPECT_TRUE(std::filesystem::exists(Folder() + "/group.key"));
  EXPECT_EQ(PlainFiles(), 0);
}

TEST_F(EncryptionTest, WithoutTheSettingNothingIsEncrypted) {
  SetEncryption(false);
  ASSERT_OK(StartServer());
  StartWorker(/*with_key=*/true);
  ASSERT_OK(Stream());
  EXPECT_FALSE(std::filesystem::exists(Folder() + "/group.key"));
  EXPECT_EQ(PlainFiles(), 1);
  // The setting comes later: the replica is refused, the operator hears why, nothing is lost.
  SetEncryption(true);
  EXPECT_TRUE(Eventually([&] {
    AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30).IgnoreError();
    return absl::IsFailedPrecondition(Stream());
  }));
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::STALLED; }));
  EXPECT_THAT(Get().error().message(), HasSubstr("stop replication and start it again"));
  EXPECT_EQ(PlainFiles(), 1);
  // And goes on when it is taken back.
  SetEncryption(false);
  EXPECT_TRUE(Eventually([&] { return Stream().ok(); }));
  EXPECT_TRUE(Eventually([&] {
    AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30).IgnoreError();
    return Get().state() != pb::Replication::STALLED;
  })) << Get().ShortDebugString();
}

TEST_F(EncryptionTest, AWorkerWithoutAKeyRefusesAndTheOperatorHearsWhy) {
  SetEncryption(true);
  ASSERT_OK(StartServer());
  StartWorker(/*with_key=*/false);
  const absl::Status refused = Stream();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("--master-key-file"));
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::STALLED; }));
  EXPECT_THAT(Get().error().message(), HasSubstr("--master-key-file"));
  EXPECT_EQ(Get().stall_cause(), pb::Replication::FAILED_TO_CREATE_STAGING_DISKS);
  EXPECT_EQ(PlainFiles(), 0);
  // With a key it goes on.
  ASSERT_OK(worker_.Terminate());
  StartWorker(/*with_key=*/true);
  ASSERT_OK(Stream());
  EXPECT_TRUE(std::filesystem::exists(Folder() + "/group.key"));
}

}  // namespace
}  // namespace godwit::coordinator
