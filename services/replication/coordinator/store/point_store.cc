#include "services/replication/coordinator/store/point_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

constexpr pg::Statement kInsert = {
    "point_insert",
    "insert into replication.point (id, server_id, store_id, epoch, generation, cut_time,"
    " commit_time, consistency, root_hash, changed_bytes, freeze_micros, quiesce_time, requested)"
    " values ($1, $2, $3, $4::bigint, $5::bigint,"
    // No point lies in the future, whatever the clocks of sources and workers say.
    " least(to_timestamp($6::bigint / 1e6), clock_timestamp()),"
    " least(to_timestamp($7::bigint / 1e6), clock_timestamp()), $8::smallint, $9, $10::bigint,"
    " $11::bigint,"
    " to_timestamp($12::bigint / 1e6), $13::bool)"
    " on conflict on constraint point_once do nothing"};

#define GODWIT_POINT_SELECT                                                                       \
  "select p.id, p.server_id, p.store_id, p.epoch, p.generation, replication.micros(p.cut_time),"  \
  " replication.micros(p.commit_time), p.consistency, p.description, p.pinned, p.root_hash,"      \
  " p.changed_bytes, p.freeze_micros, replication.micros(p.quiesce_time), p.requested,"           \
  " (select count(*) from replication.clone c where c.point_id = p.id and c.state in (1, 2, 3))," \
  " coalesce(p.own_bytes, -1)"                                                                    \
  " from replication.point p"
constexpr pg::Statement kLoad = {
    "point_load", GODWIT_POINT_SELECT " where p.server_id = $1 and p.id = $2 and p.state = 1"};
constexpr pg::Statement kList = {
    "point_list", GODWIT_POINT_SELECT
    " join replication.server s on s.id = p.server_id and s.store_id = p.store_id"
    " where p.server_id = $1 and p.state = 1 and ($2::bigint = 0 or p.epoch < $2::bigint)"
    " order by p.epoch desc limit $3::int"};
constexpr pg::Statement kUpdate = {
    "point_update",
    "update replication.point set description = coalesce($2, description),"
    " pinned = coalesce($3::bool, pinned) where id = $1 and state = 1"};
constexpr pg::Statement kDeleting = {
    "point_deleting",
    "update replication.point set state = 2, pinned = false where id = any($1::text[])"};
constexpr pg::Statement kGone = {
    "point_gone",
    "update replication.point set state = 3, pinned = false, gone_time = now()"
    " where server_id = $1 and store_id = $2 and epoch = any($3::bigint[]) and state < 3"};
constexpr pg::Statement kStorePointsGone = {
    "point_store_gone",
    "update replication.point set state = 3, pinned = false, gone_time = now()"
    " where server_id = $1 and store_id = $2 and state < 3"};
constexpr pg::Statement kStoreClonesGone = {
    "clone_store_gone",
    "update replication.clone c set state = 5, update_time = now() from replication.point p"
    " where p.id = c.point_id and p.server_id = $1 and p.store_id = $2 and c.state < 4"};
constexpr pg::Statement kStoreOrdersGone = {
    "order_store_gone",
    "update replication.worker_order set state = 3, error_message = 'the staging was removed',"
    " end_time = now() where server_id = $1 and store_id = $2 and kind <> 4 and state = 1"};
constexpr pg::Statement kForget = {
    "point_forget",
    "with clones as (delete from replication.clone where state in (4, 5)"
    "  and update_time < now() - interval '1 day' returning id)"
    " delete from replication.point p where state = 3 and gone_time < now() - interval '1 hour'"
    " and not exists (select from replication.clone where point_id = p.id)"};
constexpr pg::Statement kRetention = {
    "point_retention",
    "select p.id, p.epoch, replication.micros(least(p.commit_time, p.create_time)), p.pinned,"
    " (p.requested and p.create_time > now() - interval '1 hour') or exists"
    "  (select from replication.clone c where c.point_id = p.id and c.state in (1, 2, 3))"
    " from replication.point p join replication.server s"
    "  on s.id = p.server_id and s.store_id = p.store_id"
    " where p.server_id = $1 and p.state = 1 order by p.epoch desc limit 10000"};
constexpr pg::Statement kWithPoints = {
    "point_servers",
    "select server_id from replication.point where state = 1 and server_id > $1"
    " group by server_id having count(*) > 1 order by server_id limit $2::int"};

Point FromRow(const pg::Result& result, int index) {
  Row row(result, index);
  Point out;
  out.id = row.Text();
  out.server_id = row.Text();
  out.store_id = row.Text();
  out.epoch = row.Int();
  out.generation = row.Int();
  out.cut_time = row.TimeOrPast();
  out.commit_time = row.TimeOrPast();
  out.consistency = row.Small();
  out.description = row.Text();
  out.pinned = row.Bool();
  out.root_hash = row.Text();
  out.changed_bytes = row.Int();
  out.freeze_time = absl::Microseconds(row.Int());
  out.quiesce_time = row.Time();
  out.requested = row.Bool();
  out.clone_count = row.Small();
  if (const std::int64_t own = row.Int(); own >= 0) out.own_bytes = own;
  return out;
}

}  // namespace

absl::StatusOr<bool> InsertPoint(pg::Connection& connection, const Point& point) {
  ASSIGN_OR_RETURN(
      const pg::Result inserted,
      connection.Exec(
          kInsert, {point.id, point.server_id, point.store_id, Number(point.epoch),
                    Number(point.generation), When(point.cut_time), When(point.commit_time),
                    Number(point.consistency), point.root_hash, Number(point.changed_bytes),
                    Number(absl::ToInt64Microseconds(point.freeze_time)), When(point.quiesce_time),
                    Flag(point.requested)}));
  return inserted.affected() == 1;
}

absl::StatusOr<Point> LoadPoint(pg::Connection& connection, const std::string& server_id,
                                const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLoad, {server_id, id}));
  if (found.rows() == 0) {
    return absl::NotFoundError(absl::StrCat("sourceServers/", server_id, "/points/", id));
  }
  return FromRow(found, 0);
}

absl::StatusOr<std::vector<Point>> ListPoints(pg::Connection& connection,
                                              const std::string& server_id, std::int64_t before,
                                              int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kList, {server_id, Number(before), Number(limit)}));
  std::vector<Point> out;
  for (int i = 0; i < found.rows(); ++i) out.push_back(FromRow(found, i));
  return out;
}

absl::Status UpdatePoint(pg::Connection& connection, const std::string& id,
                         const std::optional<std::string>& description,
                         const std::optional<bool>& pinned) {
  return connection.Exec(kUpdate, {id, description, pinned ? Flag(*pinned) : std::nullopt})
      .status();
}

absl::Status MarkDeleting(pg::Connection& connection, const std::vector<std::string>& ids) {
  return connection.Exec(kDeleting, {Ids(ids)}).status();
}

absl::Status MarkGone(pg::Connection& connection, const std::string& server_id,
                      const std::string& store_id, const std::vector<std::int64_t>& epochs) {
  return connection.Exec(kGone, {server_id, store_id, Numbers(epochs)}).status();
}

absl::Status MarkStoreGone(pg::Connection& connection, const std::string& server_id,
                           const std::string& store_id) {
  RETURN_IF_ERROR(connection.Exec(kStoreOrdersGone, {server_id, store_id}).status());
  RETURN_IF_ERROR(connection.Exec(kStoreClonesGone, {server_id, store_id}).status());
  return connection.Exec(kStorePointsGone, {server_id, store_id}).status();
}

absl::Status ForgetGonePoints(pg::Connection& connection) {
  return connection.Exec(kForget).status();
}

absl::StatusOr<std::vector<KeptPoint>> ListForRetention(pg::Connection& connection,
                                                        const std::string& server_id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kRetention, {server_id}));
  std::vector<KeptPoint> out;
  for (int i = 0; i < found.rows(); ++i) {
    Row row(found, i);
    KeptPoint point;
    point.id = row.Text();
    point.epoch = row.Int();
    point.time = row.TimeOrPast();
    point.pinned = row.Bool();
    point.in_use = row.Bool();
    out.push_back(std::move(point));
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> ListWithPoints(pg::Connection& connection,
                                                        const std::string& after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kWithPoints, {after, Number(limit)}));
  std::vector<std::string> out;
  for (int i = 0; i < found.rows(); ++i) out.emplace_back(found.Text(i, 0));
  return out;
}

}  // namespace godwit::coordinator::store
