// What an appliance machine may read and write, opened by us: QEMU itself needs no right to any
// file and no path of this host (its user may be one who has none).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/crypt/qemu_image.h"

namespace godwit::conversion {

// Not thread-safe. Keeps everything open until it goes.
class MachineFiles {
 public:
  // The value of -blockdev for `image`, all of whose files are open: the first image of the chain
  // for writing, those below for reading.
  absl::StatusOr<std::string> Disk(crypt::QemuImage& image, const std::string& node_name);
  // The name under which the machine reads these bytes; they lie in memory.
  absl::StatusOr<std::string> Bytes(const std::string& name, const std::string& content);
  // The name under which the machine reads a file that lies on this host.
  absl::StatusOr<std::string> Input(const std::string& path);
  // The name under which the machine writes to a new file.
  absl::StatusOr<std::string> Output(const std::string& path);

  // Options of QEMU, to come before those that use the names.
  const std::vector<std::string>& arguments() const { return arguments_; }
  // To be inherited under the same numbers.
  const std::vector<int>& fds() const { return numbers_; }

 private:
  absl::StatusOr<int> Add(Fd fd);
  absl::Status Share(const std::string& path, int flags, int set);

  std::vector<Fd> open_;
  std::vector<int> numbers_;
  std::vector<std::string> arguments_;
  int sets_ = 0;
};

}  // namespace godwit::conversion
