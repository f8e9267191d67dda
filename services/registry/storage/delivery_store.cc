#include "services/registry/storage/delivery_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kInsert = {
    "registry_delivery_insert",
    "insert into registry.webhook_delivery (webhook_id, sequence, event_id, type, resource, body)"
    " values ($1, $2::bigint, $3::uuid, $4::smallint, $5, $6) on conflict do nothing"};
constexpr pg::Statement kCountOpen = {
    "registry_delivery_count_open",
    "select count(*) from registry.webhook_delivery where webhook_id = $1 and state in (1, 3)"};
constexpr pg::Statement kClaim = {
    "registry_delivery_claim",
    "update registry.webhook_delivery d set attempt_count = d.attempt_count + 1,"
    " generation = d.generation + 1,"
    " next_attempt_time = now() + $2::bigint * interval '1 millisecond',"
    " retry_until = coalesce(d.retry_until, now() + $3::bigint * interval '1 millisecond')"
    " from (select o.webhook_id, o.sequence from registry.webhook_delivery o"
    "   join registry.webhook w on w.id = o.webhook_id"
    "   where o.state = 1 and o.next_attempt_time <= now() and not w.disabled"
    "   and w.id <> all ($1::text[])"
    "   and not exists (select 1 from registry.webhook_delivery e where e.webhook_id = o.webhook_id"
    "     and e.resource = o.resource and e.state in (1, 3) and e.sequence < o.sequence)"
    "   order by o.next_attempt_time, o.sequence limit 1 for update of o skip locked) due"
    " where d.webhook_id = due.webhook_id and d.sequence = due.sequence"
    " returning d.webhook_id, d.sequence, d.event_id, d.type, d.resource, d.body, d.generation,"
    " d.attempt_count"};

#define GODWIT_THIS_ATTEMPT \
  " where webhook_id = $1 and sequence = $2::bigint and generation = $3::bigint and state = 1"

constexpr pg::Statement kDelivered = {
    "registry_delivery_delivered",
    "update registry.webhook_delivery set state = 2, state_time = now(), http_status = $4::integer,"
    " error = ''" GODWIT_THIS_ATTEMPT};
constexpr pg::Statement kFailed = {
    "registry_delivery_failed",
    "update registry.webhook_delivery set http_status = $4::integer, error = $5,"
    " state = case when now() >= retry_until then 3 else 1 end,"
    " state_time = case when now() >= retry_until then now() end,"
    " next_attempt_time = now() + $6::bigint * interval '1 millisecond'" GODWIT_THIS_ATTEMPT
    " returning state"};
constexpr pg::Statement kGiveBack = {
    "registry_delivery_give_back",
    "update registry.webhook_delivery set attempt_count = attempt_count - 1,"
    " next_attempt_time = now()" GODWIT_THIS_ATTEMPT};
constexpr pg::Statement kList = {
    "registry_delivery_list",
    "select webhook_id, sequence, event_id, type, resource, state, attempt_count, http_status,"
    " error, registry.micros(create_time), registry.micros(next_attempt_time),"
    " registry.micros(state_time) from registry.webhook_delivery"
    " where webhook_id = $1 and ($2::smallint = 0 or state = $2::smallint)"
    " and sequence > $3::bigint order by sequence limit $4::bigint"};
constexpr pg::Statement kResume = {
    "registry_delivery_resume",
    "update registry.webhook_delivery set state = case when $3::boolean then 4 else 1 end,"
    " state_time = case when $3::boolean then now() end, retry_until = null,"
    " next_attempt_time = now()"
    " where webhook_id = $1 and state = 3 and ($2 = '' or resource = $2)"};
constexpr pg::Statement kForgetOld = {
    "registry_delivery_forget_old",
    "delete from registry.webhook_delivery where state in (2, 4)"
    " and state_time < now() - $1::bigint * interval '1 millisecond'"};

std::string Millis(absl::Duration duration) { return Number(absl::ToInt64Milliseconds(duration)); }

std::vector<pg::Param> Attempt(const Delivery& delivery) {
  return {delivery.webhook_id, Number(delivery.sequence), Number(delivery.generation)};
}

}  // namespace

absl::Status InsertDelivery(pg::Connection& connection, const Delivery& delivery) {
  return connection
      .Exec(kInsert, {delivery.webhook_id, Number(delivery.sequence), delivery.event_id,
                      Number(delivery.type), delivery.resource, delivery.body})
      .status();
}

absl::StatusOr<std::int64_t> CountOpenDeliveries(pg::Connection& connection,
                                                 const std::string& webhook_id) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kCountOpen, {webhook_id}));
  return result.Int(0, 0);
}

absl::StatusOr<std::optional<Delivery>> ClaimDelivery(pg::Connection& connection,
                                                      const std::vector<std::string>& but,
                                                      const DeliveryTerms& terms) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kClaim, {absl::StrCat("{", absl::StrJoin(but, ","), "}"),
                                            Millis(terms.lease), Millis(terms.retry_time)}));
  if (result.rows() == 0) return std::optional<Delivery>();
  return std::optional<Delivery>({.webhook_id = std::string(result.Text(0, 0)),
                                  .sequence = result.Int(0, 1),
                                  .event_id = std::string(result.Text(0, 2)),
                                  .type = static_cast<int>(result.Int(0, 3)),
                                  .resource = std::string(result.Text(0, 4)),
                                  .body = std::string(result.Text(0, 5)),
                                  .generation = result.Int(0, 6),
                                  .attempt_count = static_cast<int>(result.Int(0, 7))});
}

absl::Status MarkDelivered(pg::Connection& connection, const Delivery& delivery) {
  std::vector<pg::Param> params = Attempt(delivery);
  params.push_back(Number(delivery.http_status));
  return connection.Exec(kDelivered, params).status();
}

absl::StatusOr<DeliveryState> MarkDeliveryFailed(pg::Connection& connection,
                                                 const Delivery& delivery,
                                                 absl::Duration retry_after) {
  std::vector<pg::Param> params = Attempt(delivery);
  params.insert(params.end(), {Number(delivery.http_status), delivery.error, Millis(retry_after)});
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kFailed, params));
  if (result.rows() == 0) return DeliveryState::kWaiting;
  return static_cast<DeliveryState>(result.Int(0, 0));
}

absl::Status GiveBackDelivery(pg::Connection& connection, const Delivery& delivery) {
  return connection.Exec(kGiveBack, Attempt(delivery)).status();
}

absl::StatusOr<std::vector<Delivery>> ListDeliveries(pg::Connection& connection,
                                                     const std::string& webhook_id,
                                                     std::optional<DeliveryState> state,
                                                     std::int64_t after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kList, {webhook_id, state ? Number(*state) : "0", Number(after),
                                           Number(limit)}));
  std::vector<Delivery> deliveries;
  for (int row = 0; row < result.rows(); ++row) {
    deliveries.push_back({.webhook_id = std::string(result.Text(row, 0)),
                          .sequence = result.Int(row, 1),
                          .event_id = std::string(result.Text(row, 2)),
                          .type = static_cast<int>(result.Int(row, 3)),
                          .resource = std::string(result.Text(row, 4)),
                          .state = static_cast<DeliveryState>(result.Int(row, 5)),
                          .attempt_count = static_cast<int>(result.Int(row, 6)),
                          .http_status = static_cast<int>(result.Int(row, 7)),
                          .error = std::string(result.Text(row, 8)),
                          .create_time = result.Time(row, 9).value_or(absl::UnixEpoch()),
                          .next_attempt_time = result.Time(row, 10).value_or(absl::UnixEpoch()),
                          .state_time = result.Time(row, 11)});
  }
  return deliveries;
}

absl::StatusOr<std::int64_t> ResumeDeliveries(pg::Connection& connection,
                                              const std::string& webhook_id,
                                              const std::string& resource, bool drop) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kResume, {webhook_id, resource, Bool(drop)}));
  return result.affected();
}

absl::Status ForgetOldDeliveries(pg::Connection& connection, absl::Duration age) {
  return connection.Exec(kForgetOld, {Millis(age)}).status();
}

}  // namespace godwit::registry::storage
