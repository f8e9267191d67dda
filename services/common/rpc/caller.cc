#include "services/common/rpc/caller.h"

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/server_context.h>

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

constexpr std::size_t kMaxPrincipal = 200, kMaxAddress = 100, kMaxProfile = 16, kMaxRequestId = 36;
constexpr char kGateway[] = "service/gateway";

absl::Status Malformed(absl::string_view key, absl::string_view text) {
  return WithInfo(absl::InvalidArgumentError(absl::StrCat(key, ": ", text)),
                  {.reason = "BAD_METADATA"});
}

// nullopt: not sent.
absl::StatusOr<std::optional<std::string>> Value(const grpc::ServerContextBase& context,
                                                 const char* key, std::size_t most) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  if (first == last) return std::nullopt;
  if (std::next(first) != last) return Malformed(key, "is there more than once");
  if (first->second.size() == 0 || first->second.size() > most) {
    return Malformed(key, absl::StrCat("must have 1 to ", most, " characters"));
  }
  return std::string(first->second.data(), first->second.size());
}

bool IsAddressCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == ':' || c == '[' ||
         c == ']' || c == '%' || c == '-' || c == '_';
}

// 8-4-4-4-12 hexadecimal digits, of any version.
bool IsUuid(absl::string_view text) {
  if (text.size() != kMaxRequestId) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) {
      return false;
    }
  }
  return true;
}

absl::Status NotYours(absl::string_view who, absl::string_view text) {
  return WithInfo(absl::PermissionDeniedError(absl::StrCat(who, " ", text)),
                  {.reason = "NOT_A_GATEWAY"});
}

// What a gateway says of the user whose call it passes on.
absl::Status ReadGateway(const grpc::ServerContextBase& context, Caller& caller) {
  ASSIGN_OR_RETURN(const auto user, Value(context, kOnBehalfOfKey, kMaxPrincipal));
  ASSIGN_OR_RETURN(const auto address, Value(context, kClientAddressKey, kMaxAddress));
  ASSIGN_OR_RETURN(const auto profile, Value(context, kLifecycleProfileKey, kMaxProfile));
  if (!user && !address && !profile) return absl::OkStatus();
  const std::string peer = caller.peer.id.empty() ? "a stranger" : caller.peer.Principal();
  if (peer != kGateway) return NotYours(peer, "may not speak for others; only service/gateway may");
  if (!user) return Malformed(kOnBehalfOfKey, "is missing");
  const absl::StatusOr<Identity> identity = ParsePrincipal(*user);
  if (!identity.ok()) return Malformed(kOnBehalfOfKey, "must be user/ROLE/NAME");
  if (identity->kind != PeerKind::kUser) return NotYours(peer, "may speak for users only");
  if (address && !std::all_of(address->begin(), address->end(), IsAddressCharacter)) {
    return Malformed(kClientAddressKey, "is no address");
  }
  if (profile && *profile != "strict" && *profile != "lenient") {
    return Malformed(kLifecycleProfileKey, "must be strict or lenient");
  }
  caller.address = absl::StrCat(address.value_or(caller.address), " via ", peer);
  caller.gateway = peer;
  caller.peer = *identity;
  caller.lifecycle_profile = profile.value_or("");
  return absl::OkStatus();
}

}  // namespace

Caller PeerOf(const grpc::ServerContextBase& context) {
  Caller caller{.address = context.peer()};
  absl::StatusOr<Identity> peer = PeerIdentity(context);
  if (peer.ok()) caller.peer = *std::move(peer);
  return caller;
}

absl::StatusOr<Caller> CallerOf(const grpc::ServerContextBase& context, bool anybody) {
  Caller caller = PeerOf(context);
  if (caller.peer.id.empty() && !anybody) return PeerIdentity(context).status();
  ASSIGN_OR_RETURN(const auto request, Value(context, kRequestIdKey, kMaxRequestId));
  if (request && !IsUuid(*request)) return Malformed(kRequestIdKey, "must be an UUID");
  caller.request_id = request ? absl::AsciiStrToLower(*request) : NewUuid();
  RETURN_IF_ERROR(ReadGateway(context, caller));
  return caller;
}

void SetOnBehalfOf(grpc::ClientContext& context, const Identity& user,
                   const std::string& client_address, const std::string& lifecycle_profile) {
  context.AddMetadata(kOnBehalfOfKey, user.Principal());
  if (!client_address.empty()) context.AddMetadata(kClientAddressKey, client_address);
  if (!lifecycle_profile.empty()) context.AddMetadata(kLifecycleProfileKey, lifecycle_profile);
}

}  // namespace godwit::rpc
