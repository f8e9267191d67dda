// The installation's CA as files, and the set-up commands that make it and issue certificates.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/rpc/ca.h"

namespace godwit::registry {

// <dir>/ca.crt and <dir>/ca.key. The error says which is missing and how to make it.
absl::StatusOr<rpc::CaMaterial> LoadCa(const std::string& dir);

// godwit-registry ca-init: ALREADY_EXISTS rather than replacing a CA.
absl::Status CaInit(const std::string& dir, absl::Time now);

struct CaIssueOptions {
  std::string ca_dir;
  std::string identity;  // "service/jobs", "user/admin/alice"
  std::string out_dir;   // gets tls.crt, tls.key, ca.crt
  absl::Duration lifetime = absl::Hours(24 * 397);
  std::vector<std::string> server_names;  // names and addresses of a service besides its own
};
// godwit-registry ca-issue.
absl::Status CaIssue(const CaIssueOptions& options, absl::Time now);

}  // namespace godwit::registry
