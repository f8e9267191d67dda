#include "services/registry/storage/group_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

struct GroupStatements {
  const char* collection;
  pg::Statement lock, insert, save, remove, list, members, lock_count, count;
};

#define GODWIT_GROUP_COLUMNS(wave)                                \
  "id, version, display_name, description, tags, archived, " wave \
  " as wave, registry.micros(create_time) as created,"            \
  " registry.micros(update_time) as updated, create_time as age"

// What the members of one group make up, from the rows s (servers), h (their health) and, of waves,
// a (applications). Servers that do not replicate any more have no health that counts.
#define GODWIT_GROUP_FACTS(applications, change)                                         \
  "select " applications                                                                 \
  " as applications, count(s.id) as servers,"                                            \
  " count(s.id) filter (where s.replication_start_time is not null"                      \
  " or s.lifecycle between 4 and 9) as started,"                                         \
  " count(s.id) filter (where s.lifecycle = 9) as cut_over,"                             \
  " count(s.id) filter (where h.health = 3 and s.lifecycle between 4 and 8) as stalled," \
  " count(s.id) filter (where h.health = 2 and s.lifecycle between 4 and 8) as lagging," \
  " registry.micros(min(s.replication_start_time)) as first_start,"                      \
  " registry.micros(greatest(max(s.update_time), max(h.time)" change ")) as last_change from"

#define GODWIT_GROUP_STATEMENTS(name, wave, of_wave, facts_sql, members_sql)                       \
  {                                                                                                \
    name "s",                                                                                      \
        {"registry_" name "_lock",                                                                 \
         "select " GODWIT_GROUP_COLUMNS(wave) " from registry." name " where id = $1 for update"}, \
        {"registry_" name "_insert",                                                               \
         "insert into registry." name                                                              \
         " (id, display_name, description, tags, archived) values"                                 \
         " ($1, $2, $3, $4::jsonb, $5::boolean) returning " GODWIT_GROUP_COLUMNS(wave)},           \
        {"registry_" name "_save",                                                                 \
         "update registry." name                                                                   \
         " set version = version + 1, update_time = clock_timestamp(), display_name = $2,"         \
         " description = $3, tags = $4::jsonb, archived = $5::boolean where id = $1"               \
         " returning " GODWIT_GROUP_COLUMNS(wave)},                                                \
        {"registry_" name "_delete", "delete from registry." name " where id = $1"},               \
        {"registry_" name "_list",                                                                 \
         "with page as materialized (select " GODWIT_GROUP_COLUMNS(                                \
             wave) " from registry." name                                                          \
                   " where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"               \
                   " and ($3 = '' or archived = ($3 = 'true'))"                                    \
                   " and ($4::text[] = '{}' or id = any ($4::text[]))"                             \
                   " and ($5::text[] = '{}' or " of_wave                                           \
                   ") and ($7 = '' or id in (select v.id from registry.scope_" name                \
                   " v where v.principal = $7))"                                                   \
                   " order by create_time, id limit $6::bigint)"                                   \
                   " select page.*, facts.* from page cross join lateral (" facts_sql              \
                   ") as facts order by page.age, page.id"},                                       \
        {"registry_" name "_members", members_sql},                                                \
        {"registry_" name "_lock_count",                                                           \
         "select pg_advisory_xact_lock(hashtext('registry." name "'))"},                           \
    {                                                                                              \
      "registry_" name "_count",                                                                   \
          "select count(*) from registry." name " where archived = $1::boolean"                    \
    }                                                                                              \
  }

constexpr GroupStatements kApplications = GODWIT_GROUP_STATEMENTS(
    "application", "wave_id", "wave_id = any ($5::text[])",
    GODWIT_GROUP_FACTS("0", "") " registry.source_server s"
                                " left join registry.server_health h on h.server_id = s.id"
                                " where s.application_id = page.id",
    "select id from registry.source_server where application_id = $1 order by id");
constexpr GroupStatements kWaves = GODWIT_GROUP_STATEMENTS(
    "wave", "''", "false",
    GODWIT_GROUP_FACTS("count(distinct a.id)",
                       ", max(a.update_time)") " registry.application a"
                                               " left join registry.source_server s"
                                               " on s.application_id = a.id"
                                               " left join registry.server_health h"
                                               " on h.server_id = s.id where a.wave_id = page.id",
    "select id from registry.application where wave_id = $1 order by id");

constexpr pg::Statement kSetWave = {"registry_application_set_wave",
                                    "update registry.application set wave_id = $2 where id = $1"};

const GroupStatements& Of(GroupKind kind) {
  return kind == GroupKind::kApplication ? kApplications : kWaves;
}

Group FromRow(const pg::Result& result, int row) {
  return {.id = std::string(result.Text(row, 0)),
          .version = result.Int(row, 1),
          .display_name = std::string(result.Text(row, 2)),
          .description = std::string(result.Text(row, 3)),
          .tags = std::string(result.Text(row, 4)),
          .archived = result.Bool(row, 5),
          .wave = std::string(result.Text(row, 6)),
          .create_time = result.Time(row, 7).value_or(absl::UnixEpoch()),
          .update_time = result.Time(row, 8).value_or(absl::UnixEpoch())};
}

// Of a row of the list, whose column 9 only puts it in order.
GroupFacts FactsFromRow(const pg::Result& result, int row) {
  return {.applications = result.Int(row, 10),
          .servers = result.Int(row, 11),
          .started = result.Int(row, 12),
          .cut_over = result.Int(row, 13),
          .stalled = result.Int(row, 14),
          .lagging = result.Int(row, 15),
          .first_start = result.Time(row, 16),
          .last_change = result.Time(row, 17)};
}

absl::Status NoSuch(GroupKind kind, const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no ", Of(kind).collection, "/", id));
}

// Ids have no character that an array would take for its own.
std::string Array(const std::vector<std::string>& ids) {
  return absl::StrCat("{", absl::StrJoin(ids, ","), "}");
}

absl::StatusOr<Group> One(const absl::StatusOr<pg::Result>& result, GroupKind kind,
                          const std::string& id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) return NoSuch(kind, id);
  return FromRow(*result, 0);
}

}  // namespace

absl::StatusOr<Group> GetGroup(pg::Connection& connection, GroupKind kind, const std::string& id) {
  ASSIGN_OR_RETURN(std::vector<Group> groups,
                   ListGroups(connection, kind, {.show_archived = true, .ids = {id}}));
  if (groups.empty()) return NoSuch(kind, id);
  return std::move(groups[0]);
}

absl::StatusOr<Group> LockGroup(pg::Connection& connection, GroupKind kind, const std::string& id) {
  return One(connection.Exec(Of(kind).lock, {id}), kind, id);
}

absl::StatusOr<Group> InsertGroup(pg::Connection& connection, GroupKind kind, const Group& group) {
  return One(connection.Exec(Of(kind).insert, {group.id, group.display_name, group.description,
                                               group.tags, Bool(group.archived)}),
             kind, group.id);
}

absl::StatusOr<Group> SaveGroup(pg::Connection& connection, GroupKind kind, const Group& group) {
  if (kind == GroupKind::kApplication) {
    RETURN_IF_ERROR(connection.Exec(kSetWave, {group.id, OrNull(group.wave)}));
  }
  return One(connection.Exec(Of(kind).save, {group.id, group.display_name, group.description,
                                             group.tags, Bool(group.archived)}),
             kind, group.id);
}

absl::Status DeleteGroup(pg::Connection& connection, GroupKind kind, const std::string& id) {
  return connection.Exec(Of(kind).remove, {id}).status();
}

absl::StatusOr<std::vector<Group>> ListGroups(pg::Connection& connection, GroupKind kind,
                                              const GroupQuery& query) {
  const std::string archived = query.archived        ? Bool(*query.archived)
                               : query.show_archived ? ""
                                                     : Bool(false);
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(Of(kind).list, {query.after_id.empty() ? "0" : pg::Micros(query.after_time),
                                      query.after_id, archived, Array(query.ids),
                                      Array(query.waves), Number(query.limit), query.scope_of}));
  std::vector<Group> groups;
  for (int row = 0; row < result.rows(); ++row) {
    groups.push_back(FromRow(result, row));
    groups.back().facts = FactsFromRow(result, row);
  }
  return groups;
}

absl::StatusOr<std::int64_t> CountGroups(pg::Connection& connection, GroupKind kind,
                                         bool archived) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(Of(kind).count, {Bool(archived)}));
  return result.Int(0, 0);
}

absl::Status LockCount(pg::Connection& connection, GroupKind kind) {
  return connection.Exec(Of(kind).lock_count).status();
}

absl::StatusOr<std::vector<std::string>> MembersOf(pg::Connection& connection, GroupKind kind,
                                                   const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(Of(kind).members, {id}));
  std::vector<std::string> ids;
  for (int row = 0; row < result.rows(); ++row) ids.emplace_back(result.Text(row, 0));
  return ids;
}

}  // namespace godwit::registry::storage
