#include "services/jobs/targets/libvirt/domain_xml.h"

#include <libxml/parser.h>
#include <libxml/xmlwriter.h>

#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/targets/qemu/command.h"

namespace godwit::jobs {
namespace {

// Slots of the root bus that libvirt leaves alone.
constexpr std::size_t kFirstSlot = 16;
constexpr char kQemuUri[] = "http://libvirt.org/schemas/domain/qemu/1.0";

const xmlChar* X(const std::string& text) { return reinterpret_cast<const xmlChar*>(text.c_str()); }

// XML 1.0 has no way to write control characters and broken UTF-8 ends a document.
std::string Writable(const std::string& text) {
  std::string out = text;
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7f) c = '?';
  }
  if (xmlCheckUTF8(reinterpret_cast<const unsigned char*>(out.c_str())) == 0) {
    for (char& c : out) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return out;
}

// Elements and attributes in order; memory is its only resource.
class Writer {
 public:
  using Attributes = std::vector<std::pair<std::string, std::string>>;
  Writer()
      : buffer_(xmlBufferCreate(), &xmlBufferFree),
        writer_(xmlNewTextWriterMemory(buffer_.get(), 0), &xmlFreeTextWriter) {
    xmlTextWriterSetIndent(writer_.get(), 1);
  }
  Writer& Begin(const std::string& name, const Attributes& attributes = {}) {
    xmlTextWriterStartElement(writer_.get(), X(name));
    for (const auto& [key, value] : attributes) {
      xmlTextWriterWriteAttribute(writer_.get(), X(key), X(Writable(value)));
    }
    return *this;
  }
  Writer& Text(const std::string& text) {
    xmlTextWriterWriteString(writer_.get(), X(Writable(text)));
    return *this;
  }
  Writer& End() {
    xmlTextWriterEndElement(writer_.get());
    return *this;
  }
  Writer& Leaf(const std::string& name, const Attributes& attributes = {}) {
    return Begin(name, attributes).End();
  }
  Writer& Leaf(const std::string& name, const std::string& text) {
    return Begin(name).Text(text).End();
  }
  std::string Take() {
    xmlTextWriterEndDocument(writer_.get());
    xmlTextWriterFlush(writer_.get());
    return std::string(reinterpret_cast<const char*>(xmlBufferContent(buffer_.get())),
                       static_cast<std::size_t>(xmlBufferLength(buffer_.get())));
  }

 private:
  std::unique_ptr<xmlBuffer, void (*)(xmlBufferPtr)> buffer_;
  std::unique_ptr<xmlTextWriter, void (*)(xmlTextWriterPtr)> writer_;
};

const char* BusName(const std::string& disk_bus) {
  if (disk_bus == "virtio-scsi" || disk_bus == "pvscsi") return "scsi";
  return disk_bus == "ahci" ? "sata" : "virtio";
}

// `prefix`: of the namespace, "godwit:" where the text declares it itself.
void WriteMetadata(const MachineSpec& spec, const std::string& prefix, Writer& out) {
  Writer::Attributes attributes = {{"id", spec.machine_id}, {"epoch", absl::StrCat(spec.epoch)}};
  if (!prefix.empty()) attributes.insert(attributes.begin(), {"xmlns:godwit", kMetadataUri});
  out.Begin(prefix + "machine", attributes);
  for (const auto& [key, value] : spec.tags) {
    out.Leaf(prefix + "tag", {{"key", key}, {"value", value}});
  }
  out.End();
}

void WriteSystem(const MachineSpec& spec, const DomainHost& host, Writer& out) {
  out.Begin("os").Begin("type", {{"arch", "x86_64"}, {"machine", "q35"}}).Text("hvm").End();
  if (spec.firmware == "uefi") {
    out.Begin("loader", {{"readonly", "yes"}, {"type", "pflash"}}).Text(host.uefi_code).End();
    out.Leaf("nvram", Writer::Attributes{{"template", host.uefi_variables}});
  }
  out.End();
  out.Begin("features").Leaf("acpi").Leaf("apic").End();
  out.Leaf("cpu",
           Writer::Attributes{{"mode", host.type == "kvm" ? "host-passthrough" : "maximum"}});
  out.Leaf("clock", Writer::Attributes{{"offset", "utc"}});
  out.Leaf("on_poweroff", "destroy").Leaf("on_reboot", "restart").Leaf("on_crash", "destroy");
}

void WriteDisks(const MachineSpec& spec, const DomainFiles& files, Writer& out) {
  if (spec.disk_bus == "virtio-scsi") {
    out.Leaf("controller", {{"type", "scsi"}, {"index", "0"}, {"model", "virtio-scsi"}});
  } else if (spec.disk_bus == "pvscsi") {
    out.Leaf("controller", {{"type", "scsi"}, {"index", "0"}, {"model", "vmpvscsi"}});
  }
  for (std::size_t i = 0; i < files.disks.size(); ++i) {
    out.Begin("disk", {{"type", "file"}, {"device", "disk"}});
    out.Leaf("driver", {{"name", "qemu"},
                        {"type", "qcow2"},
                        {"cache", spec.throw_away ? "unsafe" : "writeback"},
                        {"discard", "unmap"}});
    out.Leaf("source", {{"file", files.disks[i]}});
    out.Leaf("target", {{"dev", TargetDevice(spec.disk_bus, i)}, {"bus", BusName(spec.disk_bus)}});
    out.Leaf("boot", {{"order", absl::StrCat(i + 1)}}).End();
  }
}

// Whether the machine's network is one of QEMU's own, which libvirt's <interface> cannot forward
// ports of.
std::string NetworkName(const MachineSpec& spec, const DomainHost& host) {
  return spec.network == Network::kIsolated ? host.isolated_network : host.user_network;
}

void WriteInterfaces(const MachineSpec& spec, const DomainHost& host, Writer& out) {
  const bool bridge = spec.network == Network::kBridge;
  const std::string network = NetworkName(spec, host);
  if (!bridge && network.empty()) return;
  for (const MachineNic& nic : spec.nics) {
    out.Begin("interface", {{"type", bridge ? "bridge" : "network"}});
    out.Leaf("mac", {{"address", nic.mac_address}});
    out.Leaf("source", {{bridge ? "bridge" : "network", bridge ? nic.bridge : network}});
    out.Leaf("model", {{"type", nic.model}}).End();
  }
}

void WriteUserNetworks(const MachineSpec& spec, const DomainHost& host,
                       const std::map<int, std::string>& ports, Writer& out) {
  if (spec.network == Network::kBridge || !NetworkName(spec, host).empty() || spec.nics.empty())
    return;
  out.Begin("qemu:commandline");
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    std::string netdev = absl::StrCat("user,id=net", i);
    if (spec.network == Network::kIsolated) absl::StrAppend(&netdev, ",restrict=on");
    if (i > 0) absl::StrAppend(&netdev, ",net=10.0.", 2 + i, ".0/24");
    for (const auto& [guest_port, endpoint] : ports) {
      if (i == 0) absl::StrAppend(&netdev, ",hostfwd=tcp:", endpoint, "-:", guest_port);
    }
    const MachineNic& nic = spec.nics[i];
    const std::string device =
        absl::StrCat(nic.model == "virtio" ? "virtio-net-pci" : nic.model, ",netdev=net", i,
                     ",mac=", nic.mac_address, ",bus=pcie.0,addr=", kFirstSlot + i, ",romfile=");
    for (const std::string& value :
         {std::string("-netdev"), netdev, std::string("-device"), device})
      out.Leaf("qemu:arg", {{"value", value}});
  }
  out.End();
}

void WriteDevices(const MachineSpec& spec, const DomainHost& host, const DomainFiles& files,
                  Writer& out) {
  out.Begin("devices");
  WriteDisks(spec, files, out);
  WriteInterfaces(spec, host, out);
  out.Begin("serial", {{"type", "file"}});
  out.Leaf("source", {{"path", files.console_log}, {"append", "on"}});
  out.Leaf("target", {{"type", "isa-serial"}, {"port", "0"}}).End();
  if (!files.firmware_log.empty()) {
    out.Begin("serial", {{"type", "file"}});
    out.Leaf("source", {{"path", files.firmware_log}, {"append", "on"}});
    out.Begin("target", {{"type", "isa-debug"}, {"port", "1"}});
    out.Leaf("model", {{"name", "isa-debugcon"}}).End();
    out.Leaf("address", {{"type", "isa"}, {"iobase", "0x402"}}).End();
  }
  out.Begin("channel", {{"type", "unix"}});
  out.Leaf("target", {{"type", "virtio"}, {"name", "org.qemu.guest_agent.0"}}).End();
  // GRUB hangs on a BIOS machine without VGA; it is also what a screenshot shows.
  out.Begin("video").Leaf("model", Writer::Attributes{{"type", "vga"}}).End();
  out.Begin("rng", {{"model", "virtio"}});
  out.Begin("backend", {{"model", "random"}}).Text("/dev/urandom").End().End();
  out.Leaf("memballoon", Writer::Attributes{{"model", "none"}});
  out.End();
}

}  // namespace

std::string TargetDevice(const std::string& disk_bus, std::size_t index) {
  const char* prefix = std::string(BusName(disk_bus)) == "virtio" ? "vd" : "sd";
  return absl::StrCat(prefix, std::string(1, static_cast<char>('a' + index)));
}

absl::Status CheckDomain(const MachineSpec& spec, const DomainHost& host) {
  MachineSpec common = spec;
  // Bridges are what libvirt has and a bare QEMU has not.
  if (spec.network == Network::kBridge) {
    common.network = Network::kUser;
    for (const MachineNic& nic : spec.nics) {
      if (nic.bridge.empty())
        return absl::InvalidArgumentError("nics.bridge: network BRIDGE needs its name");
    }
  }
  if (const absl::Status status = CheckSpec(common); !status.ok()) return status;
  if (spec.disk_bus == "nvme") {
    return absl::FailedPreconditionError(
        "disk_bus: libvirt has no emulated NVMe disks; choose virtio, virtio-scsi or ahci, or "
        "target qemu");
  }
  if (spec.firmware == "uefi" && (host.uefi_code.empty() || host.uefi_variables.empty())) {
    return absl::FailedPreconditionError("firmware: no UEFI firmware is configured");
  }
  return absl::OkStatus();
}

std::string MetadataXml(const MachineSpec& spec) {
  Writer out;
  WriteMetadata(spec, "", out);
  return out.Take();
}

std::string DomainXml(const MachineSpec& spec, const DomainHost& host, const DomainFiles& files,
                      const std::map<int, std::string>& ports) {
  Writer out;
  out.Begin("domain", {{"type", host.type}, {"xmlns:qemu", kQemuUri}});
  out.Leaf("name", spec.machine_id);
  // Without it a second definition would count as another domain of the same name.
  out.Leaf("uuid", DerivedUuid(absl::StrCat("libvirt/", spec.machine_id)));
  if (!spec.name.empty()) {
    // A title is one line.
    std::string title = spec.name;
    for (char& c : title) {
      if (c == '\n') c = ' ';
    }
    out.Leaf("title", title);
  }
  if (!spec.description.empty()) out.Leaf("description", spec.description);
  out.Begin("metadata");
  WriteMetadata(spec, "godwit:", out);
  out.End();
  out.Begin("memory", {{"unit", "b"}}).Text(absl::StrCat(spec.memory_bytes)).End();
  out.Leaf("vcpu", absl::StrCat(spec.cpu_count));
  WriteSystem(spec, host, out);
  WriteDevices(spec, host, files, out);
  WriteUserNetworks(spec, host, ports, out);
  out.End();
  return out.Take();
}

absl::StatusOr<std::int64_t> EpochOf(const std::string& metadata) {
  // No network, no entities: the text may have been edited by anybody who may use libvirt.
  const std::unique_ptr<xmlDoc, void (*)(xmlDocPtr)> parsed(
      xmlReadMemory(metadata.data(), static_cast<int>(metadata.size()), nullptr, nullptr,
                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING),
      &xmlFreeDoc);
  const xmlNode* const root = parsed == nullptr ? nullptr : xmlDocGetRootElement(parsed.get());
  std::int64_t epoch = 0;
  if (root != nullptr) {
    const std::unique_ptr<xmlChar, void (*)(void*)> value(
        xmlGetProp(root, reinterpret_cast<const xmlChar*>("epoch")), xmlFree);
    if (value != nullptr && absl::SimpleAtoi(reinterpret_cast<const char*>(value.get()), &epoch))
      return epoch;
  }
  return absl::InternalError("the domain's metadata is none of godwit's");
}

}  // namespace godwit::jobs
