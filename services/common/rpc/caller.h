// Who a call counts for and what it carries besides its request: metadata that services and
// gateways set on calls between them. All of it is bounded and checked before it is used.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/common/rpc/identity.h"

namespace grpc {
class ClientContext;
class ServerContextBase;
}  // namespace grpc

namespace godwit::rpc {

// One UUID for a request and everything that services do for it; made where there is none yet.
inline constexpr char kRequestIdKey[] = "x-godwit-request-id";
// From service/gateway only: the user that the call is made for ("user/operator/ci"), the address
// of the client, and which rules of the life cycle hold for it ("strict", "lenient"; none: those of
// the installation).
inline constexpr char kOnBehalfOfKey[] = "x-godwit-on-behalf-of";
inline constexpr char kClientAddressKey[] = "x-godwit-client-address";
inline constexpr char kLifecycleProfileKey[] = "x-godwit-lifecycle-profile";

struct Caller {
  Identity peer;                  // whom the call counts for; empty id: no certificate
  std::string gateway;            // "service/gateway" when it speaks for `peer`
  std::string address;            // "ipv4:…", or "ADDR via service/gateway"
  std::string lifecycle_profile;  // "", "strict", "lenient"
  std::string request_id;
};

// UNAUTHENTICATED: no identity (but with `anybody` a caller without one). PERMISSION_DENIED: it
// sets what only gateways may set, or a gateway speaks for somebody who is no user.
// INVALID_ARGUMENT: metadata that is malformed, too long, or there twice.
absl::StatusOr<Caller> CallerOf(const grpc::ServerContextBase& context, bool anybody);

// For the audit row of a call that CallerOf refused: who was at the other end, whatever it claimed.
Caller PeerOf(const grpc::ServerContextBase& context);

// For gateways: sets the metadata of a call that is made for `user`. `client_address` and
// `lifecycle_profile` may be empty.
void SetOnBehalfOf(grpc::ClientContext& context, const Identity& user,
                   const std::string& client_address, const std::string& lifecycle_profile);

}  // namespace godwit::rpc
