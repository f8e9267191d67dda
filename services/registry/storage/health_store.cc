#include "services/registry/storage/health_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace godwit::registry::storage {
namespace {

// In the order of the ids, so that two registries that do the same do not lock each other out.
constexpr pg::Statement kSaveHealth = {
    "registry_health_save",
    "insert into registry.server_health (server_id, health)"
    " select said.id, said.health from unnest($1::text[], $2::smallint[]) as said (id, health)"
    " join registry.source_server s on s.id = said.id"
    " left join registry.server_health known on known.server_id = said.id"
    " where known.health is distinct from said.health order by said.id"
    " on conflict (server_id) do update set health = excluded.health, time = now()"
    " where server_health.health <> excluded.health"};

}  // namespace

absl::Status SaveHealth(pg::Connection& connection, const std::vector<ServerHealthRow>& rows) {
  const auto array = [&rows](const auto& text_of) {
    return absl::StrCat("{",
                        absl::StrJoin(rows, ",",
                                      [&](std::string* out, const ServerHealthRow& row) {
                                        absl::StrAppend(out, text_of(row));
                                      }),
                        "}");
  };
  return connection
      .Exec(kSaveHealth,
            {array([](const ServerHealthRow& row) { return row.server; }),
             array([](const ServerHealthRow& row) { return static_cast<int>(row.health); })})
      .status();
}

}  // namespace godwit::registry::storage
