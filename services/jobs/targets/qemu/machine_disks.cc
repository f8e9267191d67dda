#include "services/jobs/targets/qemu/machine_disks.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/encrypted_image.h"
#include "services/jobs/targets/qemu/process.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kToolTimeout = absl::Seconds(60);

absl::Status Run(const std::vector<std::string>& command, absl::Duration timeout,
                 const std::function<absl::Status()>& check, int fd) {
  ASSIGN_OR_RETURN(const CommandResult ran, RunCommand(command, timeout, check, fd));
  if (ran.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(command[0], " ", command[1], ": ", ran.output));
}

// In an option of QEMU commas are doubled.
std::string Quoted(const std::string& path) { return absl::StrReplaceAll(path, {{",", ",,"}}); }

}  // namespace

absl::Status MakeOverlay(const std::string& base, const std::string& path,
                         const std::string& master_key_file) {
  ASSIGN_OR_RETURN(const auto image, crypt::QemuImage::Open(base, master_key_file));
  if (image.encrypted()) {
    ASSIGN_OR_RETURN(const crypt::MasterKeys keys, crypt::MasterKeys::Load(master_key_file));
    RETURN_IF_ERROR(image.key()->Save(path.substr(0, path.rfind('/')), keys));
    return crypt::CreateEncryptedImage(path, image.chain().front().size_bytes, base, *image.key());
  }
  // Formats are named, never probed: a probe would let the guest's first bytes choose.
  return Annotate(Run({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path},
                      kToolTimeout, nullptr, -1),
                  absl::StrCat("for ", base));
}

absl::Status CopyChain(const std::string& path, const std::string& master_key_file,
                       absl::Duration timeout, const std::function<absl::Status()>& check) {
  ASSIGN_OR_RETURN(crypt::QemuImage image, crypt::QemuImage::Open(path, master_key_file));
  ASSIGN_OR_RETURN(const int fd, image.SecretFd());
  const std::string copy = absl::StrCat(path, ".copy");
  std::vector<std::string> command = {"qemu-img", "convert", "-f", "qcow2",
                                      "-O",       "qcow2",   path, copy};
  if (image.encrypted()) {
    unlink(copy.c_str());
    RETURN_IF_ERROR(
        crypt::CreateEncryptedImage(copy, image.chain().front().size_bytes, "", *image.key()));
    command = {"qemu-img", "convert", "-n", "--target-is-zero"};
    ASSIGN_OR_RETURN(const std::vector<std::string> secret, image.SecretArguments("--object"));
    command.insert(command.end(), secret.begin(), secret.end());
    command.insert(command.end(),
                   {"--target-image-opts", image.Url(),
                    absl::StrCat("driver=qcow2,encrypt.key-secret=", image.secret_id(),
                                 ",file.driver=file,", "file.filename=", Quoted(copy))});
  }
  if (const absl::Status made = Run(command, timeout, check, fd); !made.ok()) {
    unlink(copy.c_str());
    return made;
  }
  return rename(copy.c_str(), path.c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(path);
}

absl::StatusOr<OpenDisks> OpenDiskFiles(const std::vector<std::string>& paths,
                                        const std::string& master_key_file) {
  OpenDisks disks;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    ASSIGN_OR_RETURN(crypt::QemuImage image,
                     crypt::QemuImage::Open(paths[i], master_key_file, absl::StrCat("secret", i)));
    disks.blockdevs.push_back(image.encrypted() ? image.Blockdev() : "");
    if (!image.encrypted()) continue;
    ASSIGN_OR_RETURN(const std::vector<std::string> secret, image.SecretArguments("-object"));
    disks.arguments.insert(disks.arguments.end(), secret.begin(), secret.end());
    ASSIGN_OR_RETURN(const int fd, image.SecretFd());
    disks.fds.push_back(fd);
    disks.images.push_back(std::move(image));
  }
  return disks;
}

}  // namespace godwit::jobs
