// AWS Signature Version 4: whether a request is signed as it must be, by whom.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/gateway/http/head.h"
#include "services/gateway/sigv4/canonical.h"

namespace godwit::gateway::sigv4 {

enum class Profile { kDefault, kStrict, kLenient };

// A key of one day, region and service (registry: AccessKeyService.GetSigningKey).
struct SigningKey {
  std::string key;        // 32 bytes
  std::string principal;  // "user/operator/ci"
  bool disabled = false;
  Profile profile = Profile::kDefault;
};

// Where signing keys come from. Thread-safe; may block.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // NOT_FOUND: there is no such access key. `request_id` goes along for the log.
  virtual absl::StatusOr<SigningKey> Get(const Authorization& authorization,
                                         const std::string& request_id) = 0;
};

struct Rules {
  std::vector<std::string> regions = {"us-east-1"};
  std::string service = "mgn";
  absl::Duration window = absl::Minutes(5);
};

// Why a request is refused; all with 403 but where docs/gateway.md says otherwise.
struct Refusal {
  int status = 403;
  std::string code;
  std::string message;
};

// What is left to compare once the key is known.
struct Claim {
  Authorization authorization;
  std::string string_to_sign;
};

// All that can be said without the key. Pure.
std::variant<Claim, Refusal> Examine(const Request& request, const Rules& rules, absl::Time now);

struct Caller {
  std::string key_id;
  std::string principal;
  Profile profile = Profile::kDefault;
};

// Examine(), then the comparison with the key, in constant time. A key that does not exist costs
// the same work as one that does. Blocks while the key is fetched.
std::variant<Caller, Refusal> Verify(const Request& request, const Rules& rules, absl::Time now,
                                     KeySource& keys, const std::string& request_id);

}  // namespace godwit::gateway::sigv4
