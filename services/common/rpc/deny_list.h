// What this process refuses although its certificate is good: principals and single certificates.
// The registry keeps the list; every service follows it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/rpc/identity.h"

namespace grpc {
class ServerContextBase;
}

namespace godwit::rpc {

// "user/operator/ci", or "certificate/" and the SHA-256 of a certificate's DER.
using DenyList = std::set<std::string>;

// From now on, for every call of rpc::Serve and rpc::Admit of this process.
void SetDenyList(DenyList list);

// PERMISSION_DENIED with reason PRINCIPAL_REVOKED or CERTIFICATE_REVOKED. `who` is whom the call
// counts for; the peer of `context` is looked up as well.
absl::Status CheckDenied(const grpc::ServerContextBase& context, const Identity& who);

// Asks for the list again and again and sets it. While nobody answers, the last one counts; before
// the first answer there is none.
class DenyListFollower {
 public:
  using Ask = std::function<absl::StatusOr<DenyList>()>;
  explicit DenyListFollower(Ask ask, absl::Duration every = absl::Seconds(2));
  ~DenyListFollower();

 private:
  void Run(const Ask& ask, absl::Duration every);
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace godwit::rpc
