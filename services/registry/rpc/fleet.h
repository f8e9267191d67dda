// Rules of applications and waves that reach over several resources.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/pg/connection.h"
#include "services/registry/rpc/backend.h"
#include "services/registry/storage/group_store.h"

namespace godwit::registry {

inline constexpr int kMaxMembers = 1000;  // of one group

// Archives or brings back what the group contains, itself not. FAILED_PRECONDITION names a server
// that is in use.
absl::Status SetMembersArchived(Backend& backend, pg::Connection& connection,
                                storage::GroupKind kind, const std::string& group_id, bool archived,
                                const std::string& principal);

// Puts members (ascending ids) into a locked group, or takes them out. What is there already, or
// not there any more, is passed over.
absl::Status AssociateServers(pg::Connection& connection, const storage::Group& application,
                              const std::vector<std::string>& servers,
                              const std::string& principal);
absl::Status DisassociateServers(pg::Connection& connection, const storage::Group& application,
                                 const std::vector<std::string>& servers,
                                 const std::string& principal);
absl::Status AssociateApplications(pg::Connection& connection, const storage::Group& wave,
                                   const std::vector<std::string>& applications);
absl::Status DisassociateApplications(pg::Connection& connection, const storage::Group& wave,
                                      const std::vector<std::string>& applications);

}  // namespace godwit::registry
