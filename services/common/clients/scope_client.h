// What users are limited to, asked of the registry and kept for two seconds: for the services that
// users call directly or through a gateway.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/scope.h"

namespace grpc {
class Channel;
}

namespace godwit {

// Thread-safe. A registry that has no scopes yet (an older one) limits nobody.
class ScopesFromRegistry final : public rpc::ScopeSource {
 public:
  struct Options {
    absl::Duration fresh = absl::Seconds(2);  // an answer counts without asking again
    // An answer counts while the registry does not answer; then nobody knows.
    absl::Duration stale = absl::Seconds(30);
    absl::Duration timeout = absl::Seconds(2);  // of a question
    std::size_t most = 10'000;                  // users whose answers are kept
    Clock* clock = &RealClock();                // must outlive it
  };
  using Expander = std::function<absl::StatusOr<std::vector<std::string>>(const std::string& name)>;

  // `expand` is ScopeSource::Expand; null: the service has no names of its own.
  explicit ScopesFromRegistry(std::shared_ptr<grpc::Channel> registry, Expander expand = nullptr)
      : ScopesFromRegistry(std::move(registry), std::move(expand), Options()) {}
  ScopesFromRegistry(std::shared_ptr<grpc::Channel> registry, Expander expand, Options options)
      : registry_(std::move(registry)), expand_(std::move(expand)), options_(options) {}

  // The whole scope, whatever `names` are.
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> Find(
      const std::string& principal, const std::vector<std::string>& names) override;
  absl::StatusOr<std::vector<std::string>> Expand(const std::string& name) override;

 private:
  struct Known {
    std::shared_ptr<const rpc::Scope> scope;
    absl::Duration asked;  // when the answer was asked for; monotonic
    absl::Duration tried;  // when it was last asked for, without an answer perhaps
  };
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> Ask(const std::string& principal);
  void Remember(const std::string& principal, const Known& known);

  const std::shared_ptr<grpc::Channel> registry_;
  const Expander expand_;
  const Options options_;
  absl::Mutex mutex_;
  std::map<std::string, Known> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit
