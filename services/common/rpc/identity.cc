#include "services/common/rpc/identity.h"

#include <grpcpp/impl/codegen/server_context.h>
#include <grpcpp/security/auth_context.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace godwit::rpc {
namespace {

constexpr absl::string_view kUriPrefix = "spiffe://godwit/";
constexpr std::size_t kMaxIdLength = 128;

struct KindName {
  PeerKind kind;
  absl::string_view name;
};
constexpr KindName kKinds[] = {{PeerKind::kAgent, "agent"},
                               {PeerKind::kWorker, "worker"},
                               {PeerKind::kConversionWorker, "conversion-worker"},
                               {PeerKind::kService, "service"},
                               {PeerKind::kUser, "user"}};
struct RoleName {
  UserRole role;
  absl::string_view name;
};
constexpr RoleName kRoles[] = {
    {UserRole::kViewer, "viewer"}, {UserRole::kOperator, "operator"}, {UserRole::kAdmin, "admin"}};

absl::string_view Name(PeerKind kind) {
  for (const KindName& entry : kKinds) {
    if (entry.kind == kind) return entry.name;
  }
  return "unknown";
}

absl::string_view Name(UserRole role) {
  for (const RoleName& entry : kRoles) {
    if (entry.role == role) return entry.name;
  }
  return "none";
}

bool IsIdCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' ||
         c == '@';
}

}  // namespace

std::string Identity::Principal() const {
  if (kind == PeerKind::kUser) return absl::StrCat("user/", Name(role), "/", id);
  return absl::StrCat(Name(kind), "/", id);
}

std::string Identity::Uri() const { return absl::StrCat(kUriPrefix, Principal()); }

std::string Identity::DnsName() const {
  return absl::StrCat(id, ".", Name(kind), ".godwit.internal");
}

absl::StatusOr<Identity> ParsePrincipal(absl::string_view principal) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "identity: \"", principal.substr(0, 200),
        "\" is not agent/ID, worker/ID, conversion-worker/ID, service/ID or user/ROLE/NAME"));
  };
  const std::vector<absl::string_view> parts = absl::StrSplit(principal, '/');
  Identity identity;
  const auto kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                 [&](const KindName& entry) { return entry.name == parts[0]; });
  if (kind == std::end(kKinds)) return bad();
  identity.kind = kind->kind;
  const bool user = identity.kind == PeerKind::kUser;
  if (parts.size() != (user ? 3u : 2u)) return bad();
  if (user) {
    const auto role = std::find_if(std::begin(kRoles), std::end(kRoles),
                                   [&](const RoleName& entry) { return entry.name == parts[1]; });
    if (role == std::end(kRoles)) return bad();
    identity.role = role->role;
  }
  const absl::string_view id = parts.back();
  if (id.empty() || id.size() > kMaxIdLength || !std::all_of(id.begin(), id.end(), IsIdCharacter)) {
    return bad();
  }
  identity.id = std::string(id);
  return identity;
}

absl::StatusOr<Identity> ParseIdentityUri(absl::string_view uri) {
  absl::string_view principal = uri;
  if (!absl::ConsumePrefix(&principal, kUriPrefix)) {
    return absl::UnauthenticatedError("the certificate names no identity of this installation");
  }
  absl::StatusOr<Identity> identity = ParsePrincipal(principal);
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  return identity;
}

absl::StatusOr<Identity> PeerIdentity(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) {
    return absl::UnauthenticatedError("a client certificate of this installation is needed");
  }
  std::vector<std::string> uris;
  for (const grpc::string_ref& value : auth->FindPropertyValues("x509_subject_alternative_name")) {
    const absl::string_view text(value.data(), value.size());
    if (absl::StartsWith(text, "spiffe://")) uris.emplace_back(text);
  }
  if (uris.size() != 1) {
    return absl::UnauthenticatedError("the certificate must name exactly one identity");
  }
  return ParseIdentityUri(uris.front());
}

}  // namespace godwit::rpc
