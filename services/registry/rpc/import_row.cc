#include "services/registry/rpc/import_row.h"

#include <google/protobuf/util/message_differencer.h>

#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/fleet.h"
#include "services/registry/rpc/launch_columns.h"
#include "services/registry/rpc/pending_server.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/storage/group_store.h"
#include "services/registry/storage/inventory_store.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

using google::protobuf::util::MessageDifferencer;
using storage::Group;
using storage::GroupKind;

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxDescription = 1024;
constexpr std::size_t kMaxNote = 1024;
constexpr char kEvent[] = "Import";

// A resource, and whether the row made or changed it.
template <typename Resource>
struct Done {
  Resource resource;
  bool made = false, changed = false;

  void Count(std::int64_t* created, std::int64_t* modified) const {
    if (made) {
      ++*created;
    } else if (changed) {
      ++*modified;
    }
  }
};

// Applies the tag columns of `values` with this prefix to a document of tags.
absl::Status MergeTags(const Mention& mention, const std::string& prefix, Tags* tags) {
  for (const auto& [column, cell] : mention.values) {
    if (!absl::StartsWith(column, prefix)) continue;
    const std::string key = column.substr(prefix.size());
    if (cell == kDeleteTag) {
      tags->erase(key);
    } else {
      (*tags)[key] = cell == kResetValue ? "" : cell;
    }
  }
  return CheckTags(prefix, *tags);
}

absl::Status MergeTagsJson(const Mention& mention, InventoryKind kind, std::string* json,
                           bool* changed) {
  Tags tags;
  RETURN_IF_ERROR(TagsFromJson(*json, &tags));
  const std::map<std::string, std::string> before(tags.begin(), tags.end());
  RETURN_IF_ERROR(MergeTags(mention, TagPrefix(kind), &tags));
  if (before == std::map<std::string, std::string>(tags.begin(), tags.end())) {
    return absl::OkStatus();
  }
  *json = TagsToJson(tags);
  *changed = true;
  return absl::OkStatus();
}

absl::Status MergeText(const std::string& column, const std::string& cell, std::size_t least,
                       std::size_t most, std::string* text, bool* changed) {
  if (cell.empty()) return absl::OkStatus();
  const std::string wanted = cell == kResetValue ? "" : cell;
  RETURN_IF_ERROR(CheckText(column, wanted, least, most));
  if (*text == wanted) return absl::OkStatus();
  *text = wanted;
  *changed = true;
  return absl::OkStatus();
}

// Locked; none when its name is new.
absl::StatusOr<std::optional<Group>> FindGroup(pg::Connection& connection, GroupKind kind,
                                               InventoryKind as, const Mention& mention) {
  std::string id = mention.id;
  if (id.empty()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                     storage::GroupsOfName(connection, kind, mention.name));
    if (ids.empty()) return std::nullopt;
    if (ids.size() > 1) {
      return absl::FailedPreconditionError(
          absl::StrCat(NameColumn(as), ": several have this name; give ", IdColumn(as)));
    }
    id = ids[0];
  }
  ASSIGN_OR_RETURN(Group group, storage::LockGroup(connection, kind, id));
  return std::optional<Group>(std::move(group));
}

absl::StatusOr<Done<Group>> EnsureGroup(pg::Connection& connection, const Backend& backend,
                                        GroupKind kind, const Mention& mention, std::string* id) {
  const InventoryKind as =
      kind == GroupKind::kWave ? InventoryKind::kWave : InventoryKind::kApplication;
  ASSIGN_OR_RETURN(const std::optional<Group> found, FindGroup(connection, kind, as, mention));
  Done<Group> done;
  done.made = !found;
  if (found) done.resource = *found;
  Group& group = done.resource;
  if (done.made) group.id = NewId(kind == GroupKind::kWave ? "wave-" : "app-");
  if (!done.made) *id = group.id;
  RETURN_IF_ERROR(
      MergeText(NameColumn(as), mention.name, 1, kMaxName, &group.display_name, &done.changed));
  const auto description = mention.values.find(DescriptionColumn(as));
  if (description != mention.values.end()) {
    RETURN_IF_ERROR(MergeText(description->first, description->second, 0, kMaxDescription,
                              &group.description, &done.changed));
  }
  RETURN_IF_ERROR(MergeTagsJson(mention, as, &group.tags, &done.changed));
  if (done.made) {
    RETURN_IF_ERROR(CheckNewGroup(backend, connection, kind));
    ASSIGN_OR_RETURN(group, storage::InsertGroup(connection, kind, group));
  } else if (done.changed) {
    ASSIGN_OR_RETURN(group, storage::SaveGroup(connection, kind, group));
  }
  return done;
}

absl::Status MergeLaunchSettings(const Mention& mention, std::string* json, bool* changed) {
  jobs_pb::LaunchSettings before;
  RETURN_IF_ERROR(FromJson(*json, &before));
  jobs_pb::LaunchSettings after = before;
  for (const auto& [column, cell] : mention.values) {
    if (IsLaunchColumn(column)) RETURN_IF_ERROR(SetLaunchColumn(column, cell, &after));
  }
  RETURN_IF_ERROR(MergeTags(mention, kMachineTagPrefix, after.mutable_machine_tags()));
  if (MessageDifferencer::Equals(before, after)) return absl::OkStatus();
  RETURN_IF_ERROR(CheckLaunchSettings("launch settings", after));
  ASSIGN_OR_RETURN(*json, ToJson(after));
  *changed = true;
  return absl::OkStatus();
}

absl::Status MergeNotes(const Mention& mention, std::string* json, bool* changed) {
  pb::ServerNotes before;
  RETURN_IF_ERROR(FromJson(*json, &before));
  pb::ServerNotes after = before;
  for (const auto& [column, cell] : mention.values) {
    const std::string wanted = cell == kResetValue ? "" : cell;
    if (column == kFqdnColumn) {
      RETURN_IF_ERROR(CheckText(column, wanted, 0, kMaxName));
      after.set_action_fqdn(wanted);
    } else if (column == kPlatformColumn) {
      after.set_platform(absl::AsciiStrToLower(wanted));
      if (!wanted.empty() && after.platform() != "linux" && after.platform() != "windows") {
        return absl::InvalidArgumentError(absl::StrCat(column, ": must be linux or windows"));
      }
    }
  }
  if (MessageDifferencer::Equals(before, after)) return absl::OkStatus();
  ASSIGN_OR_RETURN(*json, ToJson(after));
  *changed = true;
  return absl::OkStatus();
}

absl::Status SetUserProvidedId(const std::string& wanted, SourceServer* server, bool* changed) {
  if (wanted.empty() || wanted == server->user_provided_id) return absl::OkStatus();
  if (!server->user_provided_id.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(kUserProvidedIdColumn, ": sourceServers/",
                                                      server->id,
                                                      " has another one, which cannot be changed"));
  }
  server->user_provided_id = wanted;
  *changed = true;
  return absl::OkStatus();
}

absl::StatusOr<Done<SourceServer>> EnsureServer(pg::Connection& connection, const Backend& backend,
                                                const std::string& principal,
                                                const Mention& mention, std::string* id) {
  RETURN_IF_ERROR(CheckText(kUserProvidedIdColumn, mention.name, 0, kMaxUserProvidedId));
  std::optional<SourceServer> found;
  if (!mention.id.empty()) {
    ASSIGN_OR_RETURN(found, storage::LockServer(connection, mention.id));
  } else {
    ASSIGN_OR_RETURN(found, storage::LockServerOfUserProvidedId(connection, mention.name));
  }
  Done<SourceServer> done;
  done.made = !found;
  SourceServer& server = done.resource;
  if (found) {
    server = *found;
    *id = server.id;
  } else {
    ASSIGN_OR_RETURN(server, NewPendingServer(connection, backend.clock.Now(), mention.name));
  }
  RETURN_IF_ERROR(SetUserProvidedId(mention.name, &server, &done.changed));
  RETURN_IF_ERROR(MergeTagsJson(mention, InventoryKind::kServer, &server.tags, &done.changed));
  RETURN_IF_ERROR(MergeNotes(mention, &server.notes, &done.changed));
  RETURN_IF_ERROR(MergeLaunchSettings(mention, &server.launch_settings, &done.changed));
  const storage::Change change{.event = kEvent, .principal = principal};
  if (done.made) {
    RETURN_IF_ERROR(CheckQuotas(backend, connection, nullptr, server));
    ASSIGN_OR_RETURN(server, storage::InsertServer(connection, server, change));
  } else if (done.changed) {
    ASSIGN_OR_RETURN(server, storage::SaveServer(connection, server, change));
  }
  for (const auto& [column, cell] : mention.values) {
    if (IsLaunchColumn(column) || !IsNoteColumn(column)) continue;
    std::string note = cell == kResetValue ? "" : cell;
    RETURN_IF_ERROR(CheckText(column, note, 0, kMaxNote));
    ASSIGN_OR_RETURN(const bool changed, storage::SetNote(connection, server.id, column, note));
    done.changed = done.changed || changed;
  }
  return done;
}

absl::Status PutIntoWave(pg::Connection& connection, const Backend& backend, const Group& wave,
                         Done<Group>* application) {
  const Group& member = application->resource;
  if (member.wave == wave.id) return absl::OkStatus();
  if (!member.wave.empty()) {
    ASSIGN_OR_RETURN(const Group before,
                     storage::LockGroup(connection, GroupKind::kWave, member.wave));
    RETURN_IF_ERROR(DisassociateApplications(connection, before, {member.id}));
  }
  application->changed = true;
  return AssociateApplications(backend, connection, wave, {member.id});
}

absl::Status PutIntoApplication(pg::Connection& connection, const Backend& backend,
                                const Group& application, const std::string& principal,
                                Done<SourceServer>* server) {
  const SourceServer& member = server->resource;
  if (member.application == application.id) return absl::OkStatus();
  if (!member.application.empty()) {
    ASSIGN_OR_RETURN(const Group before,
                     storage::LockGroup(connection, GroupKind::kApplication, member.application));
    RETURN_IF_ERROR(DisassociateServers(connection, before, {member.id}, principal));
  }
  server->changed = true;
  return AssociateServers(backend, connection, application, {member.id}, principal);
}

}  // namespace

absl::Status ImportRow(pg::Connection& connection, const Backend& backend,
                       const std::string& principal, const InventoryRow& row, ImportedRow* out) {
  *out = ImportedRow();
  if (!row.fault.empty()) return absl::InvalidArgumentError(row.fault);
  RETURN_IF_ERROR(storage::LockInventory(connection));
  storage::TransferCounts& changed = out->changed;
  std::optional<Done<Group>> wave, application;
  if (!row.wave.empty()) {
    ASSIGN_OR_RETURN(wave,
                     EnsureGroup(connection, backend, GroupKind::kWave, row.wave, &out->wave));
    wave->Count(&changed.waves_created, &changed.waves_modified);
  }
  if (!row.application.empty()) {
    ASSIGN_OR_RETURN(application, EnsureGroup(connection, backend, GroupKind::kApplication,
                                              row.application, &out->application));
    if (wave) RETURN_IF_ERROR(PutIntoWave(connection, backend, wave->resource, &*application));
    application->Count(&changed.applications_created, &changed.applications_modified);
  }
  if (!row.server.empty()) {
    ASSIGN_OR_RETURN(Done<SourceServer> server,
                     EnsureServer(connection, backend, principal, row.server, &out->server));
    if (application) {
      RETURN_IF_ERROR(
          PutIntoApplication(connection, backend, application->resource, principal, &server));
    }
    server.Count(&changed.servers_created, &changed.servers_modified);
  }
  return absl::OkStatus();
}

}  // namespace godwit::registry
