// quotas.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/output.h"
#include "godwit/common/v1/quota_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using common::v1::ListQuotasResponse;
using common::v1::Quota;

constexpr const char* kServices[] = {"registry", "jobs"};

// Several services serve the same call, each its own quotas.
absl::Status Add(Context& context, const char* service, ListQuotasResponse* all) {
  ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, context.Channel(service));
  const auto stub = common::v1::QuotaService::NewStub(channel);
  ListQuotasResponse answer;
  RETURN_IF_ERROR(context.Unreachable(service, rpc::Retry(kRetryTime, [&] {
                                        grpc::ClientContext call;
                                        rpc::SetTimeout(call, context.call_timeout());
                                        return rpc::FromGrpc(stub->ListQuotas(
                                            &call, common::v1::ListQuotasRequest(), &answer));
                                      })));
  all->MergeFrom(answer);
  return absl::OkStatus();
}

std::string Left(const Quota& quota) {
  if (!quota.has_used_count()) return "-";
  return absl::StrCat(std::max<std::int64_t>(0, quota.quota_value() - quota.used_count()));
}

Command List() {
  return {
      .words = "quotas",
      .purpose = "how many servers and jobs there may be, and how many there are",
      .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
        ListQuotasResponse all;
        for (const char* const service : kServices) {
          if (context.Knows(service)) RETURN_IF_ERROR(Add(context, service, &all));
        }
        if (context.json()) return PrintJson(context, all);
        Table table({"QUOTA", "LIMIT", "USED", "LEFT", "WHAT", "OPTION"});
        for (const Quota& quota : all.quotas()) {
          table.Row({quota.quota_code(), absl::StrCat(quota.quota_value()),
                     quota.has_used_count() ? absl::StrCat(quota.used_count()) : "-", Left(quota),
                     quota.title(), quota.option().empty() ? "fixed" : quota.option()});
        }
        table.Print(context.out(), "no service is known; give --registry and --jobs");
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> QuotaCommands() { return {List()}; }

}  // namespace godwit::cli
