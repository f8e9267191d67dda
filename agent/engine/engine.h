// Keeps the replica of all disks equal to the source: initial sync, copy rounds, rescans, cuts.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/capture_stream.h"
#include "agent/engine/convergence.h"
#include "agent/engine/first_blocks.h"
#include "agent/engine/follow_gate.h"
#include "agent/engine/freezer.h"
#include "agent/engine/health.h"
#include "agent/engine/read_ahead.h"
#include "agent/engine/sender.h"
#include "agent/engine/source_disk.h"
#include "agent/engine/stages.h"
#include "agent/state/replica_state.h"
#include "agent/uplink/block_session.h"
#include "godwit/replication/v1/agent_service.pb.h"
#include "services/common/base/clock.h"
#include "services/common/block/hash.h"

namespace godwit::agent {

// Thread-safe. The engine has a thread of its own between Start and Stop.
class Engine {
 public:
  struct Options {
    std::string source_server;  // sourceServers/{s}
    std::string state_path;     // of ReplicaState
    std::string boot_id;
    std::string quiesce_folder = "/etc/godwit/quiesce.d", resume_folder = "/etc/godwit/resume.d";
    absl::Duration hook_limit = absl::Seconds(120);
    // "major:minor" of the disks and their partitions, for the freeze.
    std::vector<std::string> devices;
    // Blocks left over when a cut freezes: at most so many bytes are read while frozen.
    std::int64_t max_frozen_bytes = std::int64_t{64} << 20;
    // Begin to freeze when less than this is pending.
    std::int64_t converged_bytes = std::int64_t{4} << 20;
    // Captured writes that are held in memory until they are sent.
    std::int64_t max_redo_bytes = std::int64_t{64} << 20;
    // How fast the replica is compared with the source when nobody asked for it.
    std::int64_t verify_bytes_per_second = std::int64_t{8} << 20;
    // Between two interim epochs while writes are captured.
    absl::Duration follow_interval = absl::Milliseconds(300);
    Convergence::Options convergence;
    // What is sent first: where the machine's files are ("" for "/"), and how much of them.
    std::string root;
    Picker::Limits first;
  };
  using Dial = std::function<std::shared_ptr<grpc::Channel>(const replication::v1::Assignment&)>;
  // `capture`: of `disks`, in their order; null where the kernel cannot do it: then points are made
  // by freezing the file systems.
  Engine(Options options, std::vector<std::unique_ptr<SourceDisk>> disks,
         std::unique_ptr<WriteCapture> capture, Freezer* freezer, Dial dial);
  ~Engine() { Stop(); }
  void Start();
  void Stop();

  // What the coordinator wants now; replaces the directive before.
  void SetDirective(const replication::v1::Directive& directive);
  // For the heartbeat.
  replication::v1::AgentProgress Progress();
  // The end of a point request, until the coordinator stops asking for it.
  std::optional<replication::v1::PointReport> Report();
  // What is sent first, for people; see FirstBlocks.
  std::string FirstBlocksText() ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes the trackers out of the kernel. After Stop.
  absl::Status Detach();

 private:
  // Content read while frozen.
  struct Captured {
    std::uint32_t disk;
    BlockGroup blocks;
    std::unique_ptr<block::AlignedBuffer> plain;
    std::size_t size;
  };
  struct Asked {
    std::uint32_t disk;
    std::uint64_t first, count;
    bool verify = false;
  };
  // Blocks that were read to be compared.
  struct HeldRun {
    std::uint32_t disk = 0;
    std::uint64_t first = 0;
    std::vector<block::Digest> digests;
  };
  // Sent between two looks at the directive and the marks, at most.
  static constexpr std::int64_t kSliceBytes = std::int64_t{16} << 20;
  // Attempts of one point request before it fails.
  static constexpr int kMaxOrderAttempts = 8;

  void Loop();
  // One session with the worker, until it fails or the directive changes.
  absl::Status Replicate(const replication::v1::Assignment& assignment);
  absl::Status Send(const replication::v1::Assignment& assignment, BlockSession& session,
                    Sender& sender);
  struct Work {
    replication::v1::AgentSettings settings;
    bool initial = false, rescanning = false;
    std::int64_t pending = 0;
    std::optional<replication::v1::PointOrder> order;
  };
  // What there is to do now; sets the phase.
  Work LookForWork();
  absl::Status Reconcile(const replication::v1::Opened& opened);
  // Takes unused blocks of disks that must be sent or compared as a whole off the list, when
  // whole_disks_ says that there are such.
  absl::Status LeaveOutUnused();
  // The same, and what is to travel first is found (first.cc).
  absl::Status BeginWhole();
  void PlanFirst();
  void SweepFirst();
  // As BeginPending, of what travels first.
  std::int64_t BeginFirst(std::size_t most);
  // How many there were.
  absl::StatusOr<std::uint64_t> TakeMarks(bool exact = false,
                                          std::vector<BlockPlace>* fresh = nullptr);
  // Sends hashes of what is unverified; true when something was sent.
  absl::StatusOr<bool> Rescan(BlockSession& session);
  // Sends pending blocks, at most about `limit` bytes; true when something was sent.
  absl::StatusOr<bool> SendPending(Sender& sender, std::int64_t limit);
  // Begins to read the next pending blocks of a disk, at most `most` bytes; how many: 0 when none
  // is pending.
  std::int64_t BeginPending(std::size_t index, std::size_t most);
  // The blocks are sent as they are read from now on.
  void TakeToSend(std::size_t index, const BlockGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t BeginToRead(std::size_t index, const BlockGroup& group);
  // The piece that was begun first, once it is read.
  ReadAhead::Piece& Read();
  // Adds what the session sent since the last call to what Progress tells.
  void CountTraffic(const Sender& sender);
  // Makes a point, with an order the one that it asks for; or an interim epoch.
  absl::Status Cut(BlockSession& session, Sender& sender, const replication::v1::PointOrder* order,
                   bool interim);
  // Keeps account of a cut that ended; how long to wait before the next point.
  absl::Duration EndCut(const absl::Status& status, const replication::v1::PointOrder* order);
  // Sends what the point needs; *facts receives what EpochCommit says of it.
  absl::Status CutByFreeze(Sender& sender, const std::vector<MountedFileSystem>& mounts,
                           replication::v1::EpochCommit* facts);

  // Following (follow.cc): writes are captured all the time, and any moment can be made an epoch.
  // Reads and sends what captured writes do not explain, until window_ and what was sent are the
  // source at *cut_time.
  absl::Status Gather(BlockSession& session, Sender& sender, absl::Time* cut_time);
  // One look at what changed: marks, then captured writes, which explain most of the marks.
  absl::Status Look(bool exact, absl::Time* upto);
  // window_ is committed: the replica follows the source, unless that would overflow again.
  void Followed();
  // No more capture: what was captured and not committed is pending.
  void StopFollowing();

  // Freezes, captures, thaws; *facts receives what EpochCommit says of it.
  absl::Status FreezeAndCapture(const std::vector<MountedFileSystem>& mounts,
                                std::vector<Captured>* captured,
                                replication::v1::EpochCommit* facts);
  // Verification (verify.cc), while following.
  void BeginPass(const std::string& order);
  void EndPass();
  // Reads the next blocks to compare.
  absl::Status ReadToVerify();
  // Asks the worker for those of them that nobody wrote to since.
  absl::Status AskHeld(BlockSession& session);
  std::uint64_t NextToVerify(std::uint32_t* disk, std::uint64_t* first);
  // The block can be compared as it is; *later: perhaps later.
  bool Comparable(const BlockPlace& place, bool* later) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Compared(const Asked& asked, const replication::v1::HashDiff& diff)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CutQuiesced(BlockSession& session, Sender& sender,
                           const replication::v1::PointOrder* order, bool interim);
  absl::Status Quiesce(const replication::v1::PointOrder& order);
  absl::Status Converge(BlockSession& session, Sender& sender,
                        const std::vector<MountedFileSystem>& mounts);
  // Reads everything pending into memory, until nothing new is marked.
  absl::Status Capture(std::vector<Captured>* captured);
  // Undoes the quiesce hooks.
  void Resume();
  bool StillAssigned(const replication::v1::Assignment& assignment) ABSL_LOCKS_EXCLUDED(mutex_);
  bool SendingPaused() ABSL_LOCKS_EXCLUDED(mutex_);
  // By the settings as they are now.
  int LanesWanted() ABSL_LOCKS_EXCLUDED(mutex_);
  // Of what SendPending sends at a time: less when the limit is low, so that it takes about a
  // second.
  std::int64_t Slice();
  // Looks whether sending catches up with the source. Just after marks were taken, and those that
  // captured writes explain were put aside.
  void Predict() ABSL_LOCKS_EXCLUDED(mutex_);
  void TellPrediction(replication::v1::AgentProgress* progress)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::int64_t PendingBytes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetPhase(replication::v1::AgentProgress::Phase phase);
  void OnDurable(const InFlight& sent);
  void OnHashDiff(const replication::v1::HashDiff& diff);

  const Options options_;
  const std::vector<std::unique_ptr<SourceDisk>>
      disks_;                                    // their states are guarded by mutex_; Read is not
  const std::unique_ptr<CaptureStream> stream_;  // may be null
  Freezer* const freezer_;
  const Dial dial_;
  RateLimit limit_{RealClock()};
  ReplicaState state_;          // engine thread only
  absl::Time quiesced_at_;      // engine thread only
  bool whole_disks_ = false;    // engine thread only
  bool first_planned_ = false;  // engine thread only
  int lanes_ = 1;               // that the session was opened with; engine thread only
  // Of the present pass; engine thread only.
  std::string verify_order_;
  std::uint32_t verify_disk_ = 0;
  std::uint64_t verify_block_ = 0;
  std::vector<HeldRun> held_;
  std::deque<BlockPlace> later_;  // changed when it was their turn
  std::size_t later_left_ = 0;    // of them, in this round
  absl::Time later_since_, later_tried_, verified_at_;
  std::unique_ptr<block::AlignedBuffer> verify_buffer_;
  // Engine thread only: the replica is the source as of the last commit and what was captured
  // since.
  bool following_ = false;
  RedoLog window_;                    // captured and not committed; engine thread only
  FollowGate gate_;                   // engine thread only
  absl::Duration capture_began_;      // of the cut that may begin to follow; engine thread only
  std::int64_t captured_before_ = 0;  // engine thread only
  // When captured writes that were committed last touched a block. Their marks may come late.
  absl::flat_hash_map<BlockPlace, absl::Time> recent_;  // engine thread only
  absl::Time recent_swept_;                             // engine thread only

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  replication::v1::Directive directive_ ABSL_GUARDED_BY(mutex_);
  replication::v1::AgentProgress::Phase phase_ ABSL_GUARDED_BY(mutex_) =
      replication::v1::AgentProgress::CONNECTING;
  std::string error_ ABSL_GUARDED_BY(mutex_);
  replication::v1::Replication::StallCause stall_ ABSL_GUARDED_BY(mutex_) =
      replication::v1::Replication::STALL_CAUSE_UNSPECIFIED;
  int abandoned_cuts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t connected_generation_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string codec_ ABSL_GUARDED_BY(mutex_);  // as the last sender had it
  std::int64_t wire_bytes_ ABSL_GUARDED_BY(mutex_) = 0, plain_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t rate_bytes_ ABSL_GUARDED_BY(mutex_) = 0, rate_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time rate_since_ ABSL_GUARDED_BY(mutex_) = SteadyNow();
  Convergence convergence_ ABSL_GUARDED_BY(mutex_);
  bool first_point_ ABSL_GUARDED_BY(mutex_) = false;  // a point exists
  // The replica holds the source as of then; InfinitePast: not known.
  absl::Time consistent_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::string done_request_ ABSL_GUARDED_BY(mutex_);
  std::optional<replication::v1::PointReport> report_ ABSL_GUARDED_BY(mutex_);
  Health health_ ABSL_GUARDED_BY(mutex_);
  FirstBlocks first_ ABSL_GUARDED_BY(mutex_);
  std::deque<Asked> asked_ ABSL_GUARDED_BY(mutex_);  // hashes without an answer, in order
  int verify_asked_ ABSL_GUARDED_BY(mutex_) = 0;     // of them
  replication::v1::VerificationProgress verification_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> known_;  // disks that a session of this process settled; engine thread only
  std::vector<std::uint64_t> cursors_, hash_cursors_;    // engine thread only
  ReadAhead ahead_;                                      // engine thread only
  std::unique_ptr<block::AlignedBuffer> rescan_buffer_;  // engine thread only
  Stages stages_{RealClock()};
  std::int64_t wire_seen_ = 0, plain_seen_ = 0;  // of the session; engine thread only
  std::thread thread_;
};

}  // namespace godwit::agent
