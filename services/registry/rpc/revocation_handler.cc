#include <grpcpp/impl/codegen/server_context.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "godwit/registry/v1/revocation_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/fields.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/storage/revocation_store.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxReason = 256;

absl::Status CheckSubject(absl::string_view field, absl::string_view subject) {
  absl::string_view hash = subject;
  if (absl::ConsumePrefix(&hash, "certificate/")) {
    const bool good = hash.size() == 64 && std::all_of(hash.begin(), hash.end(), [](char c) {
                        return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
                      });
    if (good) return absl::OkStatus();
    return rpc::FieldError(field, "must be certificate/ and 64 hexadecimal digits in lower case");
  }
  const absl::StatusOr<rpc::Identity> identity = rpc::ParsePrincipal(subject);
  if (!identity.ok()) return rpc::FieldError(field, "is no principal and no certificate");
  if (identity->kind == rpc::PeerKind::kAgent) {
    return rpc::FieldError(field, "is an agent; revoke it by RevokeServerIdentity");
  }
  return absl::OkStatus();
}

pb::Revocation ToProto(const storage::Revocation& revocation) {
  pb::Revocation out;
  out.set_subject(revocation.subject);
  out.set_reason(revocation.reason);
  out.set_principal(revocation.principal);
  SetTime(revocation.create_time, out.mutable_create_time());
  return out;
}

class RevocationHandler final : public pb::RevocationService::Service {
 public:
  explicit RevocationHandler(Backend& backend) : backend_(backend) {}

  grpc::Status Revoke(grpc::ServerContext* context, const pb::RevokeRequest* request,
                      pb::Revocation* response) override {
    const pb::Revocation& wanted = request->revocation();
    return ServeChange(
        context, backend_.mutator,
        {.method = "RevocationService.Revoke",
         .resource = wanted.subject(),
         .request_id = request->request_id(),
         .request = request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(CheckRequestId(request->request_id()));
           RETURN_IF_ERROR(CheckSubject("revocation.subject", wanted.subject()));
           return CheckText("revocation.reason", wanted.reason(), 0, kMaxReason);
         },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           if (call.peer.Principal() == wanted.subject()) {
             return absl::FailedPreconditionError(
                 "revocation.subject: is yourself; let another admin do it");
           }
           ASSIGN_OR_RETURN(
               const storage::Revocation made,
               storage::InsertRevocation(connection, {.subject = wanted.subject(),
                                                      .reason = wanted.reason(),
                                                      .principal = call.peer.Principal()}));
           *response = ToProto(made);
           return absl::OkStatus();
         }});
  }

  grpc::Status Restore(grpc::ServerContext* context, const pb::RestoreRequest* request,
                       pb::RestoreResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "RevocationService.Restore", .resource = request->subject(), .request = request},
        response,
        {.check = [&] { return CheckSubject("subject", request->subject()); },
         .apply =
             [&](pg::Connection& connection, const rpc::Call&) {
               return storage::DeleteRevocation(connection, request->subject());
             }});
  }

  grpc::Status ListRevocations(grpc::ServerContext* context,
                               const pb::ListRevocationsRequest* request,
                               pb::ListRevocationsResponse* response) override {
    return rpc::Serve(
        context, "RevocationService.ListRevocations", [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const std::vector<storage::Revocation> rows,
                           storage::ListRevocations(*connection, after.time, after.id, size + 1));
          for (int i = 0; i < size && i < static_cast<int>(rows.size()); ++i) {
            *response->add_revocations() = ToProto(rows[i]);
          }
          if (static_cast<int>(rows.size()) > size) {
            const storage::Revocation& last = rows[size - 1];
            response->set_next_page_token(PageToken({last.create_time, last.subject}));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status GetDenyList(grpc::ServerContext* context, const pb::GetDenyListRequest*,
                           pb::DenyList* response) override {
    return rpc::Serve(
        context, "RevocationService.GetDenyList", [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const std::vector<std::string> subjects,
                           storage::RevokedSubjects(*connection));
          response->mutable_subjects()->Add(subjects.begin(), subjects.end());
          return absl::OkStatus();
        });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeRevocationHandler(Backend& backend) {
  return std::make_unique<RevocationHandler>(backend);
}

}  // namespace godwit::registry
