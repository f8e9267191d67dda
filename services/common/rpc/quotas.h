// Quotas as messages and as details of refusals, and the service that lists them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/quota.h"

namespace grpc {
class Service;
}

namespace godwit::rpc {

inline constexpr char kQuotaExceeded[] = "QUOTA_EXCEEDED";  // reason of refusals

// A refusal of CheckQuota with its details for programs, as godwit.common.v1.QuotaService promises
// them; any other status as it is. `domain` is the service that refuses, `server` the source server
// in question ("sourceServers/s-...", or empty).
absl::Status ExplainQuota(const absl::Status& status, const std::string& domain,
                          const std::string& server = "");

// godwit.common.v1.QuotaService over `list`, which must be thread-safe.
std::unique_ptr<grpc::Service> MakeQuotaHandler(
    std::function<absl::StatusOr<std::vector<Quota>>()> list);

}  // namespace godwit::rpc
