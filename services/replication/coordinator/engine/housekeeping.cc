#include "services/replication/coordinator/engine/housekeeping.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/engine/forget_servers.h"
#include "services/replication/coordinator/engine/points.h"
#include "services/replication/coordinator/store/order_store.h"
#include "services/replication/coordinator/store/placement_store.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/request_store.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/verification_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {
namespace {

constexpr int kMostWorkers = 10000;
constexpr int kBatch = 1000;
// Servers that leave one draining worker at the same time.
constexpr std::int64_t kReleasesAtOnce = 4;
constexpr absl::Duration kSilent = absl::Seconds(5);
constexpr absl::Duration kRetentionInterval = absl::Seconds(20);
constexpr absl::Duration kForgetInterval = absl::Minutes(10);
constexpr absl::Duration kDeliveryLease = absl::Seconds(30);
constexpr absl::Duration kLeastBackoff = absl::Seconds(1);
constexpr absl::Duration kMostBackoff = absl::Minutes(1);

}  // namespace

Housekeeping::Housekeeping(pg::Pool& pool, Registry& registry, DecodeSettings decode,
                           AgentReports& agents, Verifications& verifications, Clock& clock,
                           Options options)
    : pool_(pool),
      registry_(registry),
      decode_(std::move(decode)),
      agents_(agents),
      verifications_(verifications),
      clock_(clock),
      options_(options),
      judge_(clock, options.lease) {}

void Housekeeping::Start() {
  placement_ = std::thread([this] { PlacementLoop(); });
  reports_ = std::thread([this] { ReportLoop(); });
}

void Housekeeping::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (placement_.joinable()) placement_.join();
  if (reports_.joinable()) reports_.join();
}

bool Housekeeping::Sleep(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), duration);
}

absl::Status Housekeeping::Place(const std::function<bool()>& may_judge) {
  return pool_.InTransaction([&](pg::Transaction& transaction) {
    return PlaceLocked(transaction.connection(), may_judge);
  });
}

absl::Status Housekeeping::PlaceLocked(pg::Connection& connection,
                                       const std::function<bool()>& may_judge) {
  ASSIGN_OR_RETURN(const bool mine, store::TryLockPlacement(connection));
  if (!mine) return absl::OkStatus();
  if (may_judge()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> dead, store::Reap(connection));
    for (const std::string& worker : dead) {
      Log(Severity::kWarning, "the lease of a worker ended", {{"worker", worker}});
    }
    RETURN_IF_ERROR(store::FinishReleases(connection));
  }
  ASSIGN_OR_RETURN(const std::vector<Worker> workers,
                   store::ListWorkers(connection, "", kMostWorkers));
  RETURN_IF_ERROR(Drain(connection, workers));
  RETURN_IF_ERROR(RemoveStaging(connection));
  ASSIGN_OR_RETURN(const std::vector<Waiting> waiting, store::ListWaiting(connection, kBatch));
  for (const Placement& placement : Assign(workers, waiting, options_.assignment)) {
    ASSIGN_OR_RETURN(const bool placed, store::Place(connection, placement));
    if (!placed) continue;
    Log(Severity::kInfo, "server placed",
        {{"server", placement.server_id}, {"worker", placement.worker_id}});
  }
  return absl::OkStatus();
}

absl::Status Housekeeping::Drain(pg::Connection& connection, const std::vector<Worker>& workers) {
  for (const Worker& worker : workers) {
    if (!worker.draining || worker.dead || worker.server_count == 0) continue;
    ASSIGN_OR_RETURN(const std::int64_t releasing, store::CountReleasing(connection, worker.id));
    const std::int64_t room = kReleasesAtOnce - releasing;
    if (room <= 0) continue;
    ASSIGN_OR_RETURN(const std::vector<Waiting> servers,
                     store::ListOnDraining(connection, worker.id, static_cast<int>(room)));
    // Only those that somebody takes: a server without a worker is worse than a slow drain.
    for (const Placement& placement : Assign(workers, servers, options_.assignment)) {
      RETURN_IF_ERROR(store::Release(connection, placement.server_id));
      Log(Severity::kInfo, "server leaves a draining worker",
          {{"server", placement.server_id}, {"worker", worker.id}});
    }
  }
  return absl::OkStatus();
}

absl::Status Housekeeping::RemoveStaging(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const std::vector<std::string> removable,
                   store::ListRemovable(connection, kBatch));
  for (const std::string& id : removable) {
    ASSIGN_OR_RETURN(const Server server, store::LoadServer(connection, id));
    if (!server.worker_id.empty()) {
      RETURN_IF_ERROR(store::Release(connection, id));
    } else if (server.store_id.empty()) {
      RETURN_IF_ERROR(store::ForgetStore(connection, id));
    } else {
      RETURN_IF_ERROR(store::InsertOrder(connection, {.id = NewUuid(),
                                                      .server_id = id,
                                                      .store_id = server.store_id,
                                                      .kind = store::OrderKind::kRemoveStaging}));
    }
  }
  ASSIGN_OR_RETURN(const auto moved, store::ListMoved(connection, kBatch));
  for (const auto& [id, store_id] : moved) {
    RETURN_IF_ERROR(store::InsertOrder(connection, {.id = NewUuid(),
                                                    .server_id = id,
                                                    .store_id = store_id,
                                                    .kind = store::OrderKind::kRemoveStaging}));
    RETURN_IF_ERROR(store::ForgetOldStore(connection, id, store_id));
  }
  return absl::OkStatus();
}

absl::Status Housekeeping::JudgeSilent() {
  std::vector<std::string> silent;
  {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(const std::int64_t active, store::CountActive(*connection));
    agents_.SetFleetSize(active);
    RETURN_IF_ERROR(store::ExpirePointRequests(*connection));
    ASSIGN_OR_RETURN(silent, store::ListUnjudged(*connection, kSilent, kBatch));
  }
  for (const std::string& id : silent) {
    RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
      ASSIGN_OR_RETURN(Server server, store::LockServer(transaction.connection(), id));
      return JudgeAndSave(transaction.connection(), server, /*reported=*/false);
    }));
  }
  return absl::OkStatus();
}

absl::Status Housekeeping::ExpirePoints() {
  std::string after;
  while (true) {
    std::vector<std::string> ids;
    {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      ASSIGN_OR_RETURN(ids, store::ListWithPoints(*connection, after, kBatch));
    }
    for (const std::string& id : ids) {
      RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
        pg::Connection& connection = transaction.connection();
        ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, id));
        ASSIGN_OR_RETURN(const std::vector<KeptPoint> points,
                         store::ListForRetention(connection, id));
        return DeletePoints(
            connection, server,
            Expired(points, decode_(server.settings, server.now).retention, server.now));
      }));
    }
    if (static_cast<int>(ids.size()) < kBatch) return absl::OkStatus();
    after = ids.back();
  }
}

absl::Status Housekeeping::DeliverSyncDone() {
  for (int i = 0; i < kBatch; ++i) {
    std::optional<store::SyncDone> done;
    {
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      ASSIGN_OR_RETURN(done, store::ClaimSyncDone(*connection, kDeliveryLease));
    }
    if (!done) return absl::OkStatus();
    const absl::Status told =
        registry_.ReportInitialSyncDone(done->server_id, done->point_id, done->request_id);
    // The registry does not know the server (any more): nobody is left to be told.
    const bool over = told.ok() || absl::IsNotFound(told);
    const absl::Duration backoff =
        std::min(kLeastBackoff * (1 << std::min(done->attempt_count, 10)), kMostBackoff);
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    RETURN_IF_ERROR(store::FinishSyncDone(
        *connection, done->request_id,
        over ? "" : absl::StrCat("not delivered: ", std::string(told.message())), backoff));
    Log(told.ok() ? Severity::kInfo : Severity::kWarning, "initial sync done",
        {{"server", done->server_id}, {"point", done->point_id}, {"told", told.ToString()}});
    if (!over) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Housekeeping::Forget() {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  RETURN_IF_ERROR(store::ForgetRequests(*connection));
  RETURN_IF_ERROR(store::ForgetOrders(*connection));
  RETURN_IF_ERROR(store::ForgetEndedRequests(*connection));
  RETURN_IF_ERROR(store::ForgetHistory(*connection));
  RETURN_IF_ERROR(store::ForgetVerifications(*connection));
  return store::ForgetGonePoints(*connection);
}

void Housekeeping::PlacementLoop() {
  while (true) {
    const absl::Status placed = Place([this] { return judge_.MayJudge(); });
    judge_.Observe(placed.ok());
    if (!placed.ok()) {
      Log(Severity::kWarning, "placement has to wait", {{"error", placed.ToString()}});
    }
    if (Sleep(options_.interval)) return;
  }
}

void Housekeeping::ReportLoop() {
  absl::Duration next_retention = clock_.Monotonic() + kRetentionInterval;
  absl::Duration next_forget = clock_.Monotonic() + kForgetInterval;
  const auto run = [](absl::string_view what, const absl::Status& status) {
    if (status.ok()) return;
    Log(Severity::kWarning, "housekeeping has to wait",
        {{"what", std::string(what)}, {"error", status.ToString()}});
  };
  while (true) {
    run("verdicts", JudgeSilent());
    run("verifications", verifications_.Settle());
    run("reports", DeliverSyncDone());
    const absl::Duration now = clock_.Monotonic();
    if (now >= next_retention) {
      run("points", ExpirePoints());
      next_retention = now + kRetentionInterval;
    }
    if (now >= next_forget) {
      run("history", Forget());
      run("deleted servers", ForgetServers(pool_, registry_, options_.forget_servers_after));
      next_forget = now + kForgetInterval;
    }
    if (Sleep(options_.interval)) return;
  }
}

}  // namespace godwit::coordinator
