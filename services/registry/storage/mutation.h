// The frame around everything that changes the registry: one transaction with the change, the
// answer kept under the request id, and the audit row. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"

namespace godwit::registry::storage {

struct Mutation {
  std::string method;       // "SourceServerService.StartTest"
  std::string resource;     // full name; of many, the first
  std::string principal;    // who
  std::string peer;         // address
  std::string request_id;   // empty: the call has none
  std::string call_id;      // of the call in all services, for the audit row without a request id
  std::string fingerprint;  // hash of method, caller and body; with request_id
  std::string detail;       // short text for the audit row
  // False for calls of strangers, who could fill the table with refusals.
  bool audit_refusals = true;
};

struct Outcome {
  std::string answer;
  bool replayed = false;  // an earlier call with the same request id gave it
};

// Runs `body` in a transaction and keeps its answer. A request id seen within 24 h gives the kept
// answer without running `body`; with another fingerprint it is refused (INVALID_ARGUMENT with
// field request_id). Failures are audited too. `body` may run twice (deadlock), so it must change
// nothing but through its connection and what it resets at its start.
class Mutator {
 public:
  explicit Mutator(pg::Pool& pool) : pool_(pool) {}
  absl::StatusOr<Outcome> Run(
      const Mutation& mutation,
      const std::function<absl::StatusOr<std::string>(pg::Connection&)>& body);
  // An audit row for a call that was refused before it came to Run.
  void AuditRefusal(const Mutation& mutation, const absl::Status& status);

  pg::Pool& pool() { return pool_; }

 private:
  pg::Pool& pool_;
};

// The audit row of a change, as the last statement of the caller's transaction.
absl::Status WriteAudit(pg::Connection& connection, const Mutation& mutation,
                        const absl::Status& status);

// Request ids older than 24 hours. Returns how many went.
absl::StatusOr<std::int64_t> ForgetOldRequests(pg::Connection& connection);

// Takes back that a request id was answered (its command was refused by the service it was for).
absl::Status ForgetRequest(pg::Connection& connection, const std::string& request_id);

struct AuditRow {
  std::int64_t sequence = 0;
  absl::Time time;
  std::string principal, peer, method, resource;
  int code = 0;
  std::string request_id, detail;
};
// Newest first; below `before_sequence` unless 0; of one resource unless empty.
absl::StatusOr<std::vector<AuditRow>> ListAudit(pg::Connection& connection,
                                                std::int64_t before_sequence,
                                                const std::string& resource, int limit);

}  // namespace godwit::registry::storage
