#include "services/replication/worker/rpc/block_stream_service.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/worker/rpc/stream_session.h"

namespace godwit::worker {
namespace pb = ::godwit::replication::v1;

namespace {

// Fewer may be granted.
constexpr int kMostAsked = 16;

// The Open frame against the certificate and the lease.
absl::StatusOr<std::string> CheckOpen(const pb::AgentFrame& frame, const std::string& peer,
                                      const LeaseTable& leases) {
  if (!frame.has_open()) return rpc::FieldError("open", "the first frame must be Open");
  const pb::Open& open = frame.open();
  ASSIGN_OR_RETURN(const std::string server,
                   ParseName("open.source_server", "sourceServers", "s-", open.source_server()));
  if (server != peer) {
    return absl::PermissionDeniedError(
        absl::StrCat("open.source_server: the certificate is of ", peer, ", not of ", server));
  }
  RETURN_IF_ERROR(CheckUuid("open.session_id", open.session_id()));
  if (open.lane_count() < 1 || open.lane_count() > kMostAsked || open.lane() < 0 ||
      open.lane() >= open.lane_count()) {
    return rpc::FieldError("open.lane",
                           absl::StrCat("lanes are 0 to lane_count - 1, at most ", kMostAsked));
  }
  RETURN_IF_ERROR(leases.Check(server, open.lease_generation()));
  const std::optional<Lease> lease = leases.Find(server);
  if (!lease || static_cast<std::size_t>(open.disks_size()) != lease->disks.size()) {
    return absl::AbortedError("open.disks: not the disks of the lease; ask the coordinator");
  }
  for (int i = 0; i < open.disks_size(); ++i) {
    const store::DiskSpec& leased = lease->disks[static_cast<std::size_t>(i)];
    if (open.disks(i).disk_id() != leased.disk_id ||
        open.disks(i).size_bytes() != static_cast<std::int64_t>(leased.size_bytes)) {
      return absl::AbortedError(
          absl::StrCat("open.disks[", i, "]: not the disks of the lease; ask the coordinator"));
    }
  }
  return server;
}

// What an agent has under way is received before its next cut can be committed: with a limit that
// must not take minutes.
BlockStreamService::Options Bounded(BlockStreamService::Options options) {
  constexpr std::int64_t kSeconds = 5;
  constexpr std::int64_t kLeast = std::int64_t{2} << 20;
  const std::int64_t limit = options.bandwidth_limit_bytes_per_second;
  if (limit > 0) {
    const std::int64_t most = std::max(limit * kSeconds, kLeast);
    options.credit.least = std::min(options.credit.least, most);
    options.credit.initial = std::min(options.credit.initial, most);
    options.credit.most = std::min(options.credit.most, most);
  }
  return options;
}

// Frames cost processor time and a write that waits for the disk.
TurnOrder::Limits FrameLimits() {
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return {.turns = 2 * processors + 2, .bulk_turns = std::max(2, processors)};
}

// Syncs wait for the disk, and several small ones cost it hardly more than one. Large ones keep it
// busy for long.
TurnOrder::Limits SyncLimits() {
  return {.turns = 16, .bulk_turns = 2, .bulk_bytes = std::int64_t{1} << 20};
}

std::unique_ptr<Turns> MakeTurns(bool wanted, TurnOrder::Limits limits) {
  return wanted ? std::make_unique<Turns>(limits) : nullptr;
}

}  // namespace

BlockStreamService::BlockStreamService(GroupHost& host, const LeaseTable& leases, Options options,
                                       Committed committed)
    : host_(host),
      leases_(leases),
      options_(Bounded(options)),
      committed_(std::move(committed)),
      share_(
          options.bandwidth_limit_bytes_per_second > 0
              ? std::make_unique<FairShare>(options.bandwidth_limit_bytes_per_second, RealClock())
              : nullptr),
      frames_(MakeTurns(options.turns, FrameLimits())),
      syncs_(MakeTurns(options.turns, SyncLimits())) {}

int BlockStreamService::LanesOf(const pb::Open& open) const {
  return open.lane() == 0 ? std::clamp(open.lane_count(), 1, options_.max_lanes)
                          : open.lane_count();
}

grpc::Status BlockStreamService::Replicate(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<pb::WorkerFrame, pb::AgentFrame>* stream) {
  const auto body = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(const rpc::Call call, rpc::Admit(*context, "worker.Replicate", rpc::kAgents));
    pb::AgentFrame first;
    if (!stream->Read(&first)) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::string server, CheckOpen(first, call.peer.id, leases_));
    const pb::Open& open = first.open();
    ASSIGN_OR_RETURN(const auto lane,
                     host_.Enter(server, open.session_id(), open.lane(), LanesOf(open),
                                 [context] { context->TryCancel(); }));
    ASSIGN_OR_RETURN(const auto hosted, host_.Open(server, open.lease_generation()));
    Log(Severity::kInfo, "stream opened",
        {{"server", server},
         {"generation", absl::StrCat(open.lease_generation())},
         {"lane", absl::StrCat(open.lane())},
         {"from", call.address}});
    StreamSession session(*hosted, lane->lanes(), leases_, options_, committed_, open.lane(),
                          *stream,
                          {.cancel = [context] { context->TryCancel(); },
                           .cancelled = [context] { return context->IsCancelled(); },
                           .share = share_.get(),
                           .frames = frames_.get(),
                           .syncs = syncs_.get()});
    const absl::Status status = session.Run();
    if (share_ != nullptr) share_->Forget(server);
    if (absl::IsDataLoss(status)) ++hosted->damaged_count;
    if (!status.ok() && !hosted->group->Healthy().ok()) host_.Close(server);
    Log(status.ok() ? Severity::kInfo : Severity::kWarning, "stream ended",
        {{"server", server},
         {"lane", absl::StrCat(open.lane())},
         {"error", std::string(status.message())}});
    return status;
  };
  return rpc::ToGrpc(body());
}

}  // namespace godwit::worker
