#include "services/registry/rpc/frame.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/caller.h"
#include "services/registry/domain/installation_token.h"
#include "services/registry/rpc/fields.h"

namespace godwit::registry {
namespace {

// The same for equal messages, also with maps in them.
std::string Canonical(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

absl::Status Apply(storage::Mutator& mutator, storage::Mutation& mutation, const ChangeCall& change,
                   const rpc::Call& call, google::protobuf::Message* response,
                   const ChangeSteps& steps) {
  const absl::StatusOr<storage::Outcome> outcome =
      mutator.Run(mutation, [&](pg::Connection& connection) -> absl::StatusOr<std::string> {
        response->Clear();
        RETURN_IF_ERROR(steps.apply(connection, call));
        if (change.made_resource != nullptr) mutation.resource = *change.made_resource;
        return Canonical(*response);
      });
  if (absl::IsInvalidArgument(outcome.status()) && rpc::GetInfo(outcome.status()).reason.empty()) {
    absl::string_view text = outcome.status().message();
    if (absl::ConsumePrefix(&text, "request_id: ")) return rpc::FieldError("request_id", text);
  }
  RETURN_IF_ERROR(outcome);
  if (outcome->replayed && !response->ParseFromString(outcome->answer)) {
    return absl::DataLossError("the answer kept for this request_id cannot be read");
  }
  GODWIT_FAILPOINT("registry.change.committed");
  return steps.after ? steps.after(call, outcome->replayed) : absl::OkStatus();
}

}  // namespace

grpc::Status ServeChange(grpc::ServerContext* context, storage::Mutator& mutator,
                         const ChangeCall& change, google::protobuf::Message* response,
                         const ChangeSteps& steps) {
  storage::Mutation mutation{.method = change.method,
                             .resource = change.resource,
                             .audit_refusals = change.audit_refusals};
  bool admitted = false;
  const grpc::Status status =
      rpc::Serve(context, change.method, change.access, [&](const rpc::Call& call) -> absl::Status {
        admitted = true;
        mutation.principal = call.peer.id.empty() ? "anybody" : call.peer.Principal();
        mutation.peer = call.address;
        mutation.call_id = call.request_id;
        absl::Status checked = steps.check ? steps.check() : absl::OkStatus();
        if (!checked.ok()) {
          mutator.AuditRefusal(mutation, checked);
          return checked;
        }
        mutation.request_id = change.request_id;
        mutation.fingerprint = HashOf(absl::StrCat(change.method, "\n", mutation.principal, "\n",
                                                   Canonical(*change.request)));
        return Apply(mutator, mutation, change, call, response, steps);
      });
  if (!admitted) {
    const absl::StatusOr<rpc::Caller> known = rpc::CallerOf(*context, /*anybody=*/true);
    const rpc::Caller caller = known.ok() ? *known : rpc::PeerOf(*context);
    mutation.principal = caller.peer.id.empty() ? "unknown" : caller.peer.Principal();
    mutation.peer = caller.address;
    mutation.call_id = caller.request_id;
    mutator.AuditRefusal(mutation, rpc::FromGrpc(status));
  }
  return status;
}

}  // namespace godwit::registry
