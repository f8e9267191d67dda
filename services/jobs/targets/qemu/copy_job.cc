#include "services/jobs/targets/qemu/copy_job.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr absl::Duration kCommandTimeout = absl::Seconds(30);

// The state of the job, "running", "pending"...; empty: there is none.
absl::StatusOr<std::string> StateOf(Qmp& qmp, const std::string& id) {
  ASSIGN_OR_RETURN(const std::string text, qmp.Execute("query-block-jobs", "", kCommandTimeout));
  const json jobs = json::parse(text, nullptr, false);
  if (!jobs.is_array()) return absl::InternalError("QMP: query-block-jobs gave no list");
  for (const json& job : jobs) {
    if (job.is_object() && job.value("device", "") == id) return job.value("status", "running");
  }
  return "";
}

}  // namespace

absl::Status BeginCopy(Qmp& qmp, const std::string& node, const std::string& id) {
  ASSIGN_OR_RETURN(const std::string state, StateOf(qmp, id));
  if (!state.empty()) return absl::OkStatus();
  const json arguments = {{"job-id", id}, {"device", node}, {"auto-finalize", false}};
  return qmp.Execute("block-stream", arguments.dump(), kCommandTimeout).status();
}

absl::StatusOr<bool> CopyEnded(Qmp& qmp, const std::string& node, const std::string& id) {
  ASSIGN_OR_RETURN(const std::string state, StateOf(qmp, id));
  if (state != "pending") return state.empty();
  ASSIGN_OR_RETURN(const std::string said,
                   qmp.Monitor(absl::StrCat("qemu-io ", node, " flush"), kCommandTimeout));
  if (said.find_first_not_of(" \r\n") != std::string::npos)
    return absl::InternalError(absl::StrCat("flushing ", node, " in QEMU: ", said));
  RETURN_IF_ERROR(qmp.Execute("job-finalize", json{{"id", id}}.dump(), kCommandTimeout).status());
  return false;
}

}  // namespace godwit::jobs
