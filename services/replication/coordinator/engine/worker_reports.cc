#include "services/replication/coordinator/engine/worker_reports.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/placement_store.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator {
namespace {

constexpr int kOrdersPerHeartbeat = 50;
constexpr absl::Duration kLeastRetry = absl::Seconds(1);
constexpr absl::Duration kMostRetry = absl::Minutes(5);

// Trying again cannot help.
bool IsForGood(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
         absl::IsFailedPrecondition(status) || absl::IsDataLoss(status) ||
         absl::IsUnimplemented(status);
}

absl::Status Stale(const std::string& server, std::int64_t generation) {
  absl::Status status =
      absl::AbortedError(absl::StrCat("lease_generation: ", generation, " of sourceServers/",
                                      server, " is not this worker's lease"));
  status.SetPayload("godwit/stale", absl::Cord("1"));
  return status;
}

absl::Status CloneMade(pg::Connection& connection, const store::Order& order,
                       const OrderReport& report) {
  ASSIGN_OR_RETURN(std::optional<store::Clone> clone, store::FindClone(connection, order.clone_id));
  if (!clone || clone->state != store::CloneState::kMaking) return absl::OkStatus();
  if (report.status.ok()) {
    clone->state = store::CloneState::kReady;
    clone->disks = report.clone_disks;
  } else {
    clone->state = store::CloneState::kFailed;
    clone->error_code = static_cast<int>(report.status.code());
    clone->error_message = std::string(report.status.message());
  }
  return store::SaveClone(connection, *clone);
}

absl::Status CloneDeleted(pg::Connection& connection, const std::string& clone_id) {
  ASSIGN_OR_RETURN(std::optional<store::Clone> clone, store::FindClone(connection, clone_id));
  if (!clone) return absl::OkStatus();
  clone->state = store::CloneState::kGone;
  return store::SaveClone(connection, *clone);
}

absl::Status StagingRemoved(pg::Connection& connection, const store::Order& order) {
  RETURN_IF_ERROR(store::MarkStoreGone(connection, order.server_id, order.store_id));
  ASSIGN_OR_RETURN(const Server server, store::LoadServer(connection, order.server_id));
  if (server.store_id != order.store_id) return absl::OkStatus();
  return store::ForgetStore(connection, order.server_id);
}

absl::Status Succeeded(pg::Connection& connection, const store::Order& order,
                       const OrderReport& report) {
  switch (order.kind) {
    case store::OrderKind::kCreateClone:
      return CloneMade(connection, order, report);
    case store::OrderKind::kDeleteClone:
      return CloneDeleted(connection, order.clone_id);
    case store::OrderKind::kDeletePoints:
      return store::MarkGone(connection, order.server_id, order.store_id, order.epochs);
    case store::OrderKind::kRemoveStaging:
      return StagingRemoved(connection, order);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::int64_t> WorkerReports::Register(const Worker& worker) {
  std::int64_t incarnation = 0;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(incarnation, store::RegisterWorker(transaction.connection(), worker, lease_));
    return absl::OkStatus();
  }));
  Log(Severity::kInfo, "worker registered",
      {{"worker", worker.id},
       {"incarnation", absl::StrCat(incarnation)},
       {"endpoint", worker.endpoint},
       {"store", worker.store_id}});
  return incarnation;
}

absl::StatusOr<WorkerAnswer> WorkerReports::Heartbeat(const store::WorkerReport& report) {
  WorkerAnswer answer;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    // Before the worker's row, as placement does it.
    if (report.leaving) RETURN_IF_ERROR(store::LockPlacement(connection));
    RETURN_IF_ERROR(store::RenewWorker(connection, report, lease_));
    if (report.leaving) RETURN_IF_ERROR(store::LetGo(connection, report));
    ASSIGN_OR_RETURN(answer.leases, store::ListLeases(connection, report.id));
    for (store::LeasedGroup& group : answer.leases) {
      const auto settings = decode_(group.settings, absl::Now());
      group.encrypt_staging = settings.encrypt_staging;
      group.share_weight = settings.share_weight;
    }
    std::string store_id;
    RETURN_IF_ERROR(store::CheckIncarnation(connection, report.id, report.incarnation, &store_id));
    if (report.leaving) return absl::OkStatus();
    ASSIGN_OR_RETURN(answer.orders,
                     store::ListOrdersFor(connection, report.id, store_id, kOrdersPerHeartbeat));
    return absl::OkStatus();
  }));
  return answer;
}

absl::Status WorkerReports::ReportPoint(const std::string& worker_id, std::int64_t incarnation,
                                        store::Point point, const std::string& request_id) {
  bool is_new = false;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    RETURN_IF_ERROR(store::CheckIncarnation(connection, worker_id, incarnation, &point.store_id));
    const absl::StatusOr<Server> server = store::LockServer(connection, point.server_id);
    if (absl::IsNotFound(server.status())) return Stale(point.server_id, point.generation);
    RETURN_IF_ERROR(server);
    if (server->worker_id != worker_id || server->generation != point.generation) {
      return Stale(point.server_id, point.generation);
    }
    point.id =
        DerivedId("p-", absl::StrCat(point.server_id, "/", point.store_id, "/", point.epoch));
    point.requested = !request_id.empty();
    ASSIGN_OR_RETURN(is_new, store::InsertPoint(connection, point));
    if (!request_id.empty()) {
      RETURN_IF_ERROR(
          store::SucceedPointRequest(connection, point.server_id, request_id, point.id));
    }
    if (!is_new || server->wish == Wish::kDisconnect || server->wish == Wish::kStop) {
      return absl::OkStatus();
    }
    // The first point of the present stay: the registry learns of it.
    return store::QueueInitialSyncDone(connection, point.server_id, point.id);
  }));
  GODWIT_FAILPOINT("coordinator.point.saved");
  return absl::OkStatus();
}

absl::Status WorkerReports::ReportOrder(const OrderReport& report) {
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    RETURN_IF_ERROR(
        store::CheckIncarnation(connection, report.worker_id, report.incarnation, nullptr));
    const absl::StatusOr<store::Order> order = store::LockOrder(connection, report.order_id);
    if (absl::IsNotFound(order.status())) return absl::OkStatus();
    RETURN_IF_ERROR(order);
    if (!order->open) return absl::OkStatus();
    const std::string message(report.status.message());
    // What is gone already is deleted.
    const bool deleted =
        order->kind != store::OrderKind::kCreateClone && absl::IsNotFound(report.status);
    if (report.status.ok() || deleted) {
      RETURN_IF_ERROR(store::FinishOrder(connection, order->id, true, ""));
      return Succeeded(connection, *order, report);
    }
    if (order->kind == store::OrderKind::kCreateClone && IsForGood(report.status)) {
      RETURN_IF_ERROR(store::FinishOrder(connection, order->id, false, message));
      return CloneMade(connection, *order, report);
    }
    // Deletions are tried for ever: what they free must not be forgotten.
    const absl::Duration delay =
        std::min(kLeastRetry * (1 << std::min(order->attempt_count, 12)), kMostRetry);
    return store::DelayOrder(connection, order->id, delay, message);
  });
}

}  // namespace godwit::coordinator
