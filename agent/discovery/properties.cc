#include "agent/discovery/properties.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"

namespace godwit::agent {
namespace pb = ::godwit::registry::v1;
namespace {

constexpr int kMaxInterfaces = 64;

std::string ReadLine(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, 4096);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

void AddOs(pb::OperatingSystem* os) {
  os->set_family("linux");
  std::map<std::string, std::string> values;
  const absl::StatusOr<std::string> text = ReadFile("/etc/os-release", 65536);
  if (text.ok()) {
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      const std::vector<std::string> pair = absl::StrSplit(line, absl::MaxSplits('=', 1));
      if (pair.size() != 2) continue;
      std::string value = pair[1];
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\''))
        value = value.substr(1, value.size() - 2);
      values[pair[0]] = value;
    }
  }
  os->set_full_string(values["PRETTY_NAME"]);
  os->set_id(values["ID"]);
  os->set_version_id(values["VERSION_ID"]);
  utsname kernel{};
  uname(&kernel);
  os->set_kernel(kernel.release);
  os->set_architecture(kernel.machine);
}

void AddCpus(pb::SourceProperties* properties) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::map<std::string, int> models;
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StartsWith(line, "model name")) {
      const std::vector<std::string> pair = absl::StrSplit(line, absl::MaxSplits(": ", 1));
      ++models[pair.size() == 2 ? pair[1] : ""];
    }
  }
  for (const auto& [model, count] : models) {
    pb::Cpu* cpu = properties->add_cpus();
    cpu->set_model_name(model);
    cpu->set_core_count(count);
  }
}

// The interface of the default route.
std::string PrimaryInterface() {
  std::ifstream routes("/proc/net/route");
  for (std::string line; std::getline(routes, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    if (fields.size() > 7 && fields[1] == "00000000" && fields[7] == "00000000") return fields[0];
  }
  return "";
}

void AddInterfaces(pb::SourceProperties* properties) {
  const std::string primary = PrimaryInterface();
  std::map<std::string, std::vector<std::string>> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
      if (at->ifa_addr == nullptr || at->ifa_netmask == nullptr) continue;
      char text[INET6_ADDRSTRLEN];
      int prefix = 0;
      if (at->ifa_addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(at->ifa_addr)->sin_addr, text,
                  sizeof text);
        prefix = std::popcount(reinterpret_cast<sockaddr_in*>(at->ifa_netmask)->sin_addr.s_addr);
      } else if (at->ifa_addr->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(at->ifa_addr)->sin6_addr, text,
                  sizeof text);
        for (const unsigned char byte :
             reinterpret_cast<sockaddr_in6*>(at->ifa_netmask)->sin6_addr.s6_addr) {
          prefix += std::popcount(byte);
        }
      } else {
        continue;
      }
      addresses[at->ifa_name].push_back(absl::StrCat(text, "/", prefix));
    }
    freeifaddrs(list);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net", error)) {
    const std::string name = entry.path().filename().string();
    const std::string mac = ReadLine(entry.path().string() + "/address");
    // Real cards have a device; bridges, tunnels and the loopback do not move with the machine's
    // hardware.
    if (!std::filesystem::exists(entry.path() / "device", error) || mac.empty()) continue;
    if (properties->network_interfaces_size() == kMaxInterfaces) break;
    pb::NetworkInterface* card = properties->add_network_interfaces();
    card->set_name(name);
    card->set_mac_address(mac);
    for (const std::string& address : addresses[name]) card->add_addresses(address);
    card->set_is_primary(name == primary);
  }
}

std::string FullName(const std::string& hostname) {
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  std::string name;
  if (getaddrinfo(hostname.c_str(), nullptr, &hints, &found) == 0 && found != nullptr) {
    if (found->ai_canonname != nullptr) name = found->ai_canonname;
    freeaddrinfo(found);
  }
  return name;
}

}  // namespace

pb::SourceProperties Discover(const std::vector<ReportedDisk>& disks) {
  pb::SourceProperties properties;
  char hostname[256] = {};
  gethostname(hostname, sizeof hostname - 1);
  properties.set_hostname(hostname[0] == 0 ? "localhost" : hostname);
  properties.set_fqdn(FullName(hostname));
  AddOs(properties.mutable_os());
  for (const ReportedDisk& reported : disks) {
    // The registry takes no more.
    if (disks.size() > kMaxDisks && !reported.replicated) continue;
    pb::Disk* disk = properties.add_disks();
    disk->set_disk_id(reported.disk_id);
    disk->set_device_name(reported.disk.device_name);
    disk->set_size_bytes(static_cast<std::int64_t>(reported.disk.size_bytes));
    disk->set_logical_block_size(reported.disk.logical_block_size);
    disk->set_is_boot_disk(reported.disk.is_boot_disk);
    disk->set_replicated(reported.replicated);
    disk->set_identity(reported.disk.identity);
    disk->set_model(reported.disk.model);
    disk->set_tracker(reported.missing ? "not there any more" : reported.tracker);
  }
  AddInterfaces(&properties);
  AddCpus(&properties);
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) {
    properties.set_ram_bytes(static_cast<std::int64_t>(memory.totalram) * memory.mem_unit);
  }
  std::error_code error;
  properties.set_boot_mode(std::filesystem::exists("/sys/firmware/efi", error) ? "UEFI" : "BIOS");
  properties.set_agent_version("0.1.0");
  properties.set_platform(std::string(absl::StripAsciiWhitespace(absl::StrCat(
      ReadLine("/sys/class/dmi/id/sys_vendor"), " ", ReadLine("/sys/class/dmi/id/product_name")))));
  properties.set_machine_uuid(ReadLine("/sys/class/dmi/id/product_uuid"));
  return properties;
}

}  // namespace godwit::agent
