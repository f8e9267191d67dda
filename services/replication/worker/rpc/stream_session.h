// One stream (lane) of an agent, from Opened to its end.
#pragma once

#include <atomic>
#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/engine/frames.h"
#include "services/replication/worker/engine/work.h"
#include "services/replication/worker/rpc/block_stream_service.h"

namespace godwit::worker {

// Run() writes blocks on the caller's thread, a second one receives them; on lane 0 a third makes
// durable and acknowledges what came on all lanes.
class StreamSession {
 public:
  using Stream =
      grpc::ServerReaderWriter<replication::v1::WorkerFrame, replication::v1::AgentFrame>;
  struct Flow {
    std::function<void()> cancel;  // ends a blocked read
    std::function<bool()> cancelled;
    FairShare* share = nullptr;  // bounds how fast frames are read; null: nothing does
    Turns *frames = nullptr, *syncs = nullptr;
  };
  // All must outlive it.
  StreamSession(HostedGroup& hosted, SessionLanes& lanes, const LeaseTable& leases,
                const BlockStreamService::Options& options,
                const BlockStreamService::Committed& committed, int lane, Stream& stream, Flow flow)
      : hosted_(hosted),
        group_(*hosted.group),
        lanes_(lanes),
        leases_(leases),
        options_(options),
        committed_(committed),
        lane_(lane),
        stream_(stream),
        flow_(std::move(flow)),
        credit_(options.credit, RealClock()) {}
  // Until the agent ends the stream (OK) or something fails.
  absl::Status Run();

 private:
  absl::Status Serve();
  // Of the session: this lane ends, too.
  void Fail(const absl::Status& status);
  absl::Status SendOpened();
  // What the frame must not overtake on other lanes was taken; also refuses what must be on lane 0.
  absl::Status AwaitTurn(const replication::v1::AgentFrame& frame);
  absl::Status Take(const replication::v1::AgentFrame& frame);
  absl::Status TakeData(const replication::v1::Data& data);
  absl::Status TakePatch(const replication::v1::Patch& patch);
  absl::Status TakeHashes(const replication::v1::AgentFrame& frame);
  absl::Status TakeCommit(const replication::v1::EpochCommit& commit);
  // Returns once the next frame may be read, after one of `bytes`; also when the stream ends.
  void AwaitShare(std::int64_t bytes);
  // What a commit means for the disk, in bytes.
  std::int64_t CommitCost(bool interim);
  double Weight() const { return leases_.Weight(hosted_.server); }
  // Syncs and acknowledges everything received so far.
  absl::Status MakeDurable();
  void Acknowledge();
  absl::Status SendAck(const std::vector<SessionLanes::Position>& lanes);
  absl::Status Send(const replication::v1::WorkerFrame& frame);
  // Tells the agent why the stream ends and gives it time to end it.
  void Tell(const absl::Status& status);
  void ReadFrames();
  // False: the stream ended.
  bool NextFrame(replication::v1::AgentFrame* frame);
  // The stream ended: what came last becomes a point.
  void Rest();
  absl::StatusOr<std::uint64_t> DiskBytes(std::uint32_t disk) const;

  HostedGroup& hosted_;
  store::Group& group_;
  SessionLanes& lanes_;
  const LeaseTable& leases_;
  const BlockStreamService::Options& options_;
  const BlockStreamService::Committed& committed_;
  const int lane_;
  Stream& stream_;
  const Flow flow_;
  FrameDecoder decoder_;
  std::int64_t epoch_begun_ = 0;

  absl::Mutex write_mutex_;                      // of stream_.Write
  Credit credit_;                                // acknowledging thread only
  std::atomic<std::int64_t> round_trip_us_ = 0;  // as the agent says

  absl::Mutex mutex_;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  // Received and not written yet, on all lanes.
  static constexpr std::int64_t kMostQueued = std::int64_t{4} << 20;
  std::deque<replication::v1::AgentFrame> queued_ ABSL_GUARDED_BY(mutex_);
  std::int64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool read_all_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::worker
