#include "services/registry/rpc/properties_rules.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/fields.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::registry::v1;

constexpr int kMaxDisks = 50;
constexpr int kMaxInterfaces = 64;
constexpr int kMaxCpus = 1024;
constexpr int kMaxAddresses = 64;
constexpr std::size_t kMaxText = 512;
// Of sources that do not say what they have.
constexpr double kMostCores = 1e5;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 50;
constexpr std::int64_t kMostSamples = 10'000'000;
constexpr std::int64_t kLastSecond = 253402300799;

absl::Status CheckCount(absl::string_view field, int count, int most) {
  if (count <= most) return absl::OkStatus();
  return rpc::FieldError(field, absl::StrCat("has ", count, " entries; at most ", most));
}

absl::Status CheckDisk(const std::string& field, const pb::Disk& disk, DiskIds disk_ids) {
  const bool may_lack_id = disk_ids == DiskIds::kOptional && disk.disk_id().empty();
  if (const absl::Status id = CheckId("disk_id", "d-", disk.disk_id()); !id.ok() && !may_lack_id) {
    return rpc::FieldError(absl::StrCat(field, ".disk_id"), id.message());
  }
  RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".device_name"), disk.device_name(), 1, 255));
  if (disk.size_bytes() <= 0) {
    return rpc::FieldError(absl::StrCat(field, ".size_bytes"), "must be positive");
  }
  const int block = disk.logical_block_size();
  if (block != 0 && (block < 512 || block > 65536 || (block & (block - 1)) != 0)) {
    return rpc::FieldError(absl::StrCat(field, ".logical_block_size"),
                           "must be a power of two from 512 to 65536");
  }
  RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".identity"), disk.identity(), 0, kMaxText));
  RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".model"), disk.model(), 0, kMaxText));
  return CheckText(absl::StrCat(field, ".tracker"), disk.tracker(), 0, kMaxText);
}

absl::Status CheckDisks(const pb::SourceProperties& properties, DiskIds disk_ids) {
  RETURN_IF_ERROR(CheckCount("properties.disks", properties.disks_size(), kMaxDisks));
  std::set<std::string> ids;
  for (int i = 0; i < properties.disks_size(); ++i) {
    const std::string field = absl::StrCat("properties.disks[", i, "]");
    RETURN_IF_ERROR(CheckDisk(field, properties.disks(i), disk_ids));
    if (!properties.disks(i).disk_id().empty() &&
        !ids.insert(properties.disks(i).disk_id()).second) {
      return rpc::FieldError(absl::StrCat(field, ".disk_id"), "appears twice");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInterfaces(const pb::SourceProperties& properties) {
  RETURN_IF_ERROR(CheckCount("properties.network_interfaces", properties.network_interfaces_size(),
                             kMaxInterfaces));
  for (int i = 0; i < properties.network_interfaces_size(); ++i) {
    const pb::NetworkInterface& nic = properties.network_interfaces(i);
    const std::string field = absl::StrCat("properties.network_interfaces[", i, "]");
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".name"), nic.name(), 1, 64));
    RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".mac_address"), nic.mac_address(), 0, 64));
    RETURN_IF_ERROR(
        CheckCount(absl::StrCat(field, ".addresses"), nic.addresses_size(), kMaxAddresses));
    for (const std::string& address : nic.addresses()) {
      RETURN_IF_ERROR(CheckText(absl::StrCat(field, ".addresses"), address, 1, 64));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOs(const pb::OperatingSystem& os) {
  if (!os.family().empty() && os.family() != "linux" && os.family() != "windows") {
    return rpc::FieldError("properties.os.family", "must be \"linux\" or \"windows\"");
  }
  RETURN_IF_ERROR(CheckText("properties.os.full_string", os.full_string(), 0, kMaxText));
  RETURN_IF_ERROR(CheckText("properties.os.id", os.id(), 0, 64));
  RETURN_IF_ERROR(CheckText("properties.os.version_id", os.version_id(), 0, 64));
  RETURN_IF_ERROR(CheckText("properties.os.kernel", os.kernel(), 0, 256));
  return CheckText("properties.os.architecture", os.architecture(), 0, 64);
}

// Comparisons are such that NaN is refused.
absl::Status CheckUse(const pb::SourceProperties& properties) {
  const pb::MeasuredUse& use = properties.use();
  const std::string prefix = "properties.use.";
  std::int64_t cores = 0;
  for (const pb::Cpu& cpu : properties.cpus()) cores += cpu.core_count();
  const double most_cores = cores > 0 ? static_cast<double>(cores) : kMostCores;
  const std::int64_t most_bytes = properties.ram_bytes() > 0 ? properties.ram_bytes() : kMostBytes;
  if (!use.has_start_time()) return rpc::FieldError(prefix + "start_time", "is required");
  if (!use.has_end_time() || use.end_time().seconds() < use.start_time().seconds())
    return rpc::FieldError(prefix + "end_time", "must be there and not before start_time");
  const std::pair<const char*, const google::protobuf::Timestamp&> times[] = {
      {"start_time", use.start_time()}, {"end_time", use.end_time()}};
  for (const auto& [field, time] : times) {
    if (time.seconds() < 0 || time.seconds() > kLastSecond || time.nanos() < 0 ||
        time.nanos() > 999'999'999)
      return rpc::FieldError(prefix + field, "is no time of 1970 to 9999");
  }
  if (use.sample_count() < 1 || use.sample_count() > kMostSamples)
    return rpc::FieldError(prefix + "sample_count", "must be 1 to 10000000");
  const std::pair<const char*, double> amounts[] = {{"peak_cores", use.peak_cores()},
                                                    {"p95_cores", use.p95_cores()},
                                                    {"mean_cores", use.mean_cores()}};
  for (const auto& [field, value] : amounts) {
    if (!(value >= 0 && value <= std::min(most_cores, use.peak_cores())))
      return rpc::FieldError(prefix + field, "must be 0 to peak_cores and the source's cores");
  }
  const std::pair<const char*, std::int64_t> bytes[] = {
      {"peak_memory_bytes", use.peak_memory_bytes()}, {"p95_memory_bytes", use.p95_memory_bytes()}};
  for (const auto& [field, value] : bytes) {
    if (value < 0 || value > std::min(most_bytes, use.peak_memory_bytes()))
      return rpc::FieldError(prefix + field, "must be 0 to peak_memory_bytes and ram_bytes");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckProperties(const pb::SourceProperties& properties, DiskIds disk_ids) {
  RETURN_IF_ERROR(CheckText("properties.hostname", properties.hostname(), 1, 255));
  RETURN_IF_ERROR(CheckText("properties.fqdn", properties.fqdn(), 0, 255));
  RETURN_IF_ERROR(CheckOs(properties.os()));
  RETURN_IF_ERROR(CheckDisks(properties, disk_ids));
  RETURN_IF_ERROR(CheckInterfaces(properties));
  RETURN_IF_ERROR(CheckCount("properties.cpus", properties.cpus_size(), kMaxCpus));
  for (const pb::Cpu& cpu : properties.cpus()) {
    RETURN_IF_ERROR(CheckText("properties.cpus.model_name", cpu.model_name(), 0, 256));
    if (cpu.core_count() < 0) {
      return rpc::FieldError("properties.cpus.core_count", "is negative");
    }
  }
  if (properties.ram_bytes() < 0) return rpc::FieldError("properties.ram_bytes", "is negative");
  if (properties.has_use()) RETURN_IF_ERROR(CheckUse(properties));
  const std::string& boot = properties.boot_mode();
  if (!boot.empty() && boot != "BIOS" && boot != "UEFI") {
    return rpc::FieldError("properties.boot_mode", "must be \"BIOS\" or \"UEFI\"");
  }
  RETURN_IF_ERROR(CheckText("properties.agent_version", properties.agent_version(), 0, 128));
  RETURN_IF_ERROR(CheckText("properties.platform", properties.platform(), 0, kMaxText));
  return CheckText("properties.machine_uuid", properties.machine_uuid(), 0, 128);
}

}  // namespace godwit::registry
