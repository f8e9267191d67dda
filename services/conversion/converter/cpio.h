// newc cpio archives, as the kernel unpacks them:
// Documentation/driver-api/early-userspace/buffer-format.rst.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace godwit::convert {

// Builds an uncompressed archive. Deterministic: no times, root owns everything.
class CpioWriter {
 public:
  // Entries for the folders above `path` that lie below `existing` (which is known to be there) are
  // made first. Only root may read it when it is `secret`.
  void File(const std::string& path, const std::string& content, const std::string& existing = "",
            bool secret = false);
  void Folder(const std::string& path);
  // Ends it; padded to 512 bytes.
  std::string Finish();

 private:
  void Entry(const std::string& path, std::uint32_t mode, const std::string& content);
  std::string out_;
  std::set<std::string> folders_;
  std::uint32_t inode_ = 1;
};

}  // namespace godwit::convert
