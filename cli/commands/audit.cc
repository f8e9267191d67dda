// audit.
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/output.h"
#include "godwit/registry/v1/audit_service.grpc.pb.h"
#include "services/common/crypt/audit_chain.h"

namespace godwit::cli {
namespace {

using registry::v1::AuditService;
using registry::v1::ChainedAuditEntry;

struct Head {
  std::int64_t sequence = 0;
  std::string hash;
};

// All entries after `after` up to the newest one at the beginning; gives that.
absl::StatusOr<Head> ReadAll(Context& context, std::int64_t after,
                             const std::function<absl::Status(const ChainedAuditEntry&)>& take) {
  Head head;
  while (true) {
    registry::v1::ExportAuditEntriesRequest request;
    request.set_after_sequence(after);
    ASSIGN_OR_RETURN(const registry::v1::ExportAuditEntriesResponse page,
                     Call(context, &AuditService::Stub::ExportAuditEntries, request));
    if (head.hash.empty()) head = {page.head_sequence(), page.head_hash()};
    for (const ChainedAuditEntry& entry : page.entries()) {
      if (entry.entry().sequence() > head.sequence) return head;
      RETURN_IF_ERROR(take(entry));
      after = entry.entry().sequence();
    }
    if (page.entries().empty() || after >= head.sequence) return head;
  }
}

crypt::ChainedEntry FromProto(const ChainedAuditEntry& in) {
  const registry::v1::AuditEntry& entry = in.entry();
  return {.sequence = entry.sequence(),
          .time_micros = absl::ToUnixMicros(ToTime(entry.time())),
          .principal = entry.principal(),
          .peer = entry.peer(),
          .method = entry.method(),
          .resource = entry.resource(),
          .code = entry.code(),
          .request_id = entry.request_id(),
          .detail = entry.detail(),
          .prev_hash = in.prev_hash(),
          .hash = in.hash()};
}

Command Export() {
  auto after = std::make_shared<std::int64_t>(0);
  return {.words = "audit export",
          .purpose = "the audit log as JSON lines, oldest first, with its hashes",
          .options =
              [after](Options& options) {
                options.Int("after", after.get(), 0, std::numeric_limits<std::int64_t>::max(),
                            "only entries after this number [0]");
              },
          .run = [after](Context& context, const Options&, const Arguments&) -> absl::Status {
            return ReadAll(context, *after,
                           [&](const ChainedAuditEntry& entry) {
                             return PrintJson(context, entry, /*one_line=*/true);
                           })
                .status();
          }};
}

// "NUMBER:HASH" as verify prints it.
absl::StatusOr<Head> ParseHead(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Head head;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &head.sequence) || head.sequence < 0 ||
      parts[1].size() != 64 ||
      parts[1].find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::InvalidArgumentError("--head: must be NUMBER:HASH as `audit verify` prints it");
  }
  head.hash = absl::HexStringToBytes(parts[1]);
  return head;
}

Command Verify() {
  auto known = std::make_shared<std::string>();
  return {
      .words = "audit verify",
      .purpose = "follows the hashes of the audit log; ends with 1 when something was changed",
      .options =
          [known](Options& options) {
            options.String("head", known.get(), "NUMBER:HASH",
                           "what an earlier run printed must still be in the log");
          },
      .run = [known](Context& context, const Options& options, const Arguments&) -> absl::Status {
        Head earlier;
        if (options.Given("head")) {
          ASSIGN_OR_RETURN(earlier, ParseHead(*known));
        }
        crypt::AuditChain chain;
        std::int64_t count = 0;
        bool seen = earlier.sequence == 0;
        ASSIGN_OR_RETURN(const Head head, ReadAll(context, 0, [&](const ChainedAuditEntry& entry) {
                           ++count;
                           if (entry.entry().sequence() == earlier.sequence) {
                             seen = entry.hash() == earlier.hash;
                           }
                           const absl::Status added = chain.Add(FromProto(entry));
                           return added.ok() ? added : OperationFailed(added.message());
                         }));
        if (chain.sequence() != head.sequence || chain.hash() != head.hash) {
          return OperationFailed(absl::StrCat("the log ends with entry ", chain.sequence(),
                                              ", but its newest was ", head.sequence));
        }
        if (!seen) {
          return OperationFailed(absl::StrCat("entry ", earlier.sequence,
                                              " is not what it was: the log was made anew"));
        }
        context.out() << count << " entries are as they were written; head " << chain.sequence()
                      << ":" << absl::BytesToHexString(chain.hash()) << std::endl;
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> AuditCommands() { return {Export(), Verify()}; }

}  // namespace godwit::cli
