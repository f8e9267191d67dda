// Who is at the other end. Identities are URI SANs of certificates issued by the installation's CA:
// spiffe://godwit/<kind>/<id> (docs/decisions/0003-identity-in-certificates.md).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace grpc {
class ServerContext;
class ServerContextBase;
}  // namespace grpc

namespace godwit::rpc {

// Kinds of peers. kUser carries a role.
enum class PeerKind { kAgent, kWorker, kConversionWorker, kService, kUser };
enum class UserRole { kNone, kViewer, kOperator, kAdmin };

struct Identity {
  PeerKind kind = PeerKind::kUser;
  UserRole role = UserRole::kNone;  // of users only
  std::string id;                   // "s-...", "w-...", "registry", "alice"

  // "agent/s-...", "user/operator/alice": as written in audit rows and logs.
  std::string Principal() const;
  // "spiffe://godwit/" + Principal().
  std::string Uri() const;
  // DNS name a server certificate carries and clients verify: "<id>.<kind>.godwit.internal".
  std::string DnsName() const;
};

// Takes "spiffe://godwit/..." apart. UNAUTHENTICATED when it is no identity of this scheme.
absl::StatusOr<Identity> ParseIdentityUri(absl::string_view uri);
// The same from the short form "user/admin/alice". INVALID_ARGUMENT when malformed.
absl::StatusOr<Identity> ParsePrincipal(absl::string_view principal);

// The identity of the peer of a call. UNAUTHENTICATED when it showed no certificate, none of ours,
// or more than one identity. The chain itself was verified by TLS.
absl::StatusOr<Identity> PeerIdentity(const grpc::ServerContextBase& context);

}  // namespace godwit::rpc
