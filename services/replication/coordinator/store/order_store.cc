#include "services/replication/coordinator/store/order_store.h"

#include "absl/strings/numbers.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_ORDER_SELECT                                                                       \
  "select o.id, o.server_id, o.store_id, o.kind, coalesce(o.clone_id, ''), coalesce(p.epoch, 0)," \
  " coalesce(array_to_string(o.epochs, ','), ''),"                                                \
  " case when o.kind = 4 then 0 else s.generation end, o.attempt_count, o.state = 1"              \
  " from replication.worker_order o join replication.server s on s.id = o.server_id"              \
  " left join replication.clone c on c.id = o.clone_id"                                           \
  " left join replication.point p on p.id = c.point_id"

constexpr pg::Statement kInsert = {
    "order_insert",
    "insert into replication.worker_order (id, server_id, store_id, kind, clone_id, epochs)"
    " values ($1, $2, $3, $4::smallint, $5, $6::bigint[])"};
constexpr pg::Statement kFor = {
    "order_for_worker", GODWIT_ORDER_SELECT
    " where o.state = 1 and o.next_time <= clock_timestamp() and o.store_id = $2"
    " and ((o.kind <> 4 and s.worker_id = $1 and not s.releasing and s.store_id = o.store_id)"
    "  or (o.kind = 4 and (s.worker_id is null or s.store_id <> o.store_id)))"
    " order by o.create_time, o.id limit $3::int"};
constexpr pg::Statement kLock = {"order_lock",
                                 GODWIT_ORDER_SELECT " where o.id = $1 for update of o"};
constexpr pg::Statement kFinish = {
    "order_finish",
    "update replication.worker_order set state = $2::smallint, error_message = $3,"
    " attempt_count = attempt_count + 1, end_time = now() where id = $1 and state = 1"};
constexpr pg::Statement kDelay = {
    "order_delay",
    "update replication.worker_order set error_message = $3, attempt_count = attempt_count + 1,"
    " next_time = clock_timestamp() + $2::bigint * interval '1 microsecond'"
    " where id = $1 and state = 1"};
constexpr pg::Statement kHasOpen = {
    "order_has_open",
    "select exists (select from replication.worker_order where server_id = $1 and state = 1"
    " and kind = $2::smallint and ($3 = '' or store_id = $3))"};
constexpr pg::Statement kForget = {
    "order_forget",
    "delete from replication.worker_order where state > 1 and end_time < now() - interval '1 day'"};

constexpr pg::Statement kInsertClone = {
    "clone_insert",
    "insert into replication.clone (id, request_id, server_id, point_id)"
    " values ($1, $2::uuid, $3, $4)"};
#define GODWIT_CLONE_SELECT                                                                     \
  "select id, request_id, server_id, coalesce(point_id, ''), state, error_code, error_message," \
  " replication.micros(create_time) from replication.clone"
constexpr pg::Statement kByRequest = {"clone_by_request",
                                      GODWIT_CLONE_SELECT " where request_id = $1::uuid"};
constexpr pg::Statement kById = {"clone_by_id", GODWIT_CLONE_SELECT " where id = $1"};
constexpr pg::Statement kCloneDisks = {
    "clone_disks",
    "select d.disk_id, d.device_name, d.size_bytes, d.is_boot_disk, d.path, d.nbd_uri"
    " from replication.clone c, jsonb_to_recordset(c.disks) as d (disk_id text, device_name text,"
    " size_bytes bigint, is_boot_disk bool, path text, nbd_uri text)"
    " where c.id = $1 order by not d.is_boot_disk"};
constexpr pg::Statement kSaveClone = {
    "clone_save",
    "update replication.clone set state = $2::smallint, disks = $3::jsonb, error_code = $4::int,"
    " error_message = $5, update_time = now() where id = $1"};

constexpr pg::Statement kStoreOfClone = {
    "clone_store",
    "select coalesce(p.store_id, s.store_id) from replication.clone c"
    " join replication.server s on s.id = c.server_id"
    " left join replication.point p on p.id = c.point_id where c.id = $1"};
constexpr pg::Statement kCancelCreation = {
    "order_cancel_creation",
    "update replication.worker_order set state = 3, error_message = 'the clone was deleted',"
    " end_time = now() where clone_id = $1 and kind = 1 and state = 1"};

Order FromRow(const pg::Result& result, int index) {
  Row row(result, index);
  Order out;
  out.id = row.Text();
  out.server_id = row.Text();
  out.store_id = row.Text();
  out.kind = static_cast<OrderKind>(row.Small());
  out.clone_id = row.Text();
  out.clone_epoch = row.Int();
  const std::string epochs = row.Text();
  for (const absl::string_view epoch : absl::StrSplit(epochs, ',', absl::SkipEmpty())) {
    std::int64_t value = 0;
    if (absl::SimpleAtoi(epoch, &value)) out.epochs.push_back(value);
  }
  out.generation = row.Int();
  out.attempt_count = row.Small();
  out.open = row.Bool();
  return out;
}

std::string DisksJson(const std::vector<CloneDisk>& disks) {
  return absl::StrCat(
      "[",
      absl::StrJoin(disks, ",",
                    [](std::string* out, const CloneDisk& disk) {
                      absl::StrAppend(out, "{\"disk_id\":", Quoted(disk.disk_id),
                                      ",\"device_name\":", Quoted(disk.device_name),
                                      ",\"size_bytes\":", disk.size_bytes,
                                      ",\"is_boot_disk\":", disk.is_boot_disk ? "true" : "false",
                                      ",\"path\":", Quoted(disk.path),
                                      ",\"nbd_uri\":", Quoted(disk.nbd_uri), "}");
                    }),
      "]");
}

absl::StatusOr<std::optional<Clone>> Find(pg::Connection& connection,
                                          const pg::Statement& statement, const std::string& key) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(statement, {key}));
  if (found.rows() == 0) return std::optional<Clone>();
  Row row(found, 0);
  Clone clone;
  clone.id = row.Text();
  clone.request_id = row.Text();
  clone.server_id = row.Text();
  clone.point_id = row.Text();
  clone.state = static_cast<CloneState>(row.Small());
  clone.error_code = row.Small();
  clone.error_message = row.Text();
  clone.create_time = row.TimeOrPast();
  ASSIGN_OR_RETURN(const pg::Result disks, connection.Exec(kCloneDisks, {clone.id}));
  for (int i = 0; i < disks.rows(); ++i) {
    Row disk(disks, i);
    CloneDisk out;
    out.disk_id = disk.Text();
    out.device_name = disk.Text();
    out.size_bytes = disk.Int();
    out.is_boot_disk = disk.Bool();
    out.path = disk.Text();
    out.nbd_uri = disk.Text();
    clone.disks.push_back(std::move(out));
  }
  return std::optional<Clone>(std::move(clone));
}

}  // namespace

absl::Status InsertOrder(pg::Connection& connection, const Order& order) {
  return connection
      .Exec(kInsert,
            {order.id, order.server_id, order.store_id, Code(order.kind), OrNull(order.clone_id),
             order.epochs.empty() ? std::nullopt : Numbers(order.epochs)})
      .status();
}

absl::StatusOr<std::vector<Order>> ListOrdersFor(pg::Connection& connection,
                                                 const std::string& worker_id,
                                                 const std::string& store_id, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kFor, {worker_id, store_id, Number(limit)}));
  std::vector<Order> out;
  for (int i = 0; i < found.rows(); ++i) out.push_back(FromRow(found, i));
  return out;
}

absl::StatusOr<Order> LockOrder(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLock, {id}));
  if (found.rows() == 0) return absl::NotFoundError(absl::StrCat("order ", id, " is not known"));
  return FromRow(found, 0);
}

absl::Status FinishOrder(pg::Connection& connection, const std::string& id, bool succeeded,
                         const std::string& error) {
  return connection.Exec(kFinish, {id, Number(succeeded ? 2 : 3), error}).status();
}

absl::Status DelayOrder(pg::Connection& connection, const std::string& id, absl::Duration delay,
                        const std::string& error) {
  return connection.Exec(kDelay, {id, Number(absl::ToInt64Microseconds(delay)), error}).status();
}

absl::StatusOr<bool> HasOpenOrder(pg::Connection& connection, const std::string& server_id,
                                  OrderKind kind, const std::string& store_id) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kHasOpen, {server_id, Code(kind), store_id}));
  return found.Bool(0, 0);
}

absl::Status ForgetOrders(pg::Connection& connection) { return connection.Exec(kForget).status(); }

absl::Status InsertClone(pg::Connection& connection, const Clone& clone) {
  return connection
      .Exec(kInsertClone, {clone.id, clone.request_id, clone.server_id, OrNull(clone.point_id)})
      .status();
}

absl::StatusOr<std::optional<Clone>> FindCloneByRequest(pg::Connection& connection,
                                                        const std::string& request_id) {
  return Find(connection, kByRequest, request_id);
}

absl::StatusOr<std::optional<Clone>> FindClone(pg::Connection& connection, const std::string& id) {
  return Find(connection, kById, id);
}

absl::Status SaveClone(pg::Connection& connection, const Clone& clone) {
  return connection
      .Exec(kSaveClone, {clone.id, Code(clone.state), DisksJson(clone.disks),
                         Number(clone.error_code), clone.error_message})
      .status();
}

absl::StatusOr<std::string> StoreOfClone(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kStoreOfClone, {id}));
  if (found.rows() == 0) return absl::NotFoundError(absl::StrCat("clone ", id));
  return std::string(found.Text(0, 0));
}

absl::Status CancelCreation(pg::Connection& connection, const std::string& clone_id) {
  return connection.Exec(kCancelCreation, {clone_id}).status();
}

}  // namespace godwit::coordinator::store
