#include "services/conversion/converter/cpio.h"

#include "absl/strings/str_format.h"

namespace godwit::convert {

void CpioWriter::Entry(const std::string& path, std::uint32_t mode, const std::string& content) {
  out_ += absl::StrFormat("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode_++,
                          mode, 0, 0, 1, 0, content.size(), 0, 0, 0, 0, path.size() + 1, 0);
  out_ += path;
  out_.push_back('\0');
  out_.resize((out_.size() + 3) / 4 * 4, '\0');
  out_ += content;
  out_.resize((out_.size() + 3) / 4 * 4, '\0');
}

void CpioWriter::Folder(const std::string& path) {
  if (folders_.insert(path).second) Entry(path, 0040755, "");
}

void CpioWriter::File(const std::string& path, const std::string& content,
                      const std::string& existing, bool secret) {
  for (std::size_t slash = path.find('/', existing.size() + 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    Folder(path.substr(0, slash));
  }
  Entry(path, secret ? 0100600 : 0100644, content);
}

std::string CpioWriter::Finish() {
  inode_ = 0;
  Entry("TRAILER!!!", 0, "");
  out_.resize((out_.size() + 511) / 512 * 512, '\0');
  return std::move(out_);
}

}  // namespace godwit::convert
