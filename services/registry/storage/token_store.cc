#include "services/registry/storage/token_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_TOKEN_COLUMNS                                                                \
  "id, secret_hash, registry.micros(create_time), registry.micros(expire_time), max_uses, " \
  "use_count, revoked, description, tags, replication_template, launch_template"

constexpr pg::Statement kInsert = {
    "registry_token_insert",
    "insert into registry.installation_token (id, secret_hash, expire_time, max_uses, description,"
    " tags, replication_template, launch_template)"
    " values ($1, $2, to_timestamp($3::bigint / 1e6), $4::integer, $5, $6::jsonb, $7, $8)"
    " returning " GODWIT_TOKEN_COLUMNS};
constexpr pg::Statement kLock = {"registry_token_lock",
                                 "select " GODWIT_TOKEN_COLUMNS
                                 " from registry.installation_token where id = $1 for update"};
constexpr pg::Statement kList = {"registry_token_list",
                                 "select " GODWIT_TOKEN_COLUMNS
                                 " from registry.installation_token"
                                 " where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"
                                 " order by create_time, id limit $3::bigint"};
constexpr pg::Statement kRevoke = {
    "registry_token_revoke",
    "update registry.installation_token set revoked = true where id = $1"
    " returning " GODWIT_TOKEN_COLUMNS};
constexpr pg::Statement kOfTemplate = {
    "registry_token_of_template",
    "select id from registry.installation_token"
    " where (replication_template = $1 or launch_template = $1)"
    " and not revoked and expire_time > to_timestamp($2::bigint / 1e6)"
    " order by create_time, id limit 1"};
constexpr pg::Statement kUsedBy = {
    "registry_token_used_by",
    "select exists (select 1 from registry.installation_token_use where token_id = $1"
    " and public_key_hash = $2)"};
constexpr pg::Statement kUse = {
    "registry_token_use",
    "with used as (insert into registry.installation_token_use (token_id, public_key_hash,"
    " server_id) values ($1, $2, $3) on conflict do nothing returning token_id)"
    " update registry.installation_token set use_count = use_count + 1"
    " where id in (select token_id from used)"};

InstallationToken FromRow(const pg::Result& result, int row) {
  return {.id = std::string(result.Text(row, 0)),
          .secret_hash = std::string(result.Text(row, 1)),
          .create_time = result.Time(row, 2).value_or(absl::UnixEpoch()),
          .expire_time = result.Time(row, 3).value_or(absl::UnixEpoch()),
          .max_uses = static_cast<int>(result.Int(row, 4)),
          .use_count = static_cast<int>(result.Int(row, 5)),
          .revoked = result.Bool(row, 6),
          .description = std::string(result.Text(row, 7)),
          .tags = std::string(result.Text(row, 8)),
          .replication_template = std::string(result.Text(row, 9)),
          .launch_template = std::string(result.Text(row, 10))};
}

absl::StatusOr<InstallationToken> One(const absl::StatusOr<pg::Result>& result,
                                      absl::string_view id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) return absl::NotFoundError(absl::StrCat("there is no tokens/", id));
  return FromRow(*result, 0);
}

}  // namespace

absl::StatusOr<InstallationToken> InsertToken(pg::Connection& connection,
                                              const InstallationToken& token) {
  return One(connection.Exec(kInsert, {token.id, token.secret_hash, pg::Micros(token.expire_time),
                                       Number(token.max_uses), token.description, token.tags,
                                       token.replication_template, token.launch_template}),
             token.id);
}

absl::StatusOr<InstallationToken> LockToken(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<std::vector<InstallationToken>> ListTokens(pg::Connection& connection,
                                                          absl::Time after_time,
                                                          const std::string& after_id, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kList, {after_id.empty() ? "0" : pg::Micros(after_time),
                                           after_id, Number(limit)}));
  std::vector<InstallationToken> tokens;
  for (int row = 0; row < result.rows(); ++row) tokens.push_back(FromRow(result, row));
  return tokens;
}

absl::StatusOr<InstallationToken> RevokeToken(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kRevoke, {id}), id);
}

absl::StatusOr<std::optional<std::string>> LiveTokenOfTemplate(pg::Connection& connection,
                                                               const std::string& template_id,
                                                               absl::Time now) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kOfTemplate, {template_id, pg::Micros(now)}));
  if (result.rows() == 0) return std::nullopt;
  return std::string(result.Text(0, 0));
}

absl::StatusOr<bool> TokenUsedBy(pg::Connection& connection, const std::string& id,
                                 const std::string& public_key_hash) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kUsedBy, {id, public_key_hash}));
  return result.Bool(0, 0);
}

absl::Status UseToken(pg::Connection& connection, const std::string& id,
                      const std::string& public_key_hash, const std::string& server_id) {
  return connection.Exec(kUse, {id, public_key_hash, server_id}).status();
}

}  // namespace godwit::registry::storage
