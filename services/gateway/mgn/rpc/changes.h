// Changes of settings: read, change, save; begun anew when somebody else's change came in between.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/settings.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/template_ids.h"

namespace godwit::gateway::mgn {

absl::StatusOr<registry::v1::ReplicationSettings> GetReplicationSettings(const Call& call,
                                                                         const std::string& server);
absl::StatusOr<jobs::v1::LaunchSettings> GetLaunchSettings(const Call& call,
                                                           const std::string& server);
// NOT_FOUND: there is no such template, or it has no such half.
absl::StatusOr<registry::v1::SettingsTemplate> FindTemplate(const Call& call, Half half,
                                                            const std::string& id);

// `change` may run several times, each on what is there now; its error ends the call. The answer is
// what was saved.
absl::StatusOr<registry::v1::ReplicationSettings> ChangeReplication(
    const Call& call, const std::string& server,
    const std::function<absl::Status(const registry::v1::SourceServer&,
                                     registry::v1::ReplicationSettings*)>& change);
absl::StatusOr<jobs::v1::LaunchSettings> ChangeLaunch(
    const Call& call, const std::string& server,
    const std::function<absl::Status(jobs::v1::LaunchSettings*)>& change);
// `fields` are the fields of the template that `change` changes.
absl::StatusOr<registry::v1::SettingsTemplate> ChangeTemplate(
    const Call& call, Half half, const std::string& id, const std::vector<std::string>& fields,
    const std::function<absl::Status(registry::v1::SettingsTemplate*)>& change);

}  // namespace godwit::gateway::mgn
