#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/job_wait.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verification_report.h"
#include "cli/views/verification_view.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/signed_report.h"

namespace godwit::cli {
namespace {

using replication::v1::ReplicationService;
using replication::v1::Verification;

constexpr absl::Duration kPoll = absl::Milliseconds(300);
constexpr unsigned kReadableByAll = 0644;

absl::Status Print(Context& context, const Verification& verification) {
  if (context.json()) return PrintJson(context, verification);
  PrintVerification(verification, context.out());
  return absl::OkStatus();
}

absl::Status WriteReport(Context& context, const Verification& verification,
                         const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  if (verification.report().empty()) {
    return OperationFailed(absl::StrCat(ShortName(verification.name()), " is ",
                                        EnumWord(verification.state()), ": it has no report"));
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, verification.report(), kReadableByAll));
  context.err() << "report: " << Plain(path) << std::endl;
  return absl::OkStatus();
}

absl::StatusOr<Verification> Get(Context& context, const std::string& name) {
  replication::v1::GetVerificationRequest request;
  request.set_name(name);
  return Call(context, &ReplicationService::Stub::GetVerification, request);
}

bool Over(const Verification& verification) {
  return verification.state() == Verification::SUCCEEDED ||
         verification.state() == Verification::FAILED;
}

absl::Status WaitUntilOver(Context& context, Verification& verification, absl::Duration timeout) {
  const absl::Duration deadline = context.clock().Monotonic() + timeout;
  Progress progress(context);
  while (!Over(verification)) {
    if (context.clock().Monotonic() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("the verification ", ShortName(verification.name()), " is ",
                       EnumWord(verification.state()), " after ", Span(timeout), "; it goes on"));
    }
    progress.Show(absl::StrCat("verification ", EnumWord(verification.state())),
                  VerificationFigures(verification), VerificationFraction(verification));
    context.clock().Sleep(kPoll);
    ASSIGN_OR_RETURN(verification, Get(context, verification.name()));
  }
  return absl::OkStatus();
}

Command Verify() {
  struct Given {
    std::string report;
    WaitOptions wait;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "servers verify",
      .arguments = "SERVER",
      .purpose = "compares the whole replica with the source",
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.String("report", &given->report, "FILE",
                           "where the signed report goes; only with --wait");
            given->wait.AddTo(options);
          },
      .run = [given](Context& context, const Options& options,
                     const Arguments& arguments) -> absl::Status {
        RETURN_IF_ERROR(given->wait.Check(context, options, "replication"));
        if (!given->report.empty() && !given->wait.wait) {
          return absl::InvalidArgumentError("--report: only together with --wait");
        }
        replication::v1::VerifyReplicationRequest request;
        ASSIGN_OR_RETURN(*request.mutable_parent(), ServerName(context, arguments[0]));
        request.set_request_id(NewUuid());
        ASSIGN_OR_RETURN(Verification verification,
                         Call(context, &ReplicationService::Stub::VerifyReplication, request));
        if (!given->wait.wait) {
          if (context.json()) return PrintJson(context, verification);
          const std::string server = ShortName(request.parent());
          context.out() << "verification " << ShortName(verification.name()) << " "
                        << EnumWord(verification.state())
                        << "\nfollow it with: godwit servers verifications " << server << " "
                        << ShortName(verification.name()) << std::endl;
          return absl::OkStatus();
        }
        RETURN_IF_ERROR(WaitUntilOver(context, verification, given->wait.timeout));
        RETURN_IF_ERROR(Print(context, verification));
        if (verification.state() == Verification::FAILED) {
          return OperationFailed(absl::StrCat("not verified: ", verification.error_message()));
        }
        if (verification.difference_count() > 0) {
          context.err() << "warning: the replica was not what the source has. It is now; points "
                           "of before may not be."
                        << std::endl;
        }
        return WriteReport(context, verification, given->report);
      }};
}

Command List() {
  auto report = std::make_shared<std::string>();
  return {.words = "servers verifications",
          .arguments = "SERVER [VERIFICATION]",
          .purpose = "all verifications, newest first, or one of them",
          .least = 1,
          .most = 2,
          .options =
              [report](Options& options) {
                options.String("report", report.get(), "FILE",
                               "where the signed report of VERIFICATION goes");
              },
          .run = [report](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            if (arguments.size() == 2) {
              const std::string collection = absl::StrCat(server, "/verifications/");
              const std::string name = absl::StartsWith(arguments[1], collection)
                                           ? arguments[1]
                                           : absl::StrCat(collection, arguments[1]);
              ASSIGN_OR_RETURN(const Verification verification, Get(context, name));
              RETURN_IF_ERROR(Print(context, verification));
              return WriteReport(context, verification, *report);
            }
            if (!report->empty()) {
              return absl::InvalidArgumentError("--report: say of which VERIFICATION");
            }
            replication::v1::ListVerificationsRequest request;
            request.set_parent(server);
            ASSIGN_OR_RETURN(
                const auto list,
                CallAllPages(context, &ReplicationService::Stub::ListVerifications, request));
            if (context.json()) return PrintJson(context, list);
            PrintVerifications(list, context.out());
            return absl::OkStatus();
          }};
}

// The CA certificate reports are checked against.
absl::StatusOr<std::string> ReadCa(const Context& context, const std::string& path) {
  if (!path.empty()) return ReadFile(path, rpc::kMostReportFileBytes);
  if (context.tls_dir().empty()) {
    return absl::InvalidArgumentError("whose report? Give --ca FILE, or --tls-dir DIR with ca.crt");
  }
  return ReadFile(absl::StrCat(context.tls_dir(), "/ca.crt"), rpc::kMostReportFileBytes);
}

Command VerifyReport() {
  struct Given {
    std::string ca, root_hash;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "verify-report",
      .arguments = "FILE",
      .purpose = "checks a signed report without any service",
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.String("ca", &given->ca, "FILE",
                           "certificate of the installation's CA; default: ca.crt of --tls-dir");
            options.String("root-hash", &given->root_hash, "HEX",
                           "the root hash that the report must be of");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        ASSIGN_OR_RETURN(const std::string ca, ReadCa(context, given->ca));
        ASSIGN_OR_RETURN(const std::string file, ReadFile(arguments[0], rpc::kMostReportFileBytes));
        const absl::StatusOr<VerificationReport> report = ReadVerificationReport(file, ca);
        if (!report.ok()) {
          return OperationFailed(absl::StrCat("nothing is proved: ", report.status().message()));
        }
        if (!given->root_hash.empty() &&
            absl::AsciiStrToLower(given->root_hash) != absl::AsciiStrToLower(report->root_hash)) {
          return OperationFailed(absl::StrCat("the report is of root hash ", report->root_hash,
                                              ", not of ", given->root_hash));
        }
        if (context.json()) {
          context.out() << "{\"signer\": \"" << JsonEscape(report->signer)
                        << "\", \"certificateSha256\": \"" << report->certificate_sha256
                        << "\", \"report\": " << report->json << "}" << std::endl;
          return absl::OkStatus();
        }
        PrintReport(*report, context.out());
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> VerificationCommands() { return {Verify(), List(), VerifyReport()}; }

}  // namespace godwit::cli
