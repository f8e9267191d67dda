#include "services/jobs/rpc/requests.h"

#include <openssl/sha.h>

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/jobs/storage/codec.h"

namespace godwit::jobs {
namespace {

constexpr int kMostMachines = 100;
constexpr std::size_t kMostPrincipal = 256;
constexpr std::size_t kMostProfile = 64;

// "sourceServers/s-.../points/p-..." of this server.
absl::Status CheckPoint(absl::string_view field, const std::string& point,
                        const std::string& server) {
  if (point.empty()) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(point, '/');
  if (parts.size() != 4 || parts[0] != "sourceServers" || parts[1] != server ||
      parts[2] != "points" || !CheckId(field, "p-", parts[3]).ok()) {
    return rpc::FieldError(field, "must be a point of this server");
  }
  return absl::OkStatus();
}

absl::StatusOr<RunInput> ReadServer(const std::string& field, JobType type, const v1::JobServer& in,
                                    std::vector<std::string>* warnings) {
  RunInput out;
  ASSIGN_OR_RETURN(out.server, ParseName(absl::StrCat(field, ".source_server"), "sourceServers",
                                         "s-", in.source_server()));
  if (IsLaunch(type)) {
    if (!in.has_launch_settings()) {
      return rpc::FieldError(absl::StrCat(field, ".launch_settings"), "is required for launches");
    }
    ASSIGN_OR_RETURN(out.settings, ReadSettings(absl::StrCat(field, ".launch_settings"),
                                                in.launch_settings(), warnings));
  }
  RETURN_IF_ERROR(CheckPoint(absl::StrCat(field, ".point"), in.point(), out.server));
  out.point = in.point();
  if (in.machines_size() > kMostMachines) {
    return rpc::FieldError(absl::StrCat(field, ".machines"), "at most 100");
  }
  for (const v1::LaunchedMachine& machine : in.machines()) {
    RETURN_IF_ERROR(
        CheckId(absl::StrCat(field, ".machines.machine_id"), "i-", machine.machine_id()));
    out.machines.push_back(machine.machine_id());
  }
  out.hostname = Clean(in.hostname(), 255);
  return out;
}

// What makes two requests the same.
std::string Fingerprint(const NewJob& job, const std::string& wanted_id) {
  std::string text = absl::StrCat(static_cast<int>(job.type), "\n", wanted_id, "\n");
  for (const RunInput& server : job.servers) absl::StrAppend(&text, InputToJson(server), "\n");
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

}  // namespace

absl::StatusOr<NewJob> ReadCreate(const v1::CreateJobRequest& request) {
  NewJob job{.plan_version = kPlanVersion};
  RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  job.request_id = request.request_id();
  if (request.type() < v1::Job::TEST_LAUNCH || request.type() > v1::Job::CLEAN_UP) {
    return rpc::FieldError("type", "must be TEST_LAUNCH, CUTOVER_LAUNCH, TERMINATE or CLEAN_UP");
  }
  job.type = static_cast<JobType>(request.type());
  if (!request.job_id().empty()) {
    RETURN_IF_ERROR(CheckId("job_id", "job-", request.job_id()));
  }
  // Follows from the request, so that a repeated one finds the same.
  job.job_id =
      request.job_id().empty() ? DerivedId("job-", request.request_id()) : request.job_id();
  if (request.initiated_by().size() > kMostPrincipal) {
    return rpc::FieldError("initiated_by", "at most 256 bytes");
  }
  job.initiated_by = request.initiated_by();
  if (request.servers_size() < 1 || request.servers_size() > kMostServersOfJob) {
    return rpc::FieldError("servers", "must be 1 to 200");
  }
  std::set<std::string> seen;
  for (int i = 0; i < request.servers_size(); ++i) {
    const std::string field = absl::StrCat("servers[", i, "]");
    ASSIGN_OR_RETURN(RunInput server,
                     ReadServer(field, job.type, request.servers(i), &job.warnings));
    if (!seen.insert(server.server).second) {
      return rpc::FieldError(absl::StrCat(field, ".source_server"), "named twice");
    }
    job.servers.push_back(std::move(server));
  }
  job.request_hash = Fingerprint(job, request.job_id());
  return job;
}

absl::StatusOr<NewJob> ReadPreflight(const v1::StartPreflightRequest& request) {
  NewJob job{.type = JobType::kPreflight, .plan_version = kPlanVersion};
  RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  job.request_id = request.request_id();
  job.job_id = DerivedId("job-", request.request_id());
  RunInput server;
  ASSIGN_OR_RETURN(server.server,
                   ParseName("source_server", "sourceServers", "s-", request.source_server()));
  if (request.profile().size() > kMostProfile)
    return rpc::FieldError("profile", "at most 64 characters");
  server.settings.profile = request.profile();
  if (!v1::LaunchSettings::BootMode_IsValid(request.boot_mode()))
    return rpc::FieldError("boot_mode", "unknown");
  if (request.boot_mode() != v1::LaunchSettings::BOOT_MODE_UNSPECIFIED)
    server.settings.boot_mode = static_cast<BootMode>(request.boot_mode());
  server.settings.windows_allow_unclean = request.windows_allow_unclean();
  job.servers.push_back(std::move(server));
  job.request_hash = Fingerprint(job, "");
  return job;
}

absl::StatusOr<int> ReadPageSize(std::int32_t page_size) {
  if (page_size < 0 || page_size > 500) {
    return rpc::FieldError("page_size", "must be 0 to 500");
  }
  return page_size == 0 ? 50 : page_size;
}

absl::StatusOr<std::int64_t> ReadPageToken(const std::string& token) {
  std::int64_t value = 0;
  if (!token.empty() && (!absl::SimpleAtoi(token, &value) || value <= 0)) {
    return rpc::FieldError("page_token", "is not from a previous answer");
  }
  return value;
}

absl::StatusOr<JobFilter> ReadList(const v1::ListJobsRequest& request) {
  JobFilter filter{.active_only = request.active_only()};
  ASSIGN_OR_RETURN(filter.limit, ReadPageSize(request.page_size()));
  ASSIGN_OR_RETURN(filter.before, ReadPageToken(request.page_token()));
  if (!request.source_server().empty()) {
    ASSIGN_OR_RETURN(filter.server,
                     ParseName("source_server", "sourceServers", "s-", request.source_server()));
  }
  return filter;
}

}  // namespace godwit::jobs
