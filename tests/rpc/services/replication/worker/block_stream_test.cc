// The block stream under agents that break its rules: the status says what is wrong, and what was
// durable stays.
#include <grpcpp/grpcpp.h>

#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/block/hash.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::worker {
namespace {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr char kDisk[] = "d-0123456789abcdef0";
constexpr std::int64_t kBytes = 64 * kBlockSize;

class BlockStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Lease(5);
    ASSERT_OK_AND_ASSIGN(server_,
                         rpc::Server::Start({.listen = "127.0.0.1:0",
                                             .tls = pki_.Issue("worker/w-0123456789abcdef0"),
                                             .max_message_bytes = 8 << 20},
                                            {&service_}));
  }
  void TearDown() override { host_.CloseAll(); }
  void Lease(std::int64_t generation) {
    leases_.Renew(RealClock().Monotonic(), absl::Minutes(10),
                  {{kServer,
                    {.generation = generation,
                     .disks = {{.disk_id = kDisk,
                                .device_name = "/dev/sda",
                                .size_bytes = static_cast<std::uint64_t>(kBytes),
                                .is_boot_disk = true}}}}});
  }

  // A scripted agent.
  struct Stream {
    std::unique_ptr<pb::BlockStream::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<pb::AgentFrame, pb::WorkerFrame>> stream;
    std::uint64_t sequence = 0;
    ~Stream() { context.TryCancel(); }
    bool Send(pb::AgentFrame frame) {
      frame.set_sequence(++sequence);
      return stream->Write(frame);
    }
    // The next frame that `wanted` accepts.
    template <typename F>
    pb::WorkerFrame Await(const F& wanted) {
      pb::WorkerFrame frame;
      while (stream->Read(&frame)) {
        if (wanted(frame)) return frame;
      }
      return {};
    }
    absl::Status End() {
      stream->WritesDone();
      pb::WorkerFrame frame;
      while (stream->Read(&frame)) {
      }
      return rpc::FromGrpc(stream->Finish());
    }
  };
  std::unique_ptr<Stream> Connect(const std::string& principal = absl::StrCat("agent/", kServer)) {
    auto stream = std::make_unique<Stream>();
    const auto channel =
        rpc::Dial(absl::StrCat("127.0.0.1:", server_->port()),
                  *rpc::ParsePrincipal("worker/w-0123456789abcdef0"), pki_.Issue(principal));
    stream->stub = pb::BlockStream::NewStub(channel);
    rpc::SetTimeout(stream->context, absl::Seconds(30));
    stream->stream = stream->stub->Replicate(&stream->context);
    return stream;
  }
  static pb::AgentFrame OpenFrame(std::int64_t generation = 5) {
    pb::AgentFrame frame;
    pb::Open& open = *frame.mutable_open();
    open.set_source_server(absl::StrCat("sourceServers/", kServer));
    open.set_lease_generation(generation);
    open.set_lane_count(1);
    open.set_session_id(NewUuid());
    open.add_disks()->set_disk_id(kDisk);
    open.mutable_disks(0)->set_size_bytes(kBytes);
    return frame;
  }
  std::unique_ptr<Stream> Opened() {
    auto stream = Connect();
    stream->stream->Write(OpenFrame());
    EXPECT_TRUE(stream->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); })
                    .has_opened());
    return stream;
  }
  absl::Status OpenWith(const pb::AgentFrame& open) {
    auto stream = Connect();
    stream->stream->Write(open);
    return stream->End();
  }
  static pb::AgentFrame DataFrame(std::uint64_t block, char value, std::size_t count = 1) {
    pb::AgentFrame frame;
    pb::Data& data = *frame.mutable_data();
    data.set_first_block(block);
    data.set_present((1u << count) - 1);
    data.set_codec(pb::CODEC_NONE);
    data.set_payload(std::string(count * kBlockSize, value));
    data.set_checksum(block::Checksum(
        {reinterpret_cast<const std::uint8_t*>(data.payload().data()), count * kBlockSize}));
    return frame;
  }
  static void Flush(Stream& stream) {
    pb::AgentFrame frame;
    frame.mutable_flush();
    stream.Send(frame);
    const std::uint64_t wanted = stream.sequence;
    EXPECT_EQ(
        stream.Await([&](const pb::WorkerFrame& f) { return f.ack().durable_sequence() >= wanted; })
            .ack()
            .durable_sequence(),
        wanted);
  }
  absl::Status SendBad(const pb::AgentFrame& frame) {
    auto stream = Opened();
    stream->Send(frame);
    return stream->End();
  }

  TempDir dir_;
  TestPki pki_;
  const std::unique_ptr<store::Store> store_ = *store::OpenFileStore(dir_ / "store");
  LeaseTable leases_{RealClock()};
  GroupHost host_{*store_, leases_};
  BlockStreamService service_{
      host_, leases_, {}, [](const std::string&, std::int64_t, const store::PointFacts&) {}};
  std::unique_ptr<rpc::Server> server_;
};

TEST_F(BlockStreamTest, OnlyTheServersOwnAgentUnderTheLeaseMayOpen) {
  EXPECT_EQ(OpenWith(DataFrame(0, 'a')).code(), absl::StatusCode::kInvalidArgument);
  pb::AgentFrame other = OpenFrame();
  other.mutable_open()->set_source_server("sourceServers/s-11111111111111111");
  EXPECT_THAT(OpenWith(other), StatusIs(absl::StatusCode::kPermissionDenied, "certificate"));
  EXPECT_THAT(OpenWith(OpenFrame(4)), StatusIs(absl::StatusCode::kAborted, "it holds 5"));
  pb::AgentFrame resized = OpenFrame();
  resized.mutable_open()->mutable_disks(0)->set_size_bytes(kBytes * 2);
  EXPECT_THAT(OpenWith(resized), StatusIs(absl::StatusCode::kAborted, "open.disks[0]"));
  pb::AgentFrame lanes = OpenFrame();
  lanes.mutable_open()->set_lane(3);
  EXPECT_THAT(OpenWith(lanes), StatusIs(absl::StatusCode::kInvalidArgument, "open.lane"));
  auto user = Connect("user/admin/alice");
  user->stream->Write(OpenFrame());
  EXPECT_EQ(user->End().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(BlockStreamTest, BadFramesEndTheStreamWithTheirReason) {
  pb::AgentFrame flipped = DataFrame(0, 'a');
  (*flipped.mutable_data()->mutable_payload())[7] ^= 1;
  EXPECT_THAT(SendBad(flipped), StatusIs(absl::StatusCode::kDataLoss, "checksum"));
  pb::AgentFrame disk = DataFrame(0, 'a');
  disk.mutable_data()->set_disk(9);
  EXPECT_THAT(SendBad(disk), StatusIs(absl::StatusCode::kInvalidArgument, "disk"));
  EXPECT_THAT(SendBad(DataFrame(64, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, "first_block"));
  pb::AgentFrame zero;
  zero.mutable_zero()->set_block_count(65);
  EXPECT_THAT(SendBad(zero), StatusIs(absl::StatusCode::kInvalidArgument, "first_block"));
  pb::AgentFrame hashes;
  hashes.mutable_hashes()->set_digests("short");
  EXPECT_THAT(SendBad(hashes), StatusIs(absl::StatusCode::kInvalidArgument, "hashes.digests"));
  pb::AgentFrame commit;
  commit.mutable_epoch_commit()->set_epoch(1);
  EXPECT_THAT(SendBad(commit), StatusIs(absl::StatusCode::kInvalidArgument, "not begun"));
  EXPECT_THAT(SendBad(OpenFrame()), StatusIs(absl::StatusCode::kInvalidArgument, "open already"));
  EXPECT_THAT(SendBad({}), StatusIs(absl::StatusCode::kInvalidArgument, "frame"));
  auto gap = Opened();
  ++gap->sequence;
  gap->Send(DataFrame(0, 'a'));
  EXPECT_THAT(gap->End(), StatusIs(absl::StatusCode::kInvalidArgument, "sequence"));
}

TEST_F(BlockStreamTest, WhatWasDurableStaysWhenTheStreamBreaks) {
  auto first = Opened();
  first->Send(DataFrame(3, 'x'));
  Flush(*first);
  pb::AgentFrame flipped = DataFrame(3, 'y');
  flipped.mutable_data()->set_checksum(1);
  first->Send(flipped);
  EXPECT_EQ(first->End().code(), absl::StatusCode::kDataLoss);
  auto second = Opened();
  pb::AgentFrame hashes;
  const std::string block(kBlockSize, 'x');
  const block::Digest digest =
      block::DigestOf({reinterpret_cast<const std::uint8_t*>(block.data()), block.size()});
  hashes.mutable_hashes()->set_first_block(3);
  hashes.mutable_hashes()->set_digests(
      std::string(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()));
  second->Send(hashes);
  const pb::WorkerFrame diff =
      second->Await([](const pb::WorkerFrame& frame) { return frame.has_hash_diff(); });
  EXPECT_EQ(diff.hash_diff().differs(), std::string(1, '\0'));
}

TEST_F(BlockStreamTest, ANewerSessionEndsTheOlderOne) {
  auto older = Opened();
  auto newer = Opened();
  EXPECT_FALSE(older->End().ok());
  newer->Send(DataFrame(1, 'n'));
  Flush(*newer);
}

TEST_F(BlockStreamTest, ServersShareTheWorkersLimit) {
  constexpr char kOther[] = "s-11111111111111111";
  constexpr std::int64_t kLimit = std::int64_t{6} << 20;
  const worker::Lease lease = *leases_.Find(kServer);
  leases_.Renew(RealClock().Monotonic(), absl::Minutes(10), {{kServer, lease}, {kOther, lease}});
  BlockStreamService limited(host_, leases_, {.bandwidth_limit_bytes_per_second = kLimit},
                             [](const std::string&, std::int64_t, const store::PointFacts&) {});
  ASSERT_OK_AND_ASSIGN(
      server_,
      rpc::Server::Start({.listen = "127.0.0.1:0", .tls = pki_.Issue("worker/w-0123456789abcdef0")},
                         {&limited}));
  // One sends single blocks, the other frames of eight; both as fast as they can.
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::thread> senders;
  for (const char* name : {kServer, kOther}) {
    pb::AgentFrame open = OpenFrame();
    open.mutable_open()->set_source_server(absl::StrCat("sourceServers/", name));
    streams.push_back(Connect(absl::StrCat("agent/", name)));
    streams.back()->stream->Write(open);
    const pb::WorkerFrame opened =
        streams.back()->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); });
    EXPECT_EQ(opened.opened().credit_bytes(), kLimit * 5);
    senders.emplace_back([stream = streams.back().get(), large = name == kOther] {
      const pb::AgentFrame frame = large ? DataFrame(0, 'x', 8) : DataFrame(0, 'y');
      while (stream->Send(frame)) {
      }
    });
  }
  const auto received = [&] {
    std::map<std::string, double> bytes;
    for (const auto& group : host_.List()) bytes[group.server] = double(group.received_bytes);
    return bytes;
  };
  absl::SleepFor(absl::Milliseconds(500));  // what the buffers hold is in
  auto before = received();
  const absl::Time from = absl::Now();
  absl::SleepFor(absl::Seconds(3));
  auto after = received();
  const double expected = kLimit * absl::ToDoubleSeconds(absl::Now() - from);
  for (const auto& stream : streams) stream->context.TryCancel();
  for (std::thread& sender : senders) sender.join();
  streams.clear();
  server_.reset();
  const double small = after[kServer] - before[kServer], large = after[kOther] - before[kOther];
  EXPECT_LT(small + large, expected * 1.1);
  EXPECT_GT(small + large, expected * 0.8);
  EXPECT_NEAR(small, large, expected * 0.1);
  RecordProperty("of_limit_percent", static_cast<int>(100 * (small + large) / expected));
}

TEST_F(BlockStreamTest, NothingIsAcknowledgedAsDurableWithoutALease) {
  auto stream = Opened();
  leases_.DropAll();
  stream->Send(DataFrame(1, 'n'));
  const pb::WorkerFrame ack = stream->Await(
      [](const pb::WorkerFrame& frame) { return frame.ack().durable_sequence() > 0; });
  EXPECT_FALSE(ack.has_ack());
  EXPECT_FALSE(stream->End().ok());
}

}  // namespace
}  // namespace godwit::worker
