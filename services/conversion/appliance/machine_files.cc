#include "services/conversion/appliance/machine_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {

using nlohmann::json;

absl::StatusOr<int> MachineFiles::Add(Fd fd) {
  const int number = fd.get();
  open_.push_back(std::move(fd));
  numbers_.push_back(number);
  return number;
}

absl::Status MachineFiles::Share(const std::string& path, int flags, int set) {
  Fd fd(open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  ASSIGN_OR_RETURN(const int number, Add(std::move(fd)));
  arguments_.insert(arguments_.end(), {"-add-fd", absl::StrCat("fd=", number, ",set=", set)});
  return absl::OkStatus();
}

absl::StatusOr<std::string> MachineFiles::Disk(crypt::QemuImage& image,
                                               const std::string& node_name) {
  json blockdev = json::parse(image.Blockdev());
  blockdev["node-name"] = node_name;
  blockdev["discard"] = "unmap";
  blockdev["file"]["locking"] = "on";
  for (auto [layer, below] = std::pair(&blockdev, false); layer != nullptr; below = true) {
    for (const char* part : {"file", "data-file"}) {
      if (!layer->contains(part)) continue;
      json& file = (*layer)[part];
      const std::string path = file["filename"].get<std::string>();
      const int set = sets_++;
      // QEMU takes the one that fits how it opens the node.
      RETURN_IF_ERROR(Share(path, O_RDONLY, set));
      if (!below) RETURN_IF_ERROR(Share(path, O_RDWR, set));
      file["filename"] = absl::StrCat("/dev/fdset/", set);
    }
    layer = layer->contains("backing") ? &(*layer)["backing"] : nullptr;
    if (layer != nullptr) (*layer)["read-only"] = true;
  }
  return blockdev.dump();
}

absl::StatusOr<std::string> MachineFiles::Bytes(const std::string& name,
                                                const std::string& content) {
  Fd fd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create");
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t wrote = write(fd.get(), content.data() + done, content.size() - done);
    if (wrote <= 0) return ErrnoStatus(name);
    done += static_cast<std::size_t>(wrote);
  }
  ASSIGN_OR_RETURN(const int number, Add(std::move(fd)));
  return absl::StrCat("/proc/self/fd/", number);
}

absl::StatusOr<std::string> MachineFiles::Input(const std::string& path) {
  const int set = sets_++;
  RETURN_IF_ERROR(Share(path, O_RDONLY, set));
  return absl::StrCat("/dev/fdset/", set);
}

absl::StatusOr<std::string> MachineFiles::Output(const std::string& path) {
  const int set = sets_++;
  RETURN_IF_ERROR(Share(path, O_WRONLY | O_CREAT | O_TRUNC, set));
  return absl::StrCat("/dev/fdset/", set);
}

}  // namespace godwit::conversion
