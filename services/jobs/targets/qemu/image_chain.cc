#include "services/jobs/targets/qemu/image_chain.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"
#include "services/jobs/targets/qemu/process.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr absl::Duration kCommandTimeout = absl::Seconds(30);

}  // namespace

absl::StatusOr<bool> HasBacking(const std::string& path) {
  ASSIGN_OR_RETURN(const CommandResult shown,
                   RunCommand({"qemu-img", "info", "-U", "-f", "qcow2", "--output=json", path},
                              kCommandTimeout));
  const json info = json::parse(shown.output, nullptr, false);
  if (shown.exit_code != 0 || !info.is_object()) {
    return absl::InternalError(absl::StrCat("qemu-img info: ", shown.output));
  }
  return info.contains("backing-filename");
}

absl::Status FlattenImage(const std::string& from, const std::string& to, const std::string& format,
                          const std::string& master_key_file, absl::Duration timeout,
                          const std::string& options, const std::function<absl::Status()>& check) {
  ASSIGN_OR_RETURN(crypt::QemuImage image, crypt::QemuImage::Open(from, master_key_file));
  std::vector<std::string> command = {"qemu-img", "convert", "-O", format};
  if (!options.empty()) command.insert(command.end(), {"-o", options});
  ASSIGN_OR_RETURN(const int secret, image.SecretFd());
  if (image.encrypted()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> words, image.SecretArguments("--object"));
    command.insert(command.end(), words.begin(), words.end());
    command.insert(command.end(), {image.Url(), to});
  } else {
    command.insert(command.end(), {"-f", "qcow2", from, to});
  }
  ASSIGN_OR_RETURN(const CommandResult ran, RunCommand(command, timeout, check, secret));
  if (ran.exit_code == 0) return absl::OkStatus();
  unlink(to.c_str());
  return absl::InternalError(absl::StrCat("qemu-img convert: ", ran.output));
}

}  // namespace godwit::jobs
