#include "cli/ova.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kPart = 1 << 20;
constexpr std::int64_t kMostOctal = 1ll << 33;  // 11 octal digits

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

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoStatus(path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// Calls `take` with the file's bytes in order.
template <typename Take>
absl::Status ReadAll(const std::string& path, const Take& take) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(path);
  std::string part(kPart, '\0');
  while (true) {
    const ssize_t got = read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    if (got == 0) return absl::OkStatus();
    RETURN_IF_ERROR(take(absl::string_view(part.data(), static_cast<std::size_t>(got))));
  }
}

absl::StatusOr<std::string> TarHead(const std::string& name, std::int64_t size) {
  if (name.empty() || name.size() >= 100)
    return absl::InvalidArgumentError(absl::StrCat(name, ": no name for a tar"));
  std::string head(kBlock, '\0');
  const auto put = [&head](std::size_t at, absl::string_view text) {
    std::copy(text.begin(), text.end(), head.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  if (size < kMostOctal) {
    put(124, absl::StrFormat("%011o", size));
  } else {
    head[124] = '\x80';
    for (int i = 0; i < 8; ++i) head[135 - i] = static_cast<char>(size >> (8 * i));
  }
  put(136, "00000000000");
  put(148, "        ");
  head[156] = '0';
  put(257, absl::string_view("ustar\0"
                             "00",
                             8));
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  put(148, absl::string_view(absl::StrFormat("%06o", sum)));
  head[154] = '\0';
  return head;
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
        Hardware(static_cast<int>(10 + i), 17,
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
      Hardware(3, 6, absl::StrCat("<rasd:Address>0</rasd:Address>", Named("SCSI controller")),
               "<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>"),
      Hardware(4, 10,
               absl::StrCat("<rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>"
                            "<rasd:Connection>network</rasd:Connection>",
                            Named("Network interface")),
               "<rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>"),
      drives,
      machine.uefi
          ? "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n"
          : "",
      "    </VirtualHardwareSection>\n  </VirtualSystem>\n</Envelope>\n");
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (hash == nullptr || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1)
    return absl::InternalError("SHA-256 is not available");
  RETURN_IF_ERROR(ReadAll(path, [&](absl::string_view part) {
    return EVP_DigestUpdate(hash.get(), part.data(), part.size()) == 1
               ? absl::OkStatus()
               : absl::InternalError("SHA-256 failed");
  }));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(hash.get(), digest, &size) != 1)
    return absl::InternalError("SHA-256 failed");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

absl::Status WriteTar(const std::vector<std::string>& paths, const std::string& to) {
  const Fd out(open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!out.valid()) return ErrnoStatus(to);
  for (const std::string& path : paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path);
    ASSIGN_OR_RETURN(const std::string head,
                     TarHead(path.substr(path.rfind('/') + 1), info.st_size));
    RETURN_IF_ERROR(WriteAll(out.get(), head, to));
    std::int64_t copied = 0;
    RETURN_IF_ERROR(ReadAll(path, [&](absl::string_view part) {
      copied += static_cast<std::int64_t>(part.size());
      return WriteAll(out.get(), part, to);
    }));
    if (copied != info.st_size)
      return absl::InternalError(absl::StrCat(path, " changed while it was read"));
    const std::size_t rest = static_cast<std::size_t>(copied) % kBlock;
    if (rest != 0) RETURN_IF_ERROR(WriteAll(out.get(), std::string(kBlock - rest, '\0'), to));
  }
  RETURN_IF_ERROR(WriteAll(out.get(), std::string(2 * kBlock, '\0'), to));
  return fsync(out.get()) == 0 ? absl::OkStatus() : ErrnoStatus(to);
}

}  // namespace godwit::cli
