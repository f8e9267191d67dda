#include "services/jobs/rpc/wave_requests.h"

#include <google/protobuf/message.h>
#include <openssl/sha.h>

#include <memory>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/rpc/messages.h"
#include "services/jobs/rpc/requests.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostCommand = 4096;
constexpr std::size_t kMostPath = 1024;
constexpr std::size_t kMostText = 4096;

absl::Status InRange(absl::string_view field, std::int64_t value, std::int64_t least,
                     std::int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("is ", value, "; must be ", least, " to ", most));
}
absl::Status NotLonger(absl::string_view field, const std::string& text, std::size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("has ", text.size(), " bytes; at most ", most));
}
absl::StatusOr<std::string> NameOf(absl::string_view field, absl::string_view collection,
                                   absl::string_view prefix, absl::string_view name) {
  const absl::StatusOr<std::string> id = ParseName(field, collection, prefix, name);
  if (!id.ok())
    return rpc::FieldError(field, absl::StrCat("is not the name of one of ", collection));
  return id;
}
absl::StatusOr<std::string> ApplicationId(absl::string_view field, absl::string_view name) {
  return NameOf(field, "applications", "app-", name);
}

absl::StatusOr<HttpCheck> ReadHttp(const std::string& field, const v1::HttpCheck& in) {
  RETURN_IF_ERROR(InRange(absl::StrCat(field, ".guest_port"), in.guest_port(), 1, 65535));
  RETURN_IF_ERROR(NotLonger(absl::StrCat(field, ".path"), in.path(), kMostPath));
  if (!in.path().empty() && in.path().front() != '/') {
    return rpc::FieldError(absl::StrCat(field, ".path"), "must begin with /");
  }
  for (const char c : in.path()) {
    if (c > ' ' && c < 0x7f) continue;
    return rpc::FieldError(absl::StrCat(field, ".path"), "has characters that no path has");
  }
  if (in.status() != 0) {
    RETURN_IF_ERROR(InRange(absl::StrCat(field, ".status"), in.status(), 100, 599));
  }
  RETURN_IF_ERROR(NotLonger(absl::StrCat(field, ".body_contains"), in.body_contains(), kMostText));
  return HttpCheck{.guest_port = in.guest_port(),
                   .path = in.path().empty() ? "/" : in.path(),
                   .status = in.status() == 0 ? 200 : in.status(),
                   .body_contains = in.body_contains()};
}

absl::StatusOr<CommandCheck> ReadCommand(const std::string& field, const v1::CommandCheck& in) {
  if (in.command().empty()) return rpc::FieldError(absl::StrCat(field, ".command"), "is required");
  RETURN_IF_ERROR(NotLonger(absl::StrCat(field, ".command"), in.command(), kMostCommand));
  RETURN_IF_ERROR(
      NotLonger(absl::StrCat(field, ".output_contains"), in.output_contains(), kMostText));
  return CommandCheck{.command = in.command(),
                      .exit_code = in.exit_code(),
                      .output_contains = in.output_contains()};
}

absl::StatusOr<WaveCheck> ReadCheck(const std::string& field, const v1::WaveGateCheck& in) {
  WaveCheck check;
  if (!in.source_server().empty()) {
    ASSIGN_OR_RETURN(check.server, NameOf(absl::StrCat(field, ".source_server"), "sourceServers",
                                          "s-", in.source_server()));
  }
  switch (in.check_case()) {
    case v1::WaveGateCheck::kTcpPort:
      check.kind = WaveCheck::Kind::kTcp;
      check.tcp_port = in.tcp_port();
      RETURN_IF_ERROR(InRange(absl::StrCat(field, ".tcp_port"), in.tcp_port(), 1, 65535));
      return check;
    case v1::WaveGateCheck::kHttp: {
      check.kind = WaveCheck::Kind::kHttp;
      ASSIGN_OR_RETURN(check.http, ReadHttp(absl::StrCat(field, ".http"), in.http()));
      return check;
    }
    case v1::WaveGateCheck::kCommand: {
      check.kind = WaveCheck::Kind::kCommand;
      ASSIGN_OR_RETURN(check.command, ReadCommand(absl::StrCat(field, ".command"), in.command()));
      return check;
    }
    default:
      return rpc::FieldError(field, "needs one of tcp_port, http, command");
  }
}

absl::StatusOr<absl::Duration> ReadTimeout(const std::string& field, const v1::WaveGroupOrder& in) {
  if (!in.has_check_timeout()) return kDefaultCheckTimeout;
  const google::protobuf::Duration& given = in.check_timeout();
  // Checked before it is turned: a duration may be malformed.
  const bool sane = given.seconds() >= 0 && given.seconds() <= 1'000'000 && given.nanos() >= 0 &&
                    given.nanos() < 1'000'000'000;
  const absl::Duration timeout = sane ? GetDuration(given) : absl::ZeroDuration();
  if (timeout >= absl::Seconds(1) && timeout <= kMostCheckTimeout) return timeout;
  return rpc::FieldError(absl::StrCat(field, ".check_timeout"), "must be 1 s to 2 h");
}

absl::StatusOr<GroupRequest> ReadGroup(const std::string& field, WaveKind kind,
                                       const v1::WaveGroupOrder& in) {
  GroupRequest out;
  ASSIGN_OR_RETURN(out.wish.id,
                   ApplicationId(absl::StrCat(field, ".application"), in.application()));
  RETURN_IF_ERROR(InRange(absl::StrCat(field, ".order"), in.order(), 0, kMostGroupOrder));
  out.wish.order = in.order();
  out.wish.ordered = in.order() != 0;
  RETURN_IF_ERROR(
      InRange(absl::StrCat(field, ".after (count)"), in.after_size(), 0, kMostWaveGroups));
  for (int i = 0; i < in.after_size(); ++i) {
    ASSIGN_OR_RETURN(std::string id,
                     ApplicationId(absl::StrCat(field, ".after[", i, "]"), in.after(i)));
    out.wish.after.push_back(std::move(id));
  }
  out.needs_approval = in.needs_approval();
  RETURN_IF_ERROR(
      InRange(absl::StrCat(field, ".checks (count)"), in.checks_size(), 0, kMostGateChecks));
  if (in.checks_size() != 0 && !Launches(kind)) {
    return rpc::FieldError(absl::StrCat(field, ".checks"), "are for TEST and CUTOVER only");
  }
  for (int i = 0; i < in.checks_size(); ++i) {
    ASSIGN_OR_RETURN(WaveCheck check,
                     ReadCheck(absl::StrCat(field, ".checks[", i, "]"), in.checks(i)));
    out.checks.push_back(std::move(check));
  }
  ASSIGN_OR_RETURN(out.check_timeout, ReadTimeout(field, in));
  return out;
}

absl::StatusOr<WaveOptions> ReadOptions(WaveKind kind, const v1::WaveRunOptions& in) {
  RETURN_IF_ERROR(
      InRange("options.max_parallel_servers", in.max_parallel_servers(), 0, kMostParallelServers));
  RETURN_IF_ERROR(InRange("options.max_machines", in.max_machines(), 0, kMostParallelServers));
  RETURN_IF_ERROR(InRange("options.stop_after_failed_count", in.stop_after_failed_count(), 0,
                          kMostWaveServers));
  if (in.remove_test_machines() && kind != WaveKind::kTest) {
    return rpc::FieldError("options.remove_test_machines", "is for TEST only");
  }
  if (in.max_machines() != 0 && !in.remove_test_machines()) {
    return rpc::FieldError("options.max_machines",
                           "needs remove_test_machines: machines that stay never make room");
  }
  if (in.keep_agent() && kind != WaveKind::kFinalize) {
    return rpc::FieldError("options.keep_agent", "is for FINALIZE only");
  }
  WaveOptions out{.max_machines = in.max_machines(),
                  .remove_test_machines = in.remove_test_machines(),
                  .keep_agent = in.keep_agent()};
  if (in.max_parallel_servers() != 0) out.max_parallel_servers = in.max_parallel_servers();
  if (in.stop_after_failed_count() != 0) out.stop_after_failed = in.stop_after_failed_count();
  return out;
}

}  // namespace

absl::StatusOr<WaveRequest> ReadWaveRequest(const std::string& wave, v1::WaveRun::Kind kind,
                                            const v1::WaveRunOptions& options) {
  WaveRequest out{.approve_each_group = options.approve_each_group(),
                  .skip_blocked = options.skip_blocked()};
  ASSIGN_OR_RETURN(out.wave, NameOf("wave", "waves", "wave-", wave));
  if (kind < v1::WaveRun::TEST || kind > v1::WaveRun::FINALIZE) {
    return rpc::FieldError("kind", "must be TEST, MARK_READY, CUTOVER or FINALIZE");
  }
  out.kind = static_cast<WaveKind>(kind);
  ASSIGN_OR_RETURN(out.options, ReadOptions(out.kind, options));
  RETURN_IF_ERROR(InRange("options.groups (count)", options.groups_size(), 0, kMostWaveGroups));
  std::set<std::string> seen;
  for (int i = 0; i < options.groups_size(); ++i) {
    const std::string field = absl::StrCat("options.groups[", i, "]");
    ASSIGN_OR_RETURN(GroupRequest group, ReadGroup(field, out.kind, options.groups(i)));
    if (!seen.insert(group.wish.id).second) {
      return rpc::FieldError(absl::StrCat(field, ".application"), "is named twice");
    }
    out.groups.push_back(std::move(group));
  }
  return out;
}

std::string FingerprintOf(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  if (const auto* field = copy->GetDescriptor()->FindFieldByName("request_id")) {
    copy->GetReflection()->ClearField(copy.get(), field);
  }
  // No maps in these messages: equal ones have equal bytes.
  const std::string text =
      absl::StrCat(copy->GetDescriptor()->full_name(), "\n", copy->SerializeAsString());
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

absl::StatusOr<std::string> ReadWaveRunName(const std::string& name) {
  return NameOf("name", "waveRuns", "wr-", name);
}

absl::StatusOr<std::optional<std::int64_t>> ReadWaveEtag(const std::string& etag) {
  if (etag.empty()) return std::optional<std::int64_t>();
  std::int64_t version = 0;
  if (!absl::SimpleAtoi(etag, &version)) return rpc::FieldError("etag", "is not one of a wave run");
  return std::optional<std::int64_t>(version);
}

absl::StatusOr<WaveRunFilter> ReadWaveList(const v1::ListWaveRunsRequest& request) {
  WaveRunFilter filter{.active_only = request.active_only()};
  ASSIGN_OR_RETURN(filter.limit, ReadPageSize(request.page_size()));
  ASSIGN_OR_RETURN(filter.before, ReadPageToken(request.page_token()));
  if (!request.wave().empty()) {
    ASSIGN_OR_RETURN(filter.wave, NameOf("wave", "waves", "wave-", request.wave()));
  }
  return filter;
}

}  // namespace godwit::jobs
