#include "services/registry/storage/group_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

struct GroupStatements {
  const char* collection;
  pg::Statement get, lock, insert, save, remove, list, members;
};

#define GODWIT_GROUP_COLUMNS(wave) \
  "id, version, display_name, description, tags, archived, " wave ", registry.micros(create_time)"

#define GODWIT_GROUP_STATEMENTS(name, table, wave, members_sql)                                    \
  {                                                                                                \
    name "s",                                                                                      \
        {"registry_" name "_get",                                                                  \
         "select " GODWIT_GROUP_COLUMNS(wave) " from registry." table " where id = $1"},           \
        {"registry_" name "_lock", "select " GODWIT_GROUP_COLUMNS(                                 \
                                       wave) " from registry." table " where id = $1 for update"}, \
        {"registry_" name "_insert",                                                               \
         "insert into registry." table                                                             \
         " (id, display_name, description, tags, archived) values"                                 \
         " ($1, $2, $3, $4::jsonb, $5::boolean) returning " GODWIT_GROUP_COLUMNS(wave)},           \
        {"registry_" name "_save",                                                                 \
         "update registry." table                                                                  \
         " set version = version + 1, display_name = $2, description = $3,"                        \
         " tags = $4::jsonb, archived = $5::boolean where id = $1"                                 \
         " returning " GODWIT_GROUP_COLUMNS(wave)},                                                \
        {"registry_" name "_delete", "delete from registry." table " where id = $1"},              \
        {"registry_" name "_list",                                                                 \
         "select " GODWIT_GROUP_COLUMNS(                                                           \
             wave) " from registry." table                                                         \
                   " where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"               \
                   " and ($3::boolean or not archived) order by create_time, id limit "            \
                   "$4::bigint"},                                                                  \
    {                                                                                              \
      "registry_" name "_members", members_sql                                                     \
    }                                                                                              \
  }

constexpr GroupStatements kApplications = GODWIT_GROUP_STATEMENTS(
    "application", "application", "wave_id",
    "select id from registry.source_server where application_id = $1 order by id");
constexpr GroupStatements kWaves = GODWIT_GROUP_STATEMENTS(
    "wave", "wave", "''", "select id from registry.application where wave_id = $1 order by id");

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
          .create_time = result.Time(row, 7).value_or(absl::UnixEpoch())};
}

absl::StatusOr<Group> One(const absl::StatusOr<pg::Result>& result, GroupKind kind,
                          const std::string& id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no ", Of(kind).collection, "/", id));
  }
  return FromRow(*result, 0);
}

}  // namespace

absl::StatusOr<Group> GetGroup(pg::Connection& connection, GroupKind kind, const std::string& id) {
  return One(connection.Exec(Of(kind).get, {id}), kind, id);
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
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(Of(kind).list,
                      {query.after_id.empty() ? "0" : pg::Micros(query.after_time), query.after_id,
                       Bool(query.show_archived), Number(query.limit)}));
  std::vector<Group> groups;
  for (int row = 0; row < result.rows(); ++row) groups.push_back(FromRow(result, row));
  return groups;
}

absl::StatusOr<std::vector<std::string>> MembersOf(pg::Connection& connection, GroupKind kind,
                                                   const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(Of(kind).members, {id}));
  std::vector<std::string> ids;
  for (int row = 0; row < result.rows(); ++row) ids.emplace_back(result.Text(row, 0));
  return ids;
}

}  // namespace godwit::registry::storage
