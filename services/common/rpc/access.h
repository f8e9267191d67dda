// Who may call which method: one table for all services, and nothing beside it. A method that is
// not in it is refused, and a service that has such a method does not start.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/common/rpc/identity.h"

namespace godwit::rpc {

// Bits of those who may call.
enum Access : std::uint32_t {
  kAgents = 1,
  kWorkers = 2,
  kConversionWorkers = 4,
  kServices = 8,  // but gateways, which speak for users
  kViewers = 16,
  kOperators = 32,
  kAdmins = 64,
  // Anybody who reaches the port, even without a certificate (Enroll only).
  kAnybody = 128,
  // service/gateway for itself, not on behalf of a user.
  kGateway = 256,
};
inline constexpr std::uint32_t kUsers = kViewers | kOperators | kAdmins;
inline constexpr std::uint32_t kReaders = kUsers | kServices;
inline constexpr std::uint32_t kWriters = kOperators | kAdmins | kServices;
inline constexpr std::uint32_t kAdminsAndServices = kAdmins | kServices;

enum class Audit {
  kNone,     // reads, and reports of agents and workers
  kChanges,  // every call leaves a trace, refused ones too
};

// What users who are limited to a scope (scope.h) may do with it.
enum class Scoped {
  kNever,  // nothing: it reaches beyond any scope, or is not for viewers and operators at all
  kNamed,  // everything, if all that the fields of `names` name is within; they must name something
  kListed,  // the same, but they may be empty: the handler shows what is within, and nothing else
  kAny,     // everything: it tells nothing of servers
};

struct MethodRule {
  const char* method;  // "godwit.jobs.v1.JobService/GetJob"
  std::uint32_t access;
  Audit audit;
  Scoped scoped = Scoped::kNever;
  const char* names = "";  // fields of the request, comma-separated: "name,application"
};

// All rules, one a method.
absl::Span<const MethodRule> AccessTable();
// Null: nobody may call it.
const MethodRule* FindRule(absl::string_view method);

// OK when the identity is in the access list, else PERMISSION_DENIED naming what is needed.
absl::Status CheckAccess(const Identity& peer, std::uint32_t access);

// FAILED_PRECONDITION naming the first method of these services ("godwit.jobs.v1.JobService") that
// has no rule. Health and reflection need none: they are open to every peer with a certificate.
absl::Status CheckServices(const std::vector<std::string>& services);

}  // namespace godwit::rpc
