#include "services/jobs/targets/qemu/command.h"

#include <arpa/inet.h>

#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/derived.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr std::size_t kMostDisks = 24;  // PCI slots of the machine
constexpr std::size_t kMostNics = 8;
constexpr std::size_t kMostForwards = 64;
constexpr int kMostCapturedFrame = 256;  // bytes: addresses, ports and a question of DNS

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

std::string HostAddress(const PortForward& forward) {
  return forward.host_address.empty() ? "127.0.0.1" : forward.host_address;
}

// The port chosen at the last start, so that an endpoint stays what it was; else the wanted one.
std::string HostPort(const MachineState& state, const PortForward& forward) {
  if (forward.host_port != 0) return absl::StrCat(forward.host_port);
  const auto chosen = state.endpoints.find(forward.guest_port);
  if (chosen == state.endpoints.end()) return "0";
  const std::size_t colon = chosen->second.rfind(':');
  return colon == std::string::npos ? "0" : chosen->second.substr(colon + 1);
}

void AddDisks(const MachineSpec& spec, const std::vector<std::string>& blockdevs,
              std::vector<std::string>* out) {
  if (spec.disk_bus == "virtio-scsi")
    out->insert(out->end(), {"-device", "virtio-scsi-pci,id=scsi0"});
  if (spec.disk_bus == "pvscsi") out->insert(out->end(), {"-device", "pvscsi,id=scsi0"});
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const std::string node = absl::StrCat("disk", i);
    json blockdev = {{"driver", "qcow2"},
                     {"file", {{"driver", "file"}, {"filename", DiskFile(i)}}}};
    if (i < blockdevs.size() && !blockdevs[i].empty()) blockdev = json::parse(blockdevs[i]);
    blockdev["node-name"] = node;
    blockdev["discard"] = "unmap";
    blockdev["cache"] = {{"direct", false}, {"no-flush", spec.throw_away}};
    out->insert(out->end(), {"-blockdev", Dump(blockdev)});
    std::string device;
    if (spec.disk_bus == "virtio-scsi" || spec.disk_bus == "pvscsi") {
      device = absl::StrCat("scsi-hd,bus=scsi0.0,drive=", node);
    } else if (spec.disk_bus == "nvme") {
      device = absl::StrCat("nvme,drive=", node, ",serial=vol", i);
    } else if (spec.disk_bus == "ahci") {
      device = absl::StrCat("ide-hd,bus=ide.", i, ",drive=", node);
    } else {
      device = absl::StrCat("virtio-blk-pci,drive=", node);
    }
    out->insert(out->end(), {"-device", absl::StrCat(device, ",id=dev", i, ",bootindex=", i + 1)});
  }
}

void AddNetwork(const MachineState& state, std::vector<std::string>* out) {
  const MachineSpec& spec = state.spec;
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    std::string netdev = absl::StrCat("user,id=net", i);
    if (spec.network == Network::kIsolated) absl::StrAppend(&netdev, ",restrict=on");
    // Networks of their own for further NICs: no two may share addresses. Forwards use the first.
    if (i > 0) absl::StrAppend(&netdev, ",net=10.0.", 2 + i, ".0/24");
    if (i == 0) {
      for (const PortForward& forward : spec.port_forwards) {
        absl::StrAppend(&netdev, ",hostfwd=tcp:", HostAddress(forward), ":",
                        HostPort(state, forward), "-:", forward.guest_port);
      }
    }
    // What an isolated machine wants of the world is of interest; of one at work it is not ours.
    if (i == 0 && spec.network == Network::kIsolated && spec.throw_away) {
      out->insert(out->end(),
                  {"-object", absl::StrCat("filter-dump,id=dump0,netdev=net0,maxlen=",
                                           kMostCapturedFrame, ",file=", kNetworkDump)});
    }
    const MachineNic& nic = spec.nics[i];
    // QEMU has no ENA card: what is to run on EC2 is tested with Intel's.
    const std::string model = nic.model == "virtio" ? "virtio-net-pci"
                              : nic.model == "ena"  ? "e1000e"
                                                    : nic.model;
    out->insert(out->end(),
                {"-netdev", netdev, "-device",
                 absl::StrCat(model, ",netdev=net", i, ",mac=", nic.mac_address, ",romfile=")});
  }
}

}  // namespace

std::string DiskFile(std::size_t index) { return absl::StrCat("disk", index, ".qcow2"); }

std::string GuestArgument(const std::string& machine_id) {
  return absl::StrCat("guest=", machine_id, ",debug-threads=on");
}

absl::Status CheckSpec(const MachineSpec& spec) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", spec.machine_id));
  if (spec.cpu_count < 1 || spec.cpu_count > kMostCpus) return Wrong("cpu_count", "1 to 512");
  if (spec.memory_bytes < kLeastMemoryBytes || spec.memory_bytes > kMostMemoryBytes) {
    return Wrong("memory_bytes", "at least 128 MiB");
  }
  if (spec.firmware != "bios" && spec.firmware != "uefi") return Wrong("firmware", "bios or uefi");
  const std::set<std::string> buses = {"virtio", "virtio-scsi", "nvme", "ahci", "pvscsi"};
  if (!buses.contains(spec.disk_bus)) {
    return Wrong("disk_bus", "virtio, virtio-scsi, nvme, ahci or pvscsi");
  }
  if (spec.disks.empty() || spec.disks.size() > kMostDisks) return Wrong("disks", "1 to 24");
  if (spec.disk_bus == "ahci" && spec.disks.size() > 6) return Wrong("disks", "at most 6 on ahci");
  for (const MachineDisk& disk : spec.disks) {
    if (!absl::StartsWith(disk.path, "/") || absl::StrContains(disk.path, '\0')) {
      return Wrong("disks.path", "must be an absolute path");
    }
  }
  if (spec.nics.size() > kMostNics) return Wrong("nics", "at most 8");
  for (const MachineNic& nic : spec.nics) {
    if (!IsMac(nic.mac_address)) return Wrong("nics.mac_address", "no unicast MAC address");
    const std::set<std::string> models = {"virtio", "e1000", "e1000e", "vmxnet3", "ena"};
    if (!models.contains(nic.model))
      return Wrong("nics.model", "virtio, e1000, e1000e, vmxnet3 or ena");
  }
  if (spec.network == Network::kBridge) {
    return absl::FailedPreconditionError(
        "network: BRIDGE is not available on target qemu; use ISOLATED or USER with port_forwards");
  }
  if (spec.port_forwards.size() > kMostForwards) return Wrong("port_forwards", "at most 64");
  if (!spec.port_forwards.empty() && spec.nics.empty()) {
    return Wrong("port_forwards", "the machine has no network interface");
  }
  std::set<int> guest_ports;
  for (const PortForward& forward : spec.port_forwards) {
    if (forward.guest_port < 1 || forward.guest_port > 65535 || forward.host_port < 0 ||
        forward.host_port > 65535) {
      return Wrong("port_forwards", "ports are 1 to 65535 (host_port may be 0)");
    }
    if (!guest_ports.insert(forward.guest_port).second) {
      return Wrong("port_forwards.guest_port", "named twice");
    }
    in_addr parsed{};
    if (inet_pton(AF_INET, HostAddress(forward).c_str(), &parsed) != 1) {
      return Wrong("port_forwards.host_address", "must be an IPv4 address");
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> QemuCommand(const MachineState& state, const std::string& uefi_code,
                                     const std::vector<std::string>& blockdevs) {
  const MachineSpec& spec = state.spec;
  const bool kvm = state.accelerator == "kvm";
  std::vector<std::string> out = {
      "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-name",
      GuestArgument(spec.machine_id), "-machine", "q35", "-accel",
      kvm ? "kvm" : "tcg,thread=multi,tb-size=1024", "-cpu", kvm ? "host" : "max", "-smp",
      absl::StrCat(spec.cpu_count), "-m", absl::StrCat(spec.memory_bytes >> 20, "M"), "-rtc",
      "base=utc", "-display", "none",
      // GRUB hangs on a BIOS machine without VGA.
      "-vga", "std", "-device", "virtio-rng-pci", "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-chardev",
      absl::StrCat("file,id=serial0,append=on,path=", kConsoleLog), "-serial", "chardev:serial0",
      "-chardev", absl::StrCat("file,id=firmware0,append=on,path=", kFirmwareLog), "-device",
      "isa-debugcon,iobase=0x402,chardev=firmware0", "-qmp",
      absl::StrCat("unix:", kQmpSocket, ",server=on,wait=off"), "-device", "virtio-serial-pci",
      "-chardev", absl::StrCat("socket,id=agent0,server=on,wait=off,path=", kAgentSocket),
      "-device", "virtserialport,chardev=agent0,name=org.qemu.guest_agent.0"};
  if (spec.firmware == "uefi") {
    out.insert(out.end(),
               {"-drive", absl::StrCat("if=pflash,unit=0,format=raw,readonly=on,file=", uefi_code),
                "-drive", absl::StrCat("if=pflash,unit=1,format=raw,file=", kVariableStore)});
  }
  AddDisks(spec, blockdevs, &out);
  AddNetwork(state, &out);
  return out;
}

std::map<int, std::string> ParseForwards(absl::string_view usernet) {
  std::map<int, std::string> out;
  for (const absl::string_view line : absl::StrSplit(usernet, absl::ByAnyChar("\r\n"))) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int host_port = 0, guest_port = 0;
    if (words.size() >= 6 && words[0] == "TCP[HOST_FORWARD]" &&
        absl::SimpleAtoi(words[3], &host_port) && absl::SimpleAtoi(words[5], &guest_port)) {
      out[guest_port] = absl::StrCat(words[2], ":", host_port);
    }
  }
  return out;
}

bool ShowsConnection(absl::string_view usernet, int guest_port) {
  const std::string port = absl::StrCat(guest_port);
  bool waits = false;
  for (const absl::string_view line : absl::StrSplit(usernet, absl::ByAnyChar("\r\n"))) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    // One end is the guest's; which one is printed first depends on the direction.
    if (words.size() < 6 || (words[3] != port && words[5] != port)) continue;
    if (words[0] == "TCP[ESTABLISHED]") return true;
    if (words[0] == "TCP[SYN_SENT]" || words[0] == "TCP[SYN_RCVD]") waits = true;
  }
  return !waits;
}

}  // namespace godwit::jobs
