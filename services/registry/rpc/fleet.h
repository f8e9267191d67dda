// Rules of applications and waves that reach over several resources.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/pg/connection.h"
#include "services/registry/rpc/backend.h"
#include "services/registry/storage/group_store.h"

namespace godwit::registry {

// All quotas of groups with what is used.
absl::StatusOr<std::vector<Quota>> GroupQuotas(const Backend& backend, pg::Connection& connection);

// RESOURCE_EXHAUSTED when one more active group is one too many.
absl::Status CheckNewGroup(const Backend& backend, pg::Connection& connection,
                           storage::GroupKind kind);

// Archives or brings back what the group contains, itself not. FAILED_PRECONDITION names a server
// that is in use, or the archived wave of an application. RESOURCE_EXHAUSTED: there would be too
// many archived, or too many active ones, the group itself counted.
absl::Status SetMembersArchived(Backend& backend, pg::Connection& connection,
                                storage::GroupKind kind, const storage::Group& group, bool archived,
                                const std::string& principal);

// Puts members (ascending ids) into a locked group, or takes them out. What is there already, or
// not there any more, is passed over. RESOURCE_EXHAUSTED: there would be too many.
absl::Status AssociateServers(const Backend& backend, pg::Connection& connection,
                              const storage::Group& application,
                              const std::vector<std::string>& servers,
                              const std::string& principal);
absl::Status DisassociateServers(pg::Connection& connection, const storage::Group& application,
                                 const std::vector<std::string>& servers,
                                 const std::string& principal);
absl::Status AssociateApplications(const Backend& backend, pg::Connection& connection,
                                   const storage::Group& wave,
                                   const std::vector<std::string>& applications);
absl::Status DisassociateApplications(pg::Connection& connection, const storage::Group& wave,
                                      const std::vector<std::string>& applications);

}  // namespace godwit::registry
