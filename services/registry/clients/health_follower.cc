#include "services/registry/clients/health_follower.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/registry/storage/health_store.h"
#include "services/registry/storage/told_store.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kPage = 500;
constexpr int kMostPages = 1000;
constexpr int kShare = 20;  // looks take at most a twentieth of the time

absl::Duration DurationOf(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}
absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

ServerHealth HealthOf(const pb::Replication& replication, absl::Duration lagging) {
  if (replication.state() == pb::Replication::STALLED) return ServerHealth::kStalled;
  const bool lags = replication.state() == pb::Replication::BACKLOG ||
                    (replication.has_lag() && DurationOf(replication.lag()) >= lagging);
  return lags ? ServerHealth::kLagging : ServerHealth::kHealthy;
}

ReplicationSeen SeenOf(const pb::Replication& replication, absl::Time now) {
  const pb::Replication::State state = replication.state();
  ReplicationSeen seen{
      .ended = state == pb::Replication::STATE_UNSPECIFIED || state == pb::Replication::STOPPED ||
               state == pb::Replication::DISCONNECTED,
      .paused = state == pb::Replication::PAUSED,
      .flowing = state == pb::Replication::CONTINUOUS || state == pb::Replication::BACKLOG ||
                 state == pb::Replication::RESCAN,
      .stalled = state == pb::Replication::STALLED,
      .has_point = !replication.latest_point().empty()};
  if (seen.stalled) {
    seen.stall_cause = pb::Replication::StallCause_Name(replication.stall_cause());
  }
  if (replication.has_lag()) seen.lag = DurationOf(replication.lag());
  if (replication.has_agent_seen_time()) {
    seen.silence = now - TimeOf(replication.agent_seen_time());
  }
  if (replication.health().has_rescan_time()) {
    seen.rescan_time = TimeOf(replication.health().rescan_time());
    seen.rescan_reason = replication.health().rescan_reason();
  }
  return seen;
}

// By server; what has no proper name is nobody's.
std::map<std::string, const pb::Replication*> ByServer(const pb::ListReplicationsResponse& page) {
  std::map<std::string, const pb::Replication*> found;
  for (const pb::Replication& replication : page.replications()) {
    absl::string_view id = replication.name();
    if (absl::ConsumePrefix(&id, "sourceServers/") && absl::ConsumeSuffix(&id, "/replication") &&
        CheckId("name", "s-", id).ok()) {
      found[std::string(id)] = &replication;
    }
  }
  return found;
}

}  // namespace

HealthFollower::HealthFollower(pg::Pool& pool, std::shared_ptr<grpc::Channel> replication,
                               Options options)
    : pool_(pool), replication_(std::move(replication)), options_(options) {}

HealthFollower::~HealthFollower() { Stop(); }

void HealthFollower::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void HealthFollower::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

bool HealthFollower::Stopping() {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

absl::Status HealthFollower::Save(const pb::ListReplicationsResponse& page, absl::Time start) {
  const auto found = ByServer(page);
  if (found.empty()) return absl::OkStatus();
  std::vector<storage::ServerHealthRow> rows;
  std::map<std::string, ReplicationSeen> seen;
  std::vector<std::string> ids;
  for (const auto& [server, replication] : found) {
    rows.push_back({server, HealthOf(*replication, options_.lag)});
    seen[server] = SeenOf(*replication, start);
    ids.push_back(server);
  }
  std::vector<std::string> changed;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(const auto told, storage::LoadTold(*connection, ids, /*lock=*/false));
    for (const std::string& id : ids) {
      const auto known = told.find(id);
      if (known == told.end() ||
          Decide(known->second.told, seen[id], start, options_.told) != known->second.told) {
        changed.push_back(id);
      }
    }
  }
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    RETURN_IF_ERROR(storage::SaveHealth(connection, rows));
    if (changed.empty()) return absl::OkStatus();
    // Decided anew: another registry may have looked meanwhile.
    ASSIGN_OR_RETURN(const auto told, storage::LoadTold(connection, changed, /*lock=*/true));
    for (const std::string& id : changed) {
      std::optional<ReplicationTold> before;
      if (const auto known = told.find(id); known != told.end()) {
        if (known->second.look_time > start) continue;
        before = known->second.told;
      }
      const ReplicationTold after = Decide(before, seen[id], start, options_.told);
      if (before == after) continue;
      RETURN_IF_ERROR(storage::SaveTold(connection, id, {.told = after, .look_time = start}));
    }
    return absl::OkStatus();
  });
}

absl::Status HealthFollower::Look() {
  absl::Time start;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(start, storage::DatabaseTime(*connection));
  }
  const auto stub = pb::ReplicationService::NewStub(replication_);
  pb::ListReplicationsRequest request;
  request.set_page_size(kPage);
  for (int i = 0; i < kMostPages && !Stopping(); ++i) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, options_.call_timeout);
    pb::ListReplicationsResponse page;
    RETURN_IF_ERROR(rpc::FromGrpc(stub->ListReplications(&context, request, &page)));
    RETURN_IF_ERROR(Save(page, start));
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return absl::OkStatus();
}

void HealthFollower::Loop() {
  bool failed = false;
  while (!Stopping()) {
    const absl::Time start = SteadyNow();
    const absl::Status status = Look();
    if (!status.ok() && !failed) {
      Log(Severity::kWarning, "health of replication is not to be had; groups show the last known",
          {{"error", status.ToString()}});
    }
    failed = !status.ok();
    const absl::Duration pause = std::max(options_.pause, kShare * (SteadyNow() - start));
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
  }
}

}  // namespace godwit::registry
