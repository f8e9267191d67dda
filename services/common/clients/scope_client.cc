#include "services/common/clients/scope_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit {
namespace {

// A registry that does not answer is not asked for each call anew.
constexpr absl::Duration kTryAgain = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::shared_ptr<const rpc::Scope>> ScopesFromRegistry::Find(
    const std::string& principal, const std::vector<std::string>&) {
  const absl::Duration now = options_.clock->Monotonic();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = known_.find(principal);
    if (found != known_.end()) {
      Known& known = found->second;
      const absl::Duration age = now - known.asked;
      if (age < options_.fresh) return known.scope;
      if (age < options_.stale && now - known.tried < kTryAgain) return known.scope;
      known.tried = now;
    }
  }
  absl::StatusOr<std::shared_ptr<const rpc::Scope>> scope = Ask(principal);
  if (scope.ok()) {
    Remember(principal, {.scope = *scope, .asked = now, .tried = now});
    return scope;
  }
  absl::MutexLock lock(&mutex_);
  const auto found = known_.find(principal);
  if (found != known_.end() && now - found->second.asked < options_.stale) {
    return found->second.scope;
  }
  return absl::UnavailableError(
      absl::StrCat("the registry does not answer: ", scope.status().message()));
}

absl::StatusOr<std::shared_ptr<const rpc::Scope>> ScopesFromRegistry::Ask(
    const std::string& principal) {
  namespace pb = ::godwit::registry::v1;
  grpc::ClientContext context;
  rpc::SetTimeout(context, options_.timeout);
  pb::ResolveScopeRequest request;
  request.set_principal(principal);
  pb::ResolvedScope resolved;
  const absl::Status status = rpc::FromGrpc(
      pb::ScopeService::NewStub(registry_)->ResolveScope(&context, request, &resolved));
  if (absl::IsUnimplemented(status)) return nullptr;
  RETURN_IF_ERROR(status);
  if (!resolved.limited()) return nullptr;
  auto scope = std::make_shared<rpc::Scope>();
  scope->principal = principal;
  scope->names.insert(resolved.names().begin(), resolved.names().end());
  return scope;
}

void ScopesFromRegistry::Remember(const std::string& principal, const Known& known) {
  absl::MutexLock lock(&mutex_);
  if (known_.size() >= options_.most && !known_.contains(principal)) {
    for (auto at = known_.begin(); at != known_.end();) {
      at = known.asked - at->second.asked > options_.fresh ? known_.erase(at) : std::next(at);
    }
    if (known_.size() >= options_.most) return;
  }
  Known& mine = known_[principal];
  // A question that was asked before another one may be answered after it.
  if (mine.asked <= known.asked) mine = known;
}

absl::StatusOr<std::vector<std::string>> ScopesFromRegistry::Expand(const std::string& name) {
  if (expand_ == nullptr) return std::vector<std::string>();
  return expand_(name);
}

}  // namespace godwit
