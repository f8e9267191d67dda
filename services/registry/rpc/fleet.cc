#include "services/registry/rpc/fleet.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/quotas.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/rpc/verbs.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

using storage::GroupKind;

// `name` is the group that stands in the way.
absl::Status Refused(absl::string_view text, const char* reason, const std::string& name,
                     const char* helpful_call) {
  return rpc::WithInfo(absl::FailedPreconditionError(text),
                       {.reason = reason,
                        .domain = "registry",
                        .metadata = {{"name", name}, {"helpful_call", helpful_call}}});
}

absl::Status SetServersArchived(Backend& backend, pg::Connection& connection,
                                const std::string& application, bool archived,
                                const std::string& principal) {
  const Event event = archived ? Event::kArchive : Event::kUnarchive;
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   storage::MembersOf(connection, GroupKind::kApplication, application));
  // All are locked before anything is counted, so that whoever counts waits for nobody.
  std::vector<SourceServer> servers;
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
    if (server.archived != archived) servers.push_back(std::move(server));
  }
  for (const SourceServer& server : servers) {
    RETURN_IF_ERROR(CheckEvent(backend.profile, server, event));
    SourceServer after = server;
    after.archived = archived;
    RETURN_IF_ERROR(CheckQuotas(backend, connection, &server, after));
    RETURN_IF_ERROR(
        storage::SaveServer(connection, after, {.event = Name(event), .principal = principal}));
  }
  return absl::OkStatus();
}

// Whether `more` groups may be active, or archived. Call it when all groups are locked.
absl::Status CheckGroupCount(const Backend& backend, pg::Connection& connection, GroupKind kind,
                             bool archived, std::int64_t more) {
  RETURN_IF_ERROR(storage::LockCount(connection, kind));
  ASSIGN_OR_RETURN(const std::int64_t used, storage::CountGroups(connection, kind, archived));
  const Quota quota = GroupQuota(backend.group_limits, kind == GroupKind::kWave, archived, used);
  return rpc::ExplainQuota(CheckQuota(quota, more), "registry");
}

// Also locks against a change of membership: callers hold the group's lock.
absl::Status CheckMembers(const Backend& backend, pg::Connection& connection, GroupKind kind,
                          const storage::Group& group, const std::vector<std::string>& wanted) {
  const bool wave = kind == GroupKind::kWave;
  const std::string name = absl::StrCat(wave ? "waves/" : "applications/", group.id);
  if (group.archived) {
    return Refused(absl::StrCat("name: ", name, " is archived; bring it back first"), "ARCHIVED",
                   name, wave ? "UpdateWave" : "UpdateApplication");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> present,
                   storage::MembersOf(connection, kind, group.id));
  const std::set<std::string> members(present.begin(), present.end());
  const std::int64_t more =
      std::count_if(wanted.begin(), wanted.end(),
                    [&members](const std::string& id) { return members.count(id) == 0; });
  const Quota quota =
      MemberQuota(backend.group_limits, wave, name, static_cast<std::int64_t>(members.size()));
  return rpc::ExplainQuota(CheckQuota(quota, more), "registry");
}

// The wave that holds it must not be archived.
absl::Status CheckWaveIsActive(pg::Connection& connection, const storage::Group& application) {
  if (application.wave.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const storage::Group wave,
                   storage::GetGroup(connection, GroupKind::kWave, application.wave));
  if (!wave.archived) return absl::OkStatus();
  return Refused(absl::StrCat("applications/", application.id, " is in waves/", wave.id,
                              ", which is archived; bring the wave back, or take it out"),
                 "IN_ARCHIVED_WAVE", absl::StrCat("waves/", wave.id), "UpdateWave");
}

}  // namespace

absl::Status CheckNewGroup(const Backend& backend, pg::Connection& connection, GroupKind kind) {
  return CheckGroupCount(backend, connection, kind, /*archived=*/false, 1);
}

absl::StatusOr<std::vector<Quota>> GroupQuotas(const Backend& backend, pg::Connection& connection) {
  std::vector<Quota> quotas;
  for (const GroupKind kind : {GroupKind::kApplication, GroupKind::kWave}) {
    const bool wave = kind == GroupKind::kWave;
    for (const bool archived : {false, true}) {
      ASSIGN_OR_RETURN(const std::int64_t used, storage::CountGroups(connection, kind, archived));
      quotas.push_back(GroupQuota(backend.group_limits, wave, archived, used));
    }
    quotas.push_back(MemberQuota(backend.group_limits, wave));
  }
  return quotas;
}

absl::Status SetMembersArchived(Backend& backend, pg::Connection& connection, GroupKind kind,
                                const storage::Group& group, bool archived,
                                const std::string& principal) {
  if (kind == GroupKind::kApplication) {
    if (!archived) RETURN_IF_ERROR(CheckWaveIsActive(connection, group));
    RETURN_IF_ERROR(SetServersArchived(backend, connection, group.id, archived, principal));
    return CheckGroupCount(backend, connection, kind, archived, 1);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> applications,
                   storage::MembersOf(connection, GroupKind::kWave, group.id));
  std::vector<storage::Group> changed;
  for (const std::string& id : applications) {
    ASSIGN_OR_RETURN(storage::Group application,
                     storage::LockGroup(connection, GroupKind::kApplication, id));
    RETURN_IF_ERROR(SetServersArchived(backend, connection, id, archived, principal));
    if (application.archived == archived) continue;
    application.archived = archived;
    changed.push_back(std::move(application));
  }
  RETURN_IF_ERROR(CheckGroupCount(backend, connection, GroupKind::kApplication, archived,
                                  static_cast<std::int64_t>(changed.size())));
  RETURN_IF_ERROR(CheckGroupCount(backend, connection, kind, archived, 1));
  for (const storage::Group& application : changed) {
    RETURN_IF_ERROR(storage::SaveGroup(connection, GroupKind::kApplication, application));
  }
  return absl::OkStatus();
}

absl::Status AssociateServers(const Backend& backend, pg::Connection& connection,
                              const storage::Group& application,
                              const std::vector<std::string>& servers,
                              const std::string& principal) {
  RETURN_IF_ERROR(CheckMembers(backend, connection, GroupKind::kApplication, application, servers));
  for (const std::string& id : servers) {
    ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
    if (server.application == application.id) continue;
    if (!server.application.empty()) {
      return Refused(absl::StrCat("members: sourceServers/", id, " is in applications/",
                                  server.application, " already"),
                     "IN_ANOTHER_APPLICATION", absl::StrCat("applications/", server.application),
                     "DisassociateSourceServers");
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

absl::Status AssociateApplications(const Backend& backend, pg::Connection& connection,
                                   const storage::Group& wave,
                                   const std::vector<std::string>& applications) {
  RETURN_IF_ERROR(CheckMembers(backend, connection, GroupKind::kWave, wave, applications));
  for (const std::string& id : applications) {
    ASSIGN_OR_RETURN(storage::Group application,
                     storage::LockGroup(connection, GroupKind::kApplication, id));
    if (application.wave == wave.id) continue;
    if (!application.wave.empty()) {
      return Refused(
          absl::StrCat("members: applications/", id, " is in waves/", application.wave, " already"),
          "IN_ANOTHER_WAVE", absl::StrCat("waves/", application.wave), "DisassociateApplications");
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
