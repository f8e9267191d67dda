#include "services/registry/storage/inventory_store.h"

#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kLock = {"registry_inventory_lock",
                                 "select pg_advisory_xact_lock(hashtext('registry.inventory'))"};
constexpr pg::Statement kWavesOfName = {
    "registry_waves_of_name",
    "select id from registry.wave where display_name = $1 and not archived"
    " order by create_time, id limit 2"};
constexpr pg::Statement kApplicationsOfName = {
    "registry_applications_of_name",
    "select id from registry.application where display_name = $1 and not archived"
    " order by create_time, id limit 2"};
constexpr pg::Statement kSetNote = {
    "registry_inventory_note_set",
    "insert into registry.inventory_note (server_id, name, value) values ($1, $2, $3)"
    " on conflict (server_id, name) do update set value = excluded.value"
    " where registry.inventory_note.value <> excluded.value"};
constexpr pg::Statement kDropNote = {
    "registry_inventory_note_delete",
    "delete from registry.inventory_note where server_id = $1 and name = $2"};
constexpr pg::Statement kNotes = {"registry_inventory_notes",
                                  "select server_id, name, value from registry.inventory_note"
                                  " where server_id = any(string_to_array($1, ','))"};

}  // namespace

absl::Status LockInventory(pg::Connection& connection) { return connection.Exec(kLock).status(); }

absl::StatusOr<std::vector<std::string>> GroupsOfName(pg::Connection& connection, GroupKind kind,
                                                      const std::string& display_name) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kind == GroupKind::kWave ? kWavesOfName : kApplicationsOfName,
                                   {display_name}));
  std::vector<std::string> ids;
  for (int row = 0; row < found.rows(); ++row) ids.emplace_back(found.Text(row, 0));
  return ids;
}

absl::StatusOr<bool> SetNote(pg::Connection& connection, const std::string& server,
                             const std::string& name, const std::string& value) {
  ASSIGN_OR_RETURN(const pg::Result changed,
                   value.empty() ? connection.Exec(kDropNote, {server, name})
                                 : connection.Exec(kSetNote, {server, name, value}));
  return changed.affected() > 0;
}

absl::StatusOr<Notes> NotesOf(pg::Connection& connection, const std::vector<std::string>& servers) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kNotes, {absl::StrJoin(servers, ",")}));
  Notes notes;
  for (int row = 0; row < found.rows(); ++row) {
    notes[std::string(found.Text(row, 0))][std::string(found.Text(row, 1))] =
        std::string(found.Text(row, 2));
  }
  return notes;
}

}  // namespace godwit::registry::storage
