#include "services/gateway/clients/access_key_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/clients/twice.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;

constexpr absl::Duration kTime = absl::Seconds(5);
constexpr std::size_t kKeyBytes = 32;

// "GWAK" + 16 of A-Z and 2-7. Others are nobody's, and the registry need not be asked.
bool IsKeyId(absl::string_view id) {
  if (id.size() != 20 || !absl::ConsumePrefix(&id, "GWAK")) return false;
  return std::all_of(id.begin(), id.end(),
                     [](char c) { return absl::ascii_isupper(c) || (c >= '2' && c <= '7'); });
}

sigv4::Profile ProfileOf(pb::AccessKey::LifecycleProfile profile) {
  switch (profile) {
    case pb::AccessKey::STRICT:
      return sigv4::Profile::kStrict;
    case pb::AccessKey::LENIENT:
      return sigv4::Profile::kLenient;
    default:
      return sigv4::Profile::kDefault;
  }
}

}  // namespace

AccessKeyClient::AccessKeyClient(std::shared_ptr<grpc::Channel> registry)
    : registry_(std::move(registry)) {}

absl::StatusOr<sigv4::SigningKey> AccessKeyClient::Get(const sigv4::Authorization& authorization,
                                                       const std::string& request_id) {
  if (!IsKeyId(authorization.key_id)) return absl::NotFoundError("no access key has such an id");
  pb::GetSigningKeyRequest request;
  request.set_name(absl::StrCat("accessKeys/", authorization.key_id));
  request.set_date(authorization.date);
  request.set_region(authorization.region);
  request.set_service(authorization.service);
  const absl::Time deadline = SteadyNow() + kTime;
  const auto stub = pb::AccessKeyService::NewStub(registry_);
  pb::SigningKey answer;
  const absl::Status status = TryTwice(deadline, [&] {
    grpc::ClientContext context;
    rpc::SetTimeout(context, deadline - SteadyNow());
    context.AddMetadata("x-godwit-request-id", request_id);
    answer.Clear();
    return rpc::FromGrpc(stub->GetSigningKey(&context, request, &answer));
  });
  // An id that is none of ours by its form is no key either.
  if (absl::IsInvalidArgument(status)) return absl::NotFoundError(status.message());
  if (!status.ok()) {
    if (!absl::IsNotFound(status)) {
      Log(Severity::kWarning, "no signing key",
          {{"request_id", request_id}, {"error", status.ToString()}});
    }
    return status;
  }
  if (answer.key().size() != kKeyBytes || !absl::StartsWith(answer.principal(), "user/")) {
    return absl::InternalError("the registry's signing key is malformed");
  }
  return sigv4::SigningKey{.key = answer.key(),
                           .principal = answer.principal(),
                           .disabled = answer.disabled(),
                           .profile = ProfileOf(answer.lifecycle_profile())};
}

}  // namespace godwit::gateway
