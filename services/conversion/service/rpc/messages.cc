#include "services/conversion/service/rpc/messages.h"

#include <google/protobuf/util/time_util.h>
#include <openssl/sha.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/conversion/service/domain/profiles.h"

namespace godwit::conversion {
using google::protobuf::util::TimeUtil;

namespace {

constexpr absl::Duration kDefaultTimeout = absl::Minutes(15);
constexpr absl::Duration kMaxTimeout = absl::Hours(4);
constexpr int kMaxDisks = 50;
constexpr int kMaxNics = 64;
constexpr std::size_t kMaxPath = 4000;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxResult = std::size_t{3} << 20;
constexpr std::size_t kMaxConsole = 64 * 1024;
constexpr std::size_t kMaxDiff = std::size_t{1} << 20;
constexpr int kMaxPackages = 500;

absl::Status CheckDisk(const std::string& field, const replication::v1::CloneDisk& disk) {
  RETURN_IF_ERROR(CheckId(field + ".disk_id", "d-", disk.disk_id()));
  if (!absl::StartsWith(disk.path(), "/") || disk.path().size() > kMaxPath ||
      absl::StrContains(absl::StrCat(disk.path(), "/"), "/../")) {
    return rpc::FieldError(field + ".path", "an absolute path without \"..\", at most 4000 bytes");
  }
  if (!absl::StartsWith(disk.device_name(), "/dev/") || disk.device_name().size() > kMaxName) {
    return rpc::FieldError(field + ".device_name",
                           "the source's kernel name, for example /dev/sda");
  }
  return absl::OkStatus();
}

absl::Status CheckMac(const std::string& field, const std::string& mac) {
  bool good = mac.size() == 17;
  for (std::size_t i = 0; good && i < mac.size(); ++i) {
    good = i % 3 == 2 ? mac[i] == ':' : isxdigit(static_cast<unsigned char>(mac[i])) != 0;
  }
  return good ? absl::OkStatus()
              : rpc::FieldError(field, "a MAC address, for example 52:54:00:12:34:56");
}

absl::Status CheckNic(const std::string& field, const v1::TargetNic& nic) {
  RETURN_IF_ERROR(CheckMac(field + ".mac_address", nic.mac_address()));
  if (!nic.source_mac_address().empty()) {
    RETURN_IF_ERROR(CheckMac(field + ".source_mac_address", nic.source_mac_address()));
  }
  for (const char c : nic.source_name()) {
    if (!isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("._-", std::string(1, c))) {
      return rpc::FieldError(field + ".source_name", "letters, digits, '.', '_' and '-' only");
    }
  }
  if (nic.source_name().size() > 15)
    return rpc::FieldError(field + ".source_name", "at most 15 characters");
  if (nic.static_address().size() > kMaxName)
    return rpc::FieldError(field + ".static_address", "too long");
  if (nic.gateway().size() > kMaxName) return rpc::FieldError(field + ".gateway", "too long");
  if (nic.reset_to_dhcp() && !nic.static_address().empty())
    return rpc::FieldError(field + ".reset_to_dhcp", "not together with static_address");
  return absl::OkStatus();
}

void ClearProfile(v1::TargetDescription* target) {
  target->clear_disk_bus();
  target->clear_nic_model();
  target->clear_firmware();
  target->clear_linux_modules();
  target->clear_kernel_arguments();
  target->clear_windows_services();
  target->clear_hypervisor();
}

void FillProfile(const Profile& profile, v1::TargetDescription* target) {
  target->set_disk_bus(profile.disk_bus);
  target->set_nic_model(profile.nic_model);
  for (const std::string& word : profile.firmware) target->add_firmware(word);
  for (const std::string& word : profile.linux_modules) target->add_linux_modules(word);
  for (const std::string& word : profile.kernel_arguments) target->add_kernel_arguments(word);
  for (const std::string& word : profile.windows_services) target->add_windows_services(word);
  target->set_hypervisor(profile.hypervisor);
}

}  // namespace

v1::Profile ToMessage(const Profile& profile) {
  v1::Profile out;
  out.set_name(profile.name);
  out.set_description(profile.description);
  out.set_disk_bus(profile.disk_bus);
  out.set_nic_model(profile.nic_model);
  for (const std::string& word : profile.firmware) out.add_firmware(word);
  out.set_hypervisor(profile.hypervisor);
  for (const std::string& word : profile.linux_modules) out.add_linux_modules(word);
  for (const std::string& word : profile.windows_services) out.add_windows_services(word);
  for (const std::string& word : profile.kernel_arguments) out.add_kernel_arguments(word);
  out.set_notes(profile.notes);
  for (const std::string& word : profile.aliases) out.add_aliases(word);
  out.set_source(profile.source);
  return out;
}

std::string Printable(const std::string& text, std::size_t limit) {
  std::string out = text.substr(0, limit);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80 || static_cast<unsigned char>(c) < 0x20) c = '?';
  }
  return out;
}

absl::StatusOr<std::string> TaskId(const std::string& field, const std::string& name) {
  return ParseName(field, "conversionTasks", "ct-", name);
}

absl::StatusOr<NewTask> ToNewTask(const v1::CreateTaskRequest& request,
                                  const std::string& requester, const Profiles& profiles) {
  RETURN_IF_ERROR(CheckUuid("request_id", request.request_id()));
  if (request.disks_size() < 1 || request.disks_size() > kMaxDisks) {
    return rpc::FieldError("disks", "1 to 50 are needed, boot disk first");
  }
  std::set<std::string> paths;
  for (int i = 0; i < request.disks_size(); ++i) {
    const std::string field = absl::StrCat("disks[", i, "]");
    RETURN_IF_ERROR(CheckDisk(field, request.disks(i)));
    if (!paths.insert(request.disks(i).path()).second)
      return rpc::FieldError(field + ".path", "appears twice");
  }
  if (!request.has_target()) return rpc::FieldError("target", "is required");
  const Profile* const profile = profiles.Find(request.target().profile());
  if (profile == nullptr) {
    return rpc::FieldError(
        "target.profile",
        absl::StrCat("no profile \"", request.target().profile(), "\"; ListProfiles has them"));
  }
  if (request.target().nics_size() > kMaxNics) return rpc::FieldError("target.nics", "at most 64");
  for (int i = 0; i < request.target().nics_size(); ++i) {
    RETURN_IF_ERROR(CheckNic(absl::StrCat("target.nics[", i, "]"), request.target().nics(i)));
  }
  if (request.target().has_regenerate_timeout() &&
      (request.target().regenerate_timeout().seconds() < 1 ||
       request.target().regenerate_timeout().seconds() > 3600)) {
    return rpc::FieldError("target.regenerate_timeout", "1 s to 1 h");
  }
  NewTask task{
      .request_id = request.request_id(), .requester = requester, .timeout = kDefaultTimeout};
  switch (request.mode()) {
    case v1::ConversionTask::MODE_UNSPECIFIED:
    case v1::ConversionTask::APPEND:
      task.mode = TaskMode::kAppend;
      break;
    case v1::ConversionTask::PREFLIGHT:
      task.mode = TaskMode::kPreflight;
      break;
    case v1::ConversionTask::DIFF:
      task.mode = TaskMode::kDiff;
      break;
    case v1::ConversionTask::UNDO:
      task.mode = TaskMode::kUndo;
      break;
    case v1::ConversionTask::REGENERATE:
      task.mode = TaskMode::kRegenerate;
      break;
    default:
      return rpc::FieldError("mode", "unknown mode");
  }
  if (request.has_timeout()) {
    task.timeout = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(request.timeout()));
    if (task.timeout < absl::Seconds(10) || task.timeout > kMaxTimeout) {
      return rpc::FieldError("timeout", "10 s to 4 h");
    }
  }
  v1::ConversionTask input;
  *input.mutable_disks() = request.disks();
  *input.mutable_target() = request.target();
  if (request.unfinished() && task.mode != TaskMode::kPreflight)
    return rpc::FieldError("unfinished", "only with mode PREFLIGHT");
  input.set_unfinished(request.unfinished());
  input.mutable_target()->set_profile(profile->name);
  ClearProfile(input.mutable_target());
  // A profile that changes between two calls makes no other request of the same one.
  const std::string whole =
      absl::StrCat(static_cast<int>(task.mode), "/", absl::ToInt64Milliseconds(task.timeout), "/",
                   input.SerializeAsString());
  FillProfile(*profile, input.mutable_target());
  task.input = input.SerializeAsString();
  task.fingerprint.resize(SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(whole.data()), whole.size(),
         reinterpret_cast<unsigned char*>(task.fingerprint.data()));
  return task;
}

v1::ConversionTask ToMessage(const Task& task, bool whole) {
  v1::ConversionTask message;
  message.ParseFromString(task.input);
  // Output fields that a worker reported; scalars of it replace nothing that is set below.
  if (!task.result.empty()) {
    v1::ConversionTask result;
    if (result.ParseFromString(task.result)) message.MergeFrom(result);
  }
  if (!whole) {
    message.clear_changes();
    message.clear_console_tail();
    message.clear_appliance_packages();
    message.clear_diff();
    message.clear_scripts();
  }
  message.set_name(absl::StrCat("conversionTasks/", task.id));
  message.set_state(static_cast<v1::ConversionTask::State>(task.state));
  message.set_mode(static_cast<v1::ConversionTask::Mode>(task.mode));
  message.set_attempt_count(task.attempt_count);
  message.set_progress_message(task.message);
  message.set_worker(task.worker);
  if (!task.error.ok()) {
    message.mutable_error()->set_code(static_cast<int>(task.error.code()));
    message.mutable_error()->set_message(std::string(task.error.message()));
  }
  const auto time = [](absl::Time at) {
    return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(at));
  };
  *message.mutable_create_time() = time(task.create_time);
  if (task.start_time) *message.mutable_start_time() = time(*task.start_time);
  if (task.end_time) *message.mutable_end_time() = time(*task.end_time);
  return message;
}

absl::StatusOr<std::string> ToResult(const v1::ConversionTask& reported) {
  v1::ConversionTask result;
  *result.mutable_inspection() = reported.inspection();
  *result.mutable_changes() = reported.changes();
  *result.mutable_findings() = reported.findings();
  *result.mutable_hints() = reported.hints();
  const std::string& console = reported.console_tail();
  result.set_console_tail(
      console.size() > kMaxConsole ? console.substr(console.size() - kMaxConsole) : console);
  result.set_appliance_version(reported.appliance_version().substr(0, kMaxName));
  for (const std::string& package : reported.appliance_packages()) {
    if (result.appliance_packages_size() == kMaxPackages) break;
    result.add_appliance_packages(Printable(package, kMaxName));
  }
  result.set_diff(reported.diff().substr(0, kMaxDiff));
  *result.mutable_scripts() = reported.scripts();
  if (result.ByteSizeLong() > kMaxResult) return rpc::FieldError("result", "larger than 3 MiB");
  return result.SerializeAsString();
}

}  // namespace godwit::conversion
