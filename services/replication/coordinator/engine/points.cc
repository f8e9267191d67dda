#include "services/replication/coordinator/engine/points.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(100);

absl::StatusOr<Points::Progress> WithPoint(pg::Connection& connection,
                                           store::PointRequest request) {
  Points::Progress out{.request = std::move(request)};
  if (out.request.state != store::RequestState::kSucceeded) return out;
  absl::StatusOr<store::Point> point =
      store::LoadPoint(connection, out.request.server_id, out.request.point_id);
  if (point.ok()) {
    out.point = *std::move(point);
  } else if (absl::IsNotFound(point.status())) {
    out.request.state = store::RequestState::kFailed;
    out.request.error_message = "the point was deleted since";
  } else {
    return point.status();
  }
  return out;
}

}  // namespace

absl::Status DeletePoints(pg::Connection& connection, const Server& server,
                          const std::vector<KeptPoint>& points) {
  if (points.empty()) return absl::OkStatus();
  store::Order order{.id = NewUuid(),
                     .server_id = server.id,
                     .store_id = server.store_id,
                     .kind = store::OrderKind::kDeletePoints};
  std::vector<std::string> ids;
  for (const KeptPoint& point : points) {
    ids.push_back(point.id);
    order.epochs.push_back(point.epoch);
  }
  RETURN_IF_ERROR(store::MarkDeleting(connection, ids));
  return store::InsertOrder(connection, order);
}

absl::StatusOr<Points::Progress> Points::Request(const store::PointRequest& request) {
  Progress out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, request.server_id));
    const auto known = store::LoadPointRequest(connection, request.server_id, request.id);
    if (!known.ok() && server.wish != Wish::kReplicate) {
      return absl::FailedPreconditionError(
          absl::StrCat("sourceServers/", request.server_id,
                       " is paused, stopped or disconnected: no fresh point can be made"));
    }
    ASSIGN_OR_RETURN(store::PointRequest saved, store::InsertPointRequest(connection, request));
    ASSIGN_OR_RETURN(out, WithPoint(connection, std::move(saved)));
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<Points::Progress> Points::GetRequest(const std::string& server_id,
                                                    const std::string& id) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  RETURN_IF_ERROR(store::ExpirePointRequests(*connection));
  ASSIGN_OR_RETURN(store::PointRequest request,
                   store::LoadPointRequest(*connection, server_id, id));
  return WithPoint(*connection, std::move(request));
}

absl::StatusOr<store::Point> Points::Get(const std::string& server_id, const std::string& id) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(store::Point point, store::LoadPoint(*connection, server_id, id));
  std::vector<store::Point> points = {std::move(point)};
  RETURN_IF_ERROR(SetExpireTimes(*connection, server_id, points));
  return points[0];
}

absl::Status Points::SetExpireTimes(pg::Connection& connection, const std::string& server_id,
                                    std::vector<store::Point>& points) {
  ASSIGN_OR_RETURN(const Server server, store::LoadServer(connection, server_id));
  ASSIGN_OR_RETURN(const std::vector<KeptPoint> kept,
                   store::ListForRetention(connection, server_id));
  const auto times = ExpireTimes(kept, decode_(server.settings, server.now).retention, server.now);
  std::map<std::string, std::optional<absl::Time>> by_id;
  for (std::size_t i = 0; i < kept.size(); ++i) by_id[kept[i].id] = times[i];
  for (store::Point& point : points) point.expire_time = by_id[point.id];
  return absl::OkStatus();
}

absl::StatusOr<std::vector<store::Point>> Points::List(const std::string& server_id,
                                                       std::int64_t before_epoch, int limit) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(std::vector<store::Point> points,
                   store::ListPoints(*connection, server_id, before_epoch, limit));
  RETURN_IF_ERROR(SetExpireTimes(*connection, server_id, points));
  return points;
}

absl::StatusOr<store::Point> Points::Update(const std::string& server_id, const std::string& id,
                                            const std::optional<std::string>& description,
                                            const std::optional<bool>& pinned) {
  store::Point out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    RETURN_IF_ERROR(store::LockServer(connection, server_id));
    RETURN_IF_ERROR(store::LoadPoint(connection, server_id, id));
    RETURN_IF_ERROR(store::UpdatePoint(connection, id, description, pinned));
    ASSIGN_OR_RETURN(out, store::LoadPoint(connection, server_id, id));
    return absl::OkStatus();
  }));
  return out;
}

absl::Status Points::Delete(const std::string& server_id, const std::string& id) {
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, server_id));
    ASSIGN_OR_RETURN(const store::Point point, store::LoadPoint(connection, server_id, id));
    const std::string name = absl::StrCat("sourceServers/", server_id, "/points/", id);
    if (point.pinned) {
      return absl::FailedPreconditionError(
          absl::StrCat(name, " is pinned: call UpdatePoint first"));
    }
    if (point.clone_count > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(name, " is in use by ", point.clone_count, " clones: delete them first"));
    }
    if (server.latest_point_id == id) {
      return absl::FailedPreconditionError(absl::StrCat(name, " is the newest point"));
    }
    return DeletePoints(connection, server,
                        {{.id = point.id, .epoch = point.epoch, .time = point.commit_time}});
  });
}

absl::StatusOr<store::Clone> Points::BeginClone(const std::string& server_id, std::string point_id,
                                                const std::string& request_id) {
  const bool newest = point_id == kNewestPoint;
  store::Clone out;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    ASSIGN_OR_RETURN(const Server server, store::LockServer(connection, server_id));
    ASSIGN_OR_RETURN(const std::optional<store::Clone> known,
                     store::FindCloneByRequest(connection, request_id));
    if (known) {
      if (known->server_id != server_id || (!newest && known->point_id != point_id)) {
        return absl::InvalidArgumentError("request_id: was used for another clone");
      }
      out = *known;
      return absl::OkStatus();
    }
    if (newest) point_id = server.latest_point_id;
    if (point_id.empty()) {
      if (server.store_id.empty())
        return absl::FailedPreconditionError("point: nothing of the server has arrived yet");
    } else {
      ASSIGN_OR_RETURN(const store::Point point, store::LoadPoint(connection, server_id, point_id));
      if (point.store_id != server.store_id) {
        return absl::FailedPreconditionError(
            absl::StrCat("point: sourceServers/", server_id, "/points/", point_id,
                         " is in a store that the server moved away from"));
      }
    }
    out = {.id = DerivedId("c-", request_id),
           .request_id = request_id,
           .server_id = server_id,
           .point_id = point_id};
    RETURN_IF_ERROR(store::InsertClone(connection, out));
    return store::InsertOrder(connection, {.id = NewUuid(),
                                           .server_id = server_id,
                                           .store_id = server.store_id,
                                           .kind = store::OrderKind::kCreateClone,
                                           .clone_id = out.id});
  }));
  return out;
}

absl::StatusOr<store::Clone> Points::CreateClone(const std::string& server_id,
                                                 const std::string& point_id,
                                                 const std::string& request_id, absl::Time deadline,
                                                 const std::function<bool()>& gone) {
  ASSIGN_OR_RETURN(store::Clone clone, BeginClone(server_id, point_id, request_id));
  while (clone.state == store::CloneState::kMaking) {
    if (SteadyNow() + kPoll > deadline || (gone && gone())) {
      return absl::UnavailableError(
          absl::StrCat("sourceServers/", server_id, "/clones/", clone.id,
                       ": the worker has not made it yet; call again with the same request_id"));
    }
    absl::SleepFor(kPoll);
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
    ASSIGN_OR_RETURN(const std::optional<store::Clone> found,
                     store::FindClone(*connection, clone.id));
    if (!found) return absl::NotFoundError(absl::StrCat("clone ", clone.id));
    clone = *found;
  }
  if (clone.state == store::CloneState::kReady) return clone;
  if (clone.state == store::CloneState::kFailed) {
    return absl::Status(static_cast<absl::StatusCode>(clone.error_code),
                        absl::StrCat("worker: ", clone.error_message));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("request_id: sourceServers/", server_id, "/clones/", clone.id, " was deleted"));
}

absl::Status Points::DeleteClone(const std::string& server_id, const std::string& id) {
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    pg::Connection& connection = transaction.connection();
    const absl::StatusOr<Server> server = store::LockServer(connection, server_id);
    if (absl::IsNotFound(server.status())) return absl::OkStatus();
    RETURN_IF_ERROR(server);
    ASSIGN_OR_RETURN(std::optional<store::Clone> clone, store::FindClone(connection, id));
    if (!clone || clone->server_id != server_id) return absl::OkStatus();
    // A failed one may have left files.
    if (clone->state == store::CloneState::kDeleting || clone->state == store::CloneState::kGone) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const std::string store_id, store::StoreOfClone(connection, id));
    // Removal of a store that the server left takes its clones along.
    const bool here = store_id == server->store_id;
    clone->state = here ? store::CloneState::kDeleting : store::CloneState::kGone;
    RETURN_IF_ERROR(store::SaveClone(connection, *clone));
    RETURN_IF_ERROR(store::CancelCreation(connection, id));
    if (!here) return absl::OkStatus();
    return store::InsertOrder(connection, {.id = NewUuid(),
                                           .server_id = server_id,
                                           .store_id = store_id,
                                           .kind = store::OrderKind::kDeleteClone,
                                           .clone_id = id});
  });
}

}  // namespace godwit::coordinator
