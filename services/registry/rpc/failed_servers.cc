#include "services/registry/rpc/failed_servers.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

namespace godwit::registry {

absl::Status NameFailedServers(OutboxSender& sender, godwit::jobs::v1::Job::Type type,
                               godwit::registry::v1::StartLaunchRequest* request) {
  if (request->names_size() != 0) {
    return rpc::FieldError("failed_of", "is given in place of names; leave one of them out");
  }
  RETURN_IF_ERROR(ParseName("failed_of", "jobs", "job-", request->failed_of()).status());
  ASSIGN_OR_RETURN(const std::string bytes, sender.FetchJob(request->failed_of()));
  godwit::jobs::v1::Job job;
  if (!job.ParseFromString(bytes)) return absl::InternalError("the job cannot be read");
  if (job.type() != type) {
    return rpc::FieldError(
        "failed_of",
        absl::StrCat("is a job of kind ", godwit::jobs::v1::Job::Type_Name(job.type()),
                     "; this call makes jobs of kind ", godwit::jobs::v1::Job::Type_Name(type)));
  }
  for (const auto& server : job.servers()) {
    if (server.has_error()) *request->add_names() = server.source_server();
  }
  if (request->names_size() != 0) return absl::OkStatus();
  return rpc::WithInfo(
      absl::FailedPreconditionError(absl::StrCat(request->failed_of(), ": none of its ",
                                                 job.servers_size(), " servers has failed")),
      {.reason = "NOTHING_FAILED",
       .domain = "registry",
       .metadata = {{"job", request->failed_of()}}});
}

}  // namespace godwit::registry
