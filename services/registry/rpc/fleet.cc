#include "services/registry/rpc/fleet.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/verbs.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

using storage::GroupKind;

absl::Status Refused(absl::string_view text, const char* reason, const char* helpful_call) {
  return rpc::WithInfo(
      absl::FailedPreconditionError(text),
      {.reason = reason, .domain = "registry", .metadata = {{"helpful_call", helpful_call}}});
}

absl::Status SetServersArchived(Backend& backend, pg::Connection& connection,
                                const std::string& application, bool archived,
                                const std::string& principal) {
  const Event event = archived ? Event::kArchive : Event::kUnarchive;
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   storage::MembersOf(connection, GroupKind::kApplication, application));
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
    if (server.archived == archived) continue;
    RETURN_IF_ERROR(CheckEvent(backend.profile, server, event));
    server.archived = archived;
    RETURN_IF_ERROR(
        storage::SaveServer(connection, server, {.event = Name(event), .principal = principal}));
  }
  return absl::OkStatus();
}

// Also locks against a change of membership: callers hold the group's lock.
absl::Status CheckRoom(pg::Connection& connection, GroupKind kind, const storage::Group& group,
                       std::size_t more) {
  if (group.archived) {
    return Refused(absl::StrCat("name: ", group.id, " is archived"), "ARCHIVED",
                   kind == GroupKind::kWave ? "UpdateWave" : "UpdateApplication");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> present,
                   storage::MembersOf(connection, kind, group.id));
  if (present.size() + more > kMaxMembers) {
    return absl::ResourceExhaustedError(
        absl::StrCat("members: ", group.id, " would have more than ", kMaxMembers));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetMembersArchived(Backend& backend, pg::Connection& connection, GroupKind kind,
                                const std::string& group_id, bool archived,
                                const std::string& principal) {
  if (kind == GroupKind::kApplication) {
    return SetServersArchived(backend, connection, group_id, archived, principal);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> applications,
                   storage::MembersOf(connection, GroupKind::kWave, group_id));
  for (const std::string& id : applications) {
    ASSIGN_OR_RETURN(storage::Group application,
                     storage::LockGroup(connection, GroupKind::kApplication, id));
    RETURN_IF_ERROR(SetServersArchived(backend, connection, id, archived, principal));
    if (application.archived == archived) continue;
    application.archived = archived;
    RETURN_IF_ERROR(storage::SaveGroup(connection, GroupKind::kApplication, application));
  }
  return absl::OkStatus();
}

absl::Status AssociateServers(pg::Connection& connection, const storage::Group& application,
                              const std::vector<std::string>& servers,
                              const std::string& principal) {
  RETURN_IF_ERROR(CheckRoom(connection, GroupKind::kApplication, application, servers.size()));
  for (const std::string& id : servers) {
    ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
    if (server.application == application.id) continue;
    if (!server.application.empty()) {
      return Refused(absl::StrCat("members: sourceServers/", id, " is in applications/",
                                  server.application, " already"),
                     "IN_ANOTHER_APPLICATION", "DisassociateSourceServers");
    }
    server.application = application.id;
    RETURN_IF_ERROR(storage::SaveServer(
        connection, server, {.event = "AssociateSourceServers", .principal = principal}));
  }
  return absl::OkStatus();
}

absl::Status DisassociateServers(pg::Connection& connection, const storage::Group& application,
                                 const std::vector<std::string>& servers,
                                 const std::string& principal) {
  for (const std::string& id : servers) {
    ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
    if (server.application != application.id) continue;
    server.application.clear();
    RETURN_IF_ERROR(storage::SaveServer(
        connection, server, {.event = "DisassociateSourceServers", .principal = principal}));
  }
  return absl::OkStatus();
}

absl::Status AssociateApplications(pg::Connection& connection, const storage::Group& wave,
                                   const std::vector<std::string>& applications) {
  RETURN_IF_ERROR(CheckRoom(connection, GroupKind::kWave, wave, applications.size()));
  for (const std::string& id : applications) {
    ASSIGN_OR_RETURN(storage::Group application,
                     storage::LockGroup(connection, GroupKind::kApplication, id));
    if (application.wave == wave.id) continue;
    if (!application.wave.empty()) {
      return Refused(
          absl::StrCat("members: applications/", id, " is in waves/", application.wave, " already"),
          "IN_ANOTHER_WAVE", "DisassociateApplications");
    }
    application.wave = wave.id;
    RETURN_IF_ERROR(storage::SaveGroup(connection, GroupKind::kApplication, application));
  }
  return absl::OkStatus();
}

absl::Status DisassociateApplications(pg::Connection& connection, const storage::Group& wave,
                                      const std::vector<std::string>& applications) {
  for (const std::string& id : applications) {
    ASSIGN_OR_RETURN(storage::Group application,
                     storage::LockGroup(connection, GroupKind::kApplication, id));
    if (application.wave != wave.id) continue;
    application.wave.clear();
    RETURN_IF_ERROR(storage::SaveGroup(connection, GroupKind::kApplication, application));
  }
  return absl::OkStatus();
}

}  // namespace godwit::registry
