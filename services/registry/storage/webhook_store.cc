#include "services/registry/storage/webhook_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_WEBHOOK_COLUMNS                                                \
  "id, version, url, filter, description, disabled, ca_pem, wrapped_secret, " \
  "master_key, sequence, missed_count, registry.micros(create_time), "        \
  "registry.micros(update_time)"
#define GODWIT_WEBHOOK_SELECT "select " GODWIT_WEBHOOK_COLUMNS " from registry.webhook "

constexpr pg::Statement kInsert = {
    "registry_webhook_insert",
    "insert into registry.webhook (id, url, filter, description, disabled, ca_pem, wrapped_secret,"
    " master_key, sequence) select $1, $2, $3::jsonb, $4, $5::boolean, $6, $7::bytea, $8, "
    "h.sequence"
    " from registry.event_head h returning " GODWIT_WEBHOOK_COLUMNS};
constexpr pg::Statement kAlone = {"registry_webhook_insert_lock",
                                  "select pg_advisory_xact_lock(hashtext('registry.webhook'))"};
constexpr pg::Statement kCount = {"registry_webhook_count",
                                  "select count(*) from registry.webhook"};
constexpr pg::Statement kGet = {"registry_webhook_get", GODWIT_WEBHOOK_SELECT "where id = $1"};
constexpr pg::Statement kLock = {"registry_webhook_lock",
                                 GODWIT_WEBHOOK_SELECT "where id = $1 for update"};
constexpr pg::Statement kTryLock = {"registry_webhook_try_lock",
                                    GODWIT_WEBHOOK_SELECT "where id = $1 for update skip locked"};
constexpr pg::Statement kList = {"registry_webhook_list", GODWIT_WEBHOOK_SELECT
                                 "where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"
                                 " order by create_time, id limit $3::bigint"};
constexpr pg::Statement kSave = {
    "registry_webhook_save",
    "update registry.webhook set version = version + 1, update_time = now(), url = $2,"
    " filter = $3::jsonb, description = $4, disabled = $5::boolean, ca_pem = $6,"
    " wrapped_secret = $7::bytea, master_key = $8, sequence = case when $9::boolean"
    "  then (select h.sequence from registry.event_head h) else sequence end"
    " where id = $1 returning " GODWIT_WEBHOOK_COLUMNS};
constexpr pg::Statement kSavePlace = {
    "registry_webhook_save_place",
    "update registry.webhook set sequence = $2::bigint, missed_count = $3::bigint where id = $1"};
constexpr pg::Statement kDelete = {"registry_webhook_delete",
                                   "delete from registry.webhook where id = $1"};
constexpr pg::Statement kBehind = {
    "registry_webhook_behind",
    "select w.id from registry.webhook w, registry.event_head h"
    " where not w.disabled and w.sequence <> h.sequence order by w.sequence"};
constexpr pg::Statement kLoad = {
    "registry_webhook_load",
    "select count(*) filter (where d.state = 1), count(*) filter (where d.state = 3),"
    " coalesce(registry.micros(now()) - registry.micros(min(d.create_time)), 0),"
    " (select coalesce(sum(h.sequence - w.sequence), 0) from registry.webhook w,"
    "   registry.event_head h where not w.disabled and ($1 = '' or w.id = $1))"
    " from registry.webhook_delivery d where d.state in (1, 3) and ($1 = '' or d.webhook_id = $1)"};

absl::StatusOr<std::vector<Webhook>> All(const absl::StatusOr<pg::Result>& result) {
  RETURN_IF_ERROR(result);
  std::vector<Webhook> webhooks;
  for (int row = 0; row < result->rows(); ++row) {
    const auto text = [&](int column) { return std::string(result->Text(row, column)); };
    webhooks.push_back({.id = text(0),
                        .version = result->Int(row, 1),
                        .url = text(2),
                        .filter = text(3),
                        .description = text(4),
                        .disabled = result->Bool(row, 5),
                        .ca_pem = text(6),
                        .wrapped_secret = result->Bytes(row, 7),
                        .master_key = text(8),
                        .sequence = result->Int(row, 9),
                        .missed_count = result->Int(row, 10),
                        .create_time = result->Time(row, 11).value_or(absl::UnixEpoch()),
                        .update_time = result->Time(row, 12).value_or(absl::UnixEpoch())});
  }
  return webhooks;
}

absl::Status NoSuchWebhook(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no webhooks/", id));
}

absl::StatusOr<Webhook> Only(const absl::StatusOr<pg::Result>& result, const std::string& id) {
  ASSIGN_OR_RETURN(std::vector<Webhook> webhooks, All(result));
  if (webhooks.empty()) return NoSuchWebhook(id);
  return std::move(webhooks.front());
}

std::vector<pg::Param> Content(const Webhook& webhook) {
  return {webhook.id,
          webhook.url,
          webhook.filter,
          webhook.description,
          Bool(webhook.disabled),
          webhook.ca_pem,
          pg::BytesParam(webhook.wrapped_secret),
          webhook.master_key};
}

}  // namespace

absl::StatusOr<Webhook> InsertWebhook(pg::Connection& connection, const Webhook& webhook) {
  RETURN_IF_ERROR(connection.Exec(kAlone).status());
  ASSIGN_OR_RETURN(const pg::Result count, connection.Exec(kCount));
  if (count.Int(0, 0) >= kMostWebhooks) {
    return absl::FailedPreconditionError(
        absl::StrCat("there are ", kMostWebhooks, " webhooks, which is the most: delete one"));
  }
  return Only(connection.Exec(kInsert, Content(webhook)), webhook.id);
}

absl::StatusOr<Webhook> GetWebhook(pg::Connection& connection, const std::string& id) {
  return Only(connection.Exec(kGet, {id}), id);
}

absl::StatusOr<Webhook> LockWebhook(pg::Connection& connection, const std::string& id) {
  return Only(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<std::optional<Webhook>> TryLockWebhook(pg::Connection& connection,
                                                      const std::string& id) {
  absl::StatusOr<Webhook> webhook = Only(connection.Exec(kTryLock, {id}), id);
  if (absl::IsNotFound(webhook.status())) return std::optional<Webhook>();
  RETURN_IF_ERROR(webhook);
  return std::optional<Webhook>(*std::move(webhook));
}

absl::StatusOr<std::vector<Webhook>> ListWebhooks(pg::Connection& connection, absl::Time after_time,
                                                  const std::string& after_id, int limit) {
  const std::string time = after_id.empty() ? "0" : pg::Micros(after_time);
  return All(connection.Exec(kList, {time, after_id, Number(limit)}));
}

absl::StatusOr<Webhook> SaveWebhook(pg::Connection& connection, const Webhook& webhook,
                                    bool from_now) {
  std::vector<pg::Param> params = Content(webhook);
  params.push_back(Bool(from_now));
  return Only(connection.Exec(kSave, params), webhook.id);
}

absl::Status SavePlace(pg::Connection& connection, const Webhook& webhook) {
  return connection
      .Exec(kSavePlace, {webhook.id, Number(webhook.sequence), Number(webhook.missed_count)})
      .status();
}

absl::Status DeleteWebhook(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result deleted, connection.Exec(kDelete, {id}));
  return deleted.affected() == 0 ? NoSuchWebhook(id) : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> WebhooksBehind(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kBehind));
  std::vector<std::string> ids;
  for (int row = 0; row < result.rows(); ++row) ids.emplace_back(result.Text(row, 0));
  return ids;
}

absl::StatusOr<WebhookLoad> LoadOfWebhooks(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kLoad, {id}));
  return WebhookLoad{.waiting = result.Int(0, 0),
                     .parked = result.Int(0, 1),
                     .oldest = absl::Microseconds(result.Int(0, 2)),
                     .behind = result.Int(0, 3)};
}

}  // namespace godwit::registry::storage
