// The block stream under agents that break its rules: the status says what is wrong, and what was
// durable stays.
#include <map>
#include <thread>

#include "tests/rpc/services/replication/worker/block_stream_fixture.h"

namespace godwit::worker {
namespace {

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
  ASSERT_OK_AND_ASSIGN(server_, rpc::Server::Start({.listen = "127.0.0.1:0",
                                                    .tls = pki_.Issue("worker/w-0123456789abcdef0"),
                                                    .traffic = rpc::Traffic::kData},
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
