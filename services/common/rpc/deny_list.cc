#include "services/common/rpc/deny_list.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/impl/codegen/server_context.h>
#include <grpcpp/security/auth_context.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

struct Present {
  DenyList subjects;
  bool certificates = false;  // whether single certificates are among them
};

ABSL_CONST_INIT absl::Mutex present_mutex(absl::kConstInit);

std::shared_ptr<const Present>& Slot() ABSL_SHARED_LOCKS_REQUIRED(present_mutex) {
  static auto& slot = *new std::shared_ptr<const Present>(std::make_shared<Present>());
  return slot;
}

std::shared_ptr<const Present> Get() {
  absl::ReaderMutexLock lock(&present_mutex);
  return Slot();
}

absl::Status Refusal(const std::string& what, const char* reason) {
  return WithInfo(absl::PermissionDeniedError(absl::StrCat(what, " was revoked")),
                  {.reason = reason});
}

}  // namespace

void SetDenyList(DenyList list) {
  auto present = std::make_shared<Present>();
  for (const std::string& subject : list) {
    if (absl::StartsWith(subject, "certificate/")) present->certificates = true;
  }
  present->subjects = std::move(list);
  absl::MutexLock lock(&present_mutex);
  Slot() = std::move(present);
}

absl::Status CheckDenied(const grpc::ServerContextBase& context, const Identity& who) {
  const std::shared_ptr<const Present> present = Get();
  if (present->subjects.empty()) return absl::OkStatus();
  if (!who.id.empty() && present->subjects.contains(who.Principal())) {
    return Refusal(who.Principal(), "PRINCIPAL_REVOKED");
  }
  // A gateway that speaks for somebody may itself be revoked.
  const absl::StatusOr<Identity> peer = PeerIdentity(context);
  if (peer.ok() && present->subjects.contains(peer->Principal())) {
    return Refusal(peer->Principal(), "PRINCIPAL_REVOKED");
  }
  if (!present->certificates || context.auth_context() == nullptr) return absl::OkStatus();
  const auto pem = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pem.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> hash =
      CertificatePin(std::string(pem[0].data(), pem[0].size()));
  if (!hash.ok()) return hash.status();
  const std::string subject = absl::StrCat("certificate/", *hash);
  if (present->subjects.contains(subject)) return Refusal(subject, "CERTIFICATE_REVOKED");
  return absl::OkStatus();
}

DenyListFollower::DenyListFollower(Ask ask, absl::Duration every)
    : thread_([this, ask = std::move(ask), every] { Run(ask, every); }) {}

DenyListFollower::~DenyListFollower() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

void DenyListFollower::Run(const Ask& ask, absl::Duration every) {
  bool failed = false;
  while (true) {
    absl::StatusOr<DenyList> list = ask();
    if (list.ok()) {
      SetDenyList(*std::move(list));
    } else if (!failed) {
      Log(Severity::kWarning, "what is revoked is not known anew",
          {{"error", list.status().ToString()}});
    }
    failed = !list.ok();
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), every)) return;
  }
}

}  // namespace godwit::rpc
