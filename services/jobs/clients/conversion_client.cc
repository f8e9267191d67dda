#include "services/jobs/clients/conversion_client.h"

#include "absl/strings/str_cat.h"
#include "services/jobs/clients/call.h"
#include "services/jobs/rpc/messages.h"

namespace godwit::jobs {
namespace {

namespace api = conversion::v1;

constexpr int kMostWarnings = 50;

absl::Status ErrorOf(const api::ConversionTask& task) {
  const auto code = static_cast<absl::StatusCode>(task.error().code());
  const std::string& text = task.error().message();
  if (code == absl::StatusCode::kOk) {
    return absl::UnknownError(text.empty() ? "the conversion failed and does not say why" : text);
  }
  return absl::Status(code, text);
}

absl::StatusOr<ConversionProgress> ToProgress(const api::ConversionTask& task) {
  using State = ConversionProgress::State;
  if (task.name().empty()) return absl::InternalError("conversion: name: missing in task");
  ConversionProgress out{.name = task.name(),
                         .change_count = task.changes_size(),
                         .firmware = task.hints().firmware(),
                         .disk_bus = task.hints().disk_bus(),
                         .nic_model = task.hints().nic_model()};
  for (const api::Finding& finding : task.findings()) {
    if (finding.severity() < api::Finding::WARNING) continue;
    if (static_cast<int>(out.warnings.size()) == kMostWarnings) break;
    out.warnings.push_back(absl::StrCat(finding.reason(), ": ", finding.message()));
  }
  switch (task.state()) {
    case api::ConversionTask::PENDING:
      out.state = State::kPending;
      return out;
    case api::ConversionTask::RUNNING:
      out.state = State::kRunning;
      return out;
    case api::ConversionTask::SUCCEEDED:
      out.state = State::kSucceeded;
      return out;
    case api::ConversionTask::FAILED:
      out.state = State::kFailed;
      out.error = ErrorOf(task);
      return out;
    case api::ConversionTask::CANCELLED:
      out.state = State::kCancelled;
      return out;
    default:
      return absl::InternalError("conversion: state: unknown state of a task");
  }
}

}  // namespace

absl::StatusOr<ConversionProgress> ConversionClient::CreateTask(const ConversionOrder& order) {
  api::CreateTaskRequest request;
  request.set_request_id(order.request_id);
  for (const CloneDisk& disk : order.disks) {
    replication::v1::CloneDisk* out = request.add_disks();
    out->set_disk_id(disk.disk_id);
    out->set_device_name(disk.device_name);
    out->set_size_bytes(disk.size_bytes);
    out->set_is_boot_disk(disk.is_boot_disk);
    out->set_path(disk.path);
  }
  request.mutable_target()->set_profile(order.profile);
  request.mutable_target()->set_boot_mode(
      static_cast<v1::LaunchSettings::BootMode>(order.boot_mode));
  request.mutable_target()->set_windows_allow_unclean(order.windows_allow_unclean);
  for (const ConversionNic& nic : order.nics) {
    api::TargetNic* out = request.mutable_target()->add_nics();
    out->set_mac_address(nic.mac_address);
    out->set_source_mac_address(nic.source_mac_address);
    out->set_source_name(nic.source_name);
    out->set_static_address(nic.static_address);
    out->set_gateway(nic.gateway);
  }
  SetDuration(order.timeout, request.mutable_timeout());
  if (order.preflight) request.set_mode(api::ConversionTask::PREFLIGHT);
  request.set_unfinished(order.unfinished);
  api::ConversionTask answer;
  RETURN_IF_ERROR(CallPeer("conversion.CreateTask", [&](grpc::ClientContext& context) {
    return stub_->CreateTask(&context, request, &answer);
  }));
  return ToProgress(answer);
}

absl::StatusOr<ConversionProgress> ConversionClient::GetTask(const std::string& name) {
  api::GetTaskRequest request;
  request.set_name(name);
  api::ConversionTask answer;
  RETURN_IF_ERROR(CallPeer("conversion.GetTask", [&](grpc::ClientContext& context) {
    return stub_->GetTask(&context, request, &answer);
  }));
  return ToProgress(answer);
}

absl::StatusOr<ConversionProgress> ConversionClient::CancelTask(const std::string& name) {
  api::CancelTaskRequest request;
  request.set_name(name);
  api::ConversionTask answer;
  RETURN_IF_ERROR(CallPeer("conversion.CancelTask", [&](grpc::ClientContext& context) {
    return stub_->CancelTask(&context, request, &answer);
  }));
  return ToProgress(answer);
}

}  // namespace godwit::jobs
