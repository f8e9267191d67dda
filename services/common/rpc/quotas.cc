#include "services/common/rpc/quotas.h"

#include <grpcpp/impl/codegen/server_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "godwit/common/v1/quota_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::rpc {
namespace {

class QuotaHandler final : public common::v1::QuotaService::Service {
 public:
  explicit QuotaHandler(std::function<absl::StatusOr<std::vector<Quota>>()> list)
      : list_(std::move(list)) {}

  grpc::Status ListQuotas(grpc::ServerContext* context, const common::v1::ListQuotasRequest*,
                          common::v1::ListQuotasResponse* response) override {
    return Serve(context, "QuotaService.ListQuotas", [&](const Call&) -> absl::Status {
      ASSIGN_OR_RETURN(const std::vector<Quota> quotas, list_());
      for (const Quota& quota : quotas) {
        common::v1::Quota* out = response->add_quotas();
        out->set_quota_code(quota.code);
        out->set_title(quota.title);
        out->set_quota_value(quota.limit);
        if (quota.used) out->set_used_count(*quota.used);
        if (!quota.option.empty()) out->set_option(absl::StrCat("--", quota.option));
        out->set_advice(quota.advice);
      }
      return absl::OkStatus();
    });
  }

 private:
  const std::function<absl::StatusOr<std::vector<Quota>>()> list_;
};

}  // namespace

absl::Status ExplainQuota(const absl::Status& status, const std::string& domain,
                          const std::string& server) {
  const std::optional<Quota> quota = RefusedQuota(status);
  if (!quota) return status;
  ErrorInfo info{.reason = kQuotaExceeded,
                 .domain = domain,
                 .metadata = {{"quota_code", quota->code},
                              {"quota_value", absl::StrCat(quota->limit)},
                              {"quota_used", absl::StrCat(*quota->used)}}};
  if (!quota->option.empty()) {
    info.metadata.emplace_back("option", absl::StrCat("--", quota->option));
  }
  if (!server.empty()) info.metadata.emplace_back("server", server);
  return WithInfo(status, info);
}

std::unique_ptr<grpc::Service> MakeQuotaHandler(
    std::function<absl::StatusOr<std::vector<Quota>>()> list) {
  return std::make_unique<QuotaHandler>(std::move(list));
}

}  // namespace godwit::rpc
