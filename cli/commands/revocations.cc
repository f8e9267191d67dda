// revocations.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/output.h"
#include "godwit/registry/v1/revocation_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/ca.h"

namespace godwit::cli {
namespace {

using registry::v1::Revocation;
using registry::v1::RevocationService;

// A principal or "certificate/…" as it is; the path of a PEM file is the certificate in it.
absl::StatusOr<std::string> Subject(const std::string& text) {
  if (!absl::EndsWith(text, ".crt") && !absl::EndsWith(text, ".pem")) return text;
  ASSIGN_OR_RETURN(const std::string pem, ReadFile(text, 256 << 10));
  ASSIGN_OR_RETURN(const std::string hash, rpc::CertificatePin(pem));
  return absl::StrCat("certificate/", hash);
}

Command Revoke() {
  auto reason = std::make_shared<std::string>();
  return {.words = "revocations add",
          .arguments = "PRINCIPAL|CERTIFICATE.crt",
          .purpose = "refused by all services from now on, within 5 seconds",
          .least = 1,
          .most = 1,
          .options =
              [reason](Options& options) {
                options.String("reason", reason.get(), "TEXT", "for people");
              },
          .run = [reason](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            registry::v1::RevokeRequest request;
            request.set_request_id(NewUuid());
            ASSIGN_OR_RETURN(*request.mutable_revocation()->mutable_subject(),
                             Subject(arguments[0]));
            request.mutable_revocation()->set_reason(*reason);
            ASSIGN_OR_RETURN(const Revocation made,
                             Call(context, &RevocationService::Stub::Revoke, request));
            if (context.json()) return PrintJson(context, made);
            context.out() << Plain(made.subject()) << " revoked" << std::endl;
            return absl::OkStatus();
          }};
}

Command Restore() {
  return {.words = "revocations remove",
          .arguments = "PRINCIPAL|CERTIFICATE.crt",
          .purpose = "is taken again",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::RestoreRequest request;
            ASSIGN_OR_RETURN(*request.mutable_subject(), Subject(arguments[0]));
            ASSIGN_OR_RETURN(const auto restored,
                             Call(context, &RevocationService::Stub::Restore, request));
            if (context.json()) return PrintJson(context, restored);
            context.out() << Plain(request.subject()) << " restored" << std::endl;
            return absl::OkStatus();
          }};
}

Command List() {
  return {.words = "revocations list",
          .purpose = "principals and certificates that are refused",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(const auto list,
                             CallAllPages(context, &RevocationService::Stub::ListRevocations,
                                          registry::v1::ListRevocationsRequest()));
            if (context.json()) return PrintJson(context, list);
            Table table({"REFUSED", "SINCE", "BY", "REASON"});
            for (const Revocation& entry : list.revocations()) {
              table.Row({entry.subject(), When(entry.create_time()), entry.principal(),
                         entry.reason().empty() ? "-" : entry.reason()});
            }
            table.Print(context.out(), "nobody is revoked");
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> RevocationCommands() { return {Revoke(), Restore(), List()}; }

}  // namespace godwit::cli
