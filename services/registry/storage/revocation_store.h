// Revoked principals and certificates in PostgreSQL. Functions work on the connection of the
// caller's transaction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

inline constexpr int kMaxRevocations = 10'000;

struct Revocation {
  std::string subject;  // "user/operator/ci", "certificate/{sha-256}"
  std::string reason;
  std::string principal;  // who revoked it
  absl::Time create_time;
};

// What there is when it was revoked before. FAILED_PRECONDITION: there are too many.
absl::StatusOr<Revocation> InsertRevocation(pg::Connection& connection,
                                            const Revocation& revocation);
// NOT_FOUND: it is not revoked.
absl::Status DeleteRevocation(pg::Connection& connection, const std::string& subject);
// Oldest first, after (time, subject) of the last one of the page before.
absl::StatusOr<std::vector<Revocation>> ListRevocations(pg::Connection& connection,
                                                        absl::Time after_time,
                                                        const std::string& after_subject,
                                                        int limit);
absl::StatusOr<std::vector<std::string>> RevokedSubjects(pg::Connection& connection);
absl::StatusOr<bool> IsRevoked(pg::Connection& connection, const std::string& subject);

}  // namespace godwit::registry::storage
