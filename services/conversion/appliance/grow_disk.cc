#include "services/conversion/appliance/grow_disk.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace {

constexpr std::uint64_t kMostAdded = std::uint64_t{1} << 30;

}  // namespace

absl::Status GrowDisk(crypt::QemuImage& image, std::uint64_t bytes) {
  const std::uint64_t present = image.chain().front().size_bytes;
  if (bytes <= present) return absl::OkStatus();
  if (bytes - present > kMostAdded)
    return absl::ResourceExhaustedError("the converter asks for more than 1 GiB of disk");
  std::vector<std::string> words = {"qemu-img", "resize", "-q"};
  if (image.encrypted()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> secret, image.SecretArguments("--object"));
    words.insert(words.end(), secret.begin(), secret.end());
    words.push_back(image.Url());
  } else {
    // The format is named, never guessed.
    words.insert(words.end(), {"-f", "qcow2", image.chain().front().path});
  }
  words.push_back(absl::StrCat(bytes));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ASSIGN_OR_RETURN(const int secret, image.SecretFd());
  if (secret >= 0) fcntl(secret, F_SETFD, 0);
  pid_t child = -1;
  errno = posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (errno != 0) return ErrnoStatus(words[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (secret >= 0) fcntl(secret, F_SETFD, FD_CLOEXEC);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("qemu-img resize ended with ", status));
}

}  // namespace godwit::conversion
