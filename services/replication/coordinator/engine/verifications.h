// Verifications: comparisons of a whole replica with its source that somebody ordered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/domain/verification.h"

namespace godwit::coordinator {

// Thread-safe.
class Verifications {
 public:
  // Makes the signed file of a report's text.
  using Sign = std::function<absl::StatusOr<std::string>(const std::string& text)>;
  // `pool` must outlive it. `version` of the coordinator, for the reports.
  Verifications(pg::Pool& pool, Sign sign, std::string version)
      : pool_(pool), sign_(std::move(sign)), version_(std::move(version)) {}

  // The same id gives the same verification. FAILED_PRECONDITION: the server does not replicate,
  // has no point, or one is under way.
  absl::StatusOr<Verification> Request(const std::string& server_id, const std::string& id);
  absl::StatusOr<Verification> Get(const std::string& server_id, const std::string& id);
  // Newest first, of ordinals below `before` (0: all). Without differences and report.
  absl::StatusOr<std::vector<Verification>> List(const std::string& server_id, std::int64_t before,
                                                 int limit);
  // Ends those whose point was made or was not, and those of which nothing was heard for days.
  absl::Status Settle();

 private:
  absl::Status SettleOne(pg::Connection& connection, const std::string& server_id,
                         const std::string& id);
  pg::Pool& pool_;
  const Sign sign_;
  const std::string version_;
};

// What a heartbeat means for the active verification of a locked server, if there is one. The id of
// the order that the agent gets; empty: none.
absl::StatusOr<std::string> AdvanceVerification(pg::Connection& connection,
                                                const std::string& server_id, const Seen& seen);
// Ends the active verification of a locked server, if there is one.
absl::Status FailVerification(pg::Connection& connection, const Server& server,
                              absl::string_view why);

}  // namespace godwit::coordinator
