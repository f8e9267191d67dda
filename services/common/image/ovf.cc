#include "services/common/image/ovf.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace godwit::image {
namespace {

std::string Escaped(const std::string& text) {
  std::string out =
      absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

// One piece of virtual hardware; `before` and `after` stand around its id in alphabetical order.
std::string Hardware(int id, int type, const std::string& before, const std::string& after,
                     const std::string& last = "") {
  return absl::StrCat("      <Item>", before, "<rasd:InstanceID>", id, "</rasd:InstanceID>", after,
                      "<rasd:ResourceType>", type, "</rasd:ResourceType>", last, "</Item>\n");
}

std::string Named(const std::string& name) {
  return absl::StrCat("<rasd:ElementName>", name, "</rasd:ElementName>");
}

constexpr int kFirstNic = 100, kFirstDisk = 10;

std::string DiskController(const std::string& bus) {
  const auto controller = [](int type, const char* name, const char* model) {
    return Hardware(3, type, absl::StrCat("<rasd:Address>0</rasd:Address>", Named(name)),
                    absl::StrCat("<rasd:ResourceSubType>", model, "</rasd:ResourceSubType>"));
  };
  if (bus == "ahci") return controller(20, "SATA controller", "vmware.sata.ahci");
  if (bus == "nvme") return controller(20, "NVMe controller", "vmware.nvme.controller");
  return controller(6, "SCSI controller", "VirtualSCSI");
}

std::string Interfaces(const std::vector<OvfNic>& nics) {
  std::string out;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const std::string& model = nics[i].model;
    const char* const known = model == "e1000" ? "E1000" : model == "e1000e" ? "E1000e" : "VmxNet3";
    absl::StrAppend(
        &out,
        Hardware(static_cast<int>(kFirstNic + i), 10,
                 absl::StrCat(nics[i].mac_address.empty()
                                  ? ""
                                  : absl::StrCat("<rasd:Address>", Escaped(nics[i].mac_address),
                                                 "</rasd:Address>"),
                              "<rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>"
                              "<rasd:Connection>network</rasd:Connection>",
                              Named(absl::StrCat("Network interface ", i))),
                 absl::StrCat("<rasd:ResourceSubType>", known, "</rasd:ResourceSubType>")));
  }
  return out;
}

}  // namespace

std::string OvfText(const OvfMachine& machine) {
  std::string references, disks, drives;
  for (std::size_t i = 0; i < machine.disks.size(); ++i) {
    const OvfDisk& disk = machine.disks[i];
    absl::StrAppend(&references, "    <File ovf:href=\"", Escaped(disk.file), "\" ovf:id=\"file", i,
                    "\" ovf:size=\"", disk.file_bytes, "\"/>\n");
    absl::StrAppend(&disks, "    <Disk ovf:capacity=\"", disk.capacity_bytes,
                    "\" ovf:diskId=\"disk", i, "\" ovf:fileRef=\"file", i,
                    "\" ovf:format=\"http://www.vmware.com/interfaces/",
                    "specifications/vmdk.html#streamOptimized\"/>\n");
    absl::StrAppend(
        &drives,
        Hardware(static_cast<int>(kFirstDisk + i), 17,
                 absl::StrCat("<rasd:AddressOnParent>", i, "</rasd:AddressOnParent>",
                              Named(absl::StrCat("Disk ", i)), "<rasd:HostResource>ovf:/disk/disk",
                              i, "</rasd:HostResource>"),
                 "<rasd:Parent>3</rasd:Parent>"));
  }
  const std::string name = Escaped(machine.name);
  return absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\""
      " xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\""
      " xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
      "CIM_ResourceAllocationSettingData\""
      " xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
      "CIM_VirtualSystemSettingData\""
      " xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\n"
      "  <References>\n",
      references, "  </References>\n  <DiskSection>\n    <Info>Virtual disks</Info>\n", disks,
      "  </DiskSection>\n  <NetworkSection>\n    <Info>Networks</Info>\n"
      "    <Network ovf:name=\"network\"/>\n  </NetworkSection>\n"
      "  <VirtualSystem ovf:id=\"",
      name, "\">\n    <Info>A virtual machine</Info>\n    <Name>", name,
      "</Name>\n    <VirtualHardwareSection>\n      <Info>Virtual hardware</Info>\n"
      "      <System><vssd:ElementName>Virtual Hardware Family</vssd:ElementName>"
      "<vssd:InstanceID>0</vssd:InstanceID>"
      "<vssd:VirtualSystemType>vmx-11</vssd:VirtualSystemType></System>\n",
      Hardware(
          1, 3, Named(absl::StrCat(machine.cpu_count, " CPUs")), "",
          absl::StrCat("<rasd:VirtualQuantity>", machine.cpu_count, "</rasd:VirtualQuantity>")),
      Hardware(
          2, 4,
          absl::StrCat("<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>", Named("Memory")),
          "",
          absl::StrCat("<rasd:VirtualQuantity>", machine.memory_bytes >> 20,
                       "</rasd:VirtualQuantity>")),
      DiskController(machine.disk_bus), Interfaces(machine.nics), drives,
      machine.uefi
          ? "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n"
          : "",
      "    </VirtualHardwareSection>\n  </VirtualSystem>\n</Envelope>\n");
}

}  // namespace godwit::image
