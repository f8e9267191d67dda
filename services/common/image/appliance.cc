#include "services/common/image/appliance.h"

#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::image {

absl::Status PackAppliance(const std::string& folder, OvfMachine machine,
                           const std::string& archive, const Check& check) {
  const std::string description = absl::StrCat(folder, "/", machine.name, ".ovf");
  const std::string manifest = absl::StrCat(folder, "/", machine.name, ".mf");
  std::vector<std::string> members = {description};
  for (OvfDisk& disk : machine.disks) {
    const std::string path = absl::StrCat(folder, "/", disk.file);
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path);
    disk.file_bytes = info.st_size;
    members.push_back(path);
  }
  RETURN_IF_ERROR(WriteFileAtomically(description, OvfText(machine), 0644));
  std::string sums;
  for (const std::string& member : members) {
    ASSIGN_OR_RETURN(const std::string hash, Sha256OfFile(member, check));
    absl::StrAppend(&sums, "SHA256(", member.substr(member.rfind('/') + 1), ")= ", hash, "\n");
  }
  RETURN_IF_ERROR(WriteFileAtomically(manifest, sums, 0644));
  members.insert(members.begin() + 1, manifest);
  const absl::Status written = WriteTar(members, archive, check);
  if (!written.ok()) unlink(archive.c_str());
  return written;
}

}  // namespace godwit::image
