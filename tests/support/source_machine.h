// A running Debian 12 source machine in QEMU (deploy/dev/source_machine.sh): IDE or AHCI disk, no
// virtio driver in its initramfs, a shop that writes orders. Tests start it from saved memory,
// which takes seconds; the image and the saved state are made once and cached.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/process.h"

namespace godwit::testing {

// Not thread-safe. The machine ends with the object; its disk goes too.
class SourceMachine {
 public:
  struct Options {
    std::string layout = "ext4";    // or another one of deploy/dev/source_image.sh
    std::string hardware = "ide";   // "ahci", "virtio", "pvscsi", "ec2"
    std::string firmware = "bios";  // or "uefi", with empty variables
    bool serial = false;            // a console on the serial port, for Console()
    bool booted = true;             // from saved memory; false: power on and return at once
    std::string disk;               // boot from this qcow2 file (moved away) instead of the image
    std::vector<std::string> more_disks;  // the other ones that belong to `disk`
  };
  static absl::StatusOr<std::unique_ptr<SourceMachine>> Start(const Options& options);
  ~SourceMachine();

  // Path of the image that machines of this layout start from (built when the cache has none).
  static absl::StatusOr<std::string> Image(const std::string& layout);
  // Paths of all its disks, boot disk first.
  static absl::StatusOr<std::vector<std::string>> Images(const std::string& layout);

  // Waits until the page is served. DEADLINE_EXCEEDED or INTERNAL with the script's message.
  absl::Status WaitForPage(absl::Duration patience);
  // Runs a shell command as root inside; standard output and error. INTERNAL with them when it
  // fails. A machine whose ssh server is still starting is waited for.
  absl::StatusOr<std::string> Ssh(const std::string& command,
                                  absl::Duration patience = absl::Minutes(2));
  // Copies a file of this host into the machine.
  absl::Status Copy(const std::string& file, const std::string& path,
                    absl::Duration patience = absl::Minutes(2));
  // What the serial console printed so far.
  std::string Console() const;
  // The body of http://<machine>/<path>.
  absl::StatusOr<std::string> Get(const std::string& path);

 private:
  SourceMachine() = default;
  absl::StatusOr<std::string> Call(std::vector<std::string> arguments, absl::Duration patience);

  TempDir dir_;
  int calls_ = 0;
};

}  // namespace godwit::testing
