// Sessions of several lanes, and agents that break their rules.
#include <thread>

#include "tests/rpc/services/replication/worker/block_stream_fixture.h"

namespace godwit::worker {
namespace {

class WorkerLanesTest : public BlockStreamTest {
 protected:
  static pb::AgentFrame OpenLane(int lane, int count, const std::string& session) {
    pb::AgentFrame frame = OpenFrame();
    frame.mutable_open()->set_lane(lane);
    frame.mutable_open()->set_lane_count(count);
    frame.mutable_open()->set_session_id(session);
    return frame;
  }
  std::unique_ptr<Stream> Lane(int lane, int count = 3) {
    auto stream = Connect();
    stream->stream->Write(OpenLane(lane, count, session_));
    opened_ =
        stream->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); }).opened();
    EXPECT_EQ(opened_.lane_count(), count);
    return stream;
  }
  static pb::AgentFrame After(pb::AgentFrame frame, const std::vector<std::uint64_t>& sequences) {
    frame.mutable_after()->Add(sequences.begin(), sequences.end());
    return frame;
  }
  static pb::AgentFrame Begin() {
    pb::AgentFrame frame;
    frame.mutable_epoch_begin()->set_epoch(1);
    return frame;
  }
  static pb::AgentFrame Commit() {
    pb::AgentFrame frame;
    frame.mutable_epoch_commit()->set_epoch(1);
    frame.mutable_epoch_commit()->set_consistency(pb::Point::CRASH_CONSISTENT);
    frame.mutable_epoch_commit()->mutable_cut_time()->set_seconds(1);
    return frame;
  }
  static pb::AgentFrame Ask(std::uint64_t block, char value) {
    pb::AgentFrame frame;
    const std::string content(kBlockSize, value);
    const block::Digest digest =
        block::DigestOf({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
    frame.mutable_hashes()->set_first_block(block);
    frame.mutable_hashes()->set_digests(
        std::string(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()));
    return frame;
  }
  std::string session_ = NewUuid();
  pb::Opened opened_;
};

TEST_F(WorkerLanesTest, ACommitWaitsForWhatOtherLanesWereGivenBefore) {
  auto first = Lane(0), second = Lane(1), third = Lane(2);
  first->Send(DataFrame(0, 'a'));
  // The frames of the other lanes are still on their way.
  first->Send(After(Begin(), {1, 2}));
  first->Send(After(Commit(), {1, 2}));
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(points_, 0);
  second->Send(DataFrame(1, 'b'));
  third->Send(DataFrame(2, 'c'));
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(points_, 0);
  third->Send(DataFrame(3, 'd'));
  EXPECT_EQ(first->Await([](const pb::WorkerFrame& frame) { return frame.has_epoch_committed(); })
                .epoch_committed()
                .epoch(),
            1);
  EXPECT_EQ(points_, 1);
}

TEST_F(WorkerLanesTest, APatchAndAQuestionComeAfterTheBlocksOfOtherLanes) {
  auto first = Lane(0, 2), second = Lane(1, 2);
  pb::AgentFrame patch;
  patch.mutable_patch()->mutable_runs()->Add(5 * 128);
  patch.mutable_patch()->mutable_runs()->Add(128);
  patch.mutable_patch()->set_codec(pb::CODEC_NONE);
  patch.mutable_patch()->set_payload(DataFrame(0, 'p').data().payload());
  patch.mutable_patch()->set_checksum(DataFrame(0, 'p').data().checksum());
  const auto differs = [&] {
    return first->Await([](const pb::WorkerFrame& frame) { return frame.has_hash_diff(); })
        .hash_diff()
        .differs();
  };
  const std::string none(1, '\0');
  first->Send(After(patch, {1}));
  first->Send(After(Ask(6, 'n'), {2}));
  absl::SleepFor(absl::Milliseconds(200));
  second->Send(DataFrame(5, 'o'));  // older than the patch
  second->Send(DataFrame(6, 'n'));  // older than the question
  EXPECT_EQ(differs(), none);
  first->Send(After(Ask(5, 'p'), {2}));
  EXPECT_EQ(differs(), none);
}

TEST_F(WorkerLanesTest, AcknowledgementsOfAllLanesComeOnTheFirst) {
  auto first = Lane(0), second = Lane(1), third = Lane(2);
  second->Send(DataFrame(1, 'b'));
  third->Send(DataFrame(2, 'c'));
  third->Send(DataFrame(3, 'd'));
  pb::AgentFrame flush;
  flush.mutable_flush();
  first->Send(After(flush, {1, 2}));
  const pb::WorkerFrame ack = first->Await(
      [](const pb::WorkerFrame& frame) { return frame.ack().durable_sequence() >= 1; });
  ASSERT_EQ(ack.ack().lanes_size(), 2);
  EXPECT_EQ(ack.ack().lanes(0).durable_sequence(), 1u);
  EXPECT_EQ(ack.ack().lanes(1).durable_sequence(), 2u);
}

TEST_F(WorkerLanesTest, WhatMustBeOnTheFirstIsRefusedElsewhere) {
  auto first = Lane(0, 2), second = Lane(1, 2);
  second->Send(Begin());
  EXPECT_THAT(second->End(), StatusIs(absl::StatusCode::kInvalidArgument, "only Data and Zero"));
  EXPECT_THAT(first->End(), StatusIs(absl::StatusCode::kInvalidArgument, "only Data and Zero"))
      << "one end for all";
  session_ = NewUuid();
  first = Lane(0, 2), second = Lane(1, 2);
  first->Send(Begin());
  EXPECT_THAT(first->End(), StatusIs(absl::StatusCode::kInvalidArgument, "after"));
}

TEST_F(WorkerLanesTest, ALaneBelongsToTheSessionThatIsThere) {
  EXPECT_THAT(OpenWith(OpenLane(1, 2, session_)),
              StatusIs(absl::StatusCode::kUnavailable, "session_id"))
      << "none is there";
  auto first = Lane(0, 2), second = Lane(1, 2);
  EXPECT_THAT(OpenWith(OpenLane(1, 2, NewUuid())),
              StatusIs(absl::StatusCode::kUnavailable, "session_id"));
  EXPECT_THAT(OpenWith(OpenLane(1, 3, session_)),
              StatusIs(absl::StatusCode::kUnavailable, "session_id"));
  EXPECT_THAT(OpenWith(OpenLane(1, 2, session_)),
              StatusIs(absl::StatusCode::kInvalidArgument, "open already"));
}

TEST_F(WorkerLanesTest, TheEndOfOneLaneEndsTheOthersAndLateOnesAreRefused) {
  auto first = Lane(0), second = Lane(1);
  second->context.TryCancel();
  EXPECT_EQ(
      first->Await([](const pb::WorkerFrame& frame) { return frame.has_ended(); }).ended().code(),
      static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_THAT(OpenWith(OpenLane(2, 3, session_)),
              StatusIs(absl::StatusCode::kUnavailable, "ended"));
}

TEST_F(WorkerLanesTest, NoMoreThanEightAreGranted) {
  auto stream = Connect();
  stream->stream->Write(OpenLane(0, 16, session_));
  EXPECT_EQ(stream->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); })
                .opened()
                .lane_count(),
            8);
}

}  // namespace
}  // namespace godwit::worker
