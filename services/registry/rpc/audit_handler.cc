#include <grpcpp/impl/codegen/server_context.h>

#include <algorithm>

#include "godwit/registry/v1/audit_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/storage/audit_store.h"

namespace godwit::registry {
namespace {

constexpr int kMaxPage = 1000;

void SetEntry(const crypt::ChainedEntry& entry, pb::ChainedAuditEntry* out) {
  pb::AuditEntry& to = *out->mutable_entry();
  to.set_sequence(entry.sequence);
  SetTime(absl::FromUnixMicros(entry.time_micros), to.mutable_time());
  to.set_principal(entry.principal);
  to.set_peer(entry.peer);
  to.set_method(entry.method);
  to.set_resource(entry.resource);
  to.set_code(entry.code);
  to.set_request_id(entry.request_id);
  to.set_detail(entry.detail);
  out->set_prev_hash(entry.prev_hash);
  out->set_hash(entry.hash);
}

class AuditHandler final : public pb::AuditService::Service {
 public:
  explicit AuditHandler(Backend& backend) : backend_(backend) {}

  grpc::Status ExportAuditEntries(grpc::ServerContext* context,
                                  const pb::ExportAuditEntriesRequest* request,
                                  pb::ExportAuditEntriesResponse* response) override {
    return rpc::Serve(
        context, "AuditService.ExportAuditEntries", [&](const rpc::Call&) -> absl::Status {
          if (request->after_sequence() < 0) {
            return rpc::FieldError("after_sequence", "is negative");
          }
          if (request->page_size() < 0) return rpc::FieldError("page_size", "is negative");
          const int size =
              request->page_size() == 0 ? kMaxPage : std::min(request->page_size(), kMaxPage);
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          // The head first: entries that come meanwhile are after it.
          ASSIGN_OR_RETURN(const storage::AuditHead head, storage::GetAuditHead(*connection));
          ASSIGN_OR_RETURN(const std::vector<crypt::ChainedEntry> entries,
                           storage::ChainedAfter(*connection, request->after_sequence(), size));
          for (const crypt::ChainedEntry& entry : entries) {
            if (entry.sequence <= head.sequence) SetEntry(entry, response->add_entries());
          }
          response->set_head_sequence(head.sequence);
          response->set_head_hash(head.hash);
          return absl::OkStatus();
        });
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAuditHandler(Backend& backend) {
  return std::make_unique<AuditHandler>(backend);
}

}  // namespace godwit::registry
