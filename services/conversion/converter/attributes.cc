#include "services/conversion/converter/attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <vector>

#include "absl/strings/str_split.h"
#include "services/common/base/file.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxValue = 65536;
constexpr std::size_t kMaxAttributes = 64;
constexpr char kLabel[] = "security.selinux";

void CopyOne(int from, const std::string& attribute, int to) {
  std::string value(kMaxValue, '\0');
  const ssize_t size = fgetxattr(from, attribute.c_str(), value.data(), value.size());
  if (size >= 0) fsetxattr(to, attribute.c_str(), value.data(), static_cast<std::size_t>(size), 0);
}

}  // namespace

void CopyAttributes(int folder, const std::string& name, int to) {
  if (name.empty()) return CopyOne(folder, kLabel, to);
  const Fd from(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!from.valid()) return CopyAttributes(folder, "", to);
  std::string names(kMaxValue, '\0');
  const ssize_t size = flistxattr(from.get(), names.data(), names.size());
  names.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  std::size_t count = 0;
  for (const absl::string_view attribute : absl::StrSplit(names, '\0', absl::SkipEmpty())) {
    if (++count > kMaxAttributes) return;
    // Signatures of the content as it was.
    if (attribute == "security.ima" || attribute == "security.evm") continue;
    CopyOne(from.get(), std::string(attribute), to);
  }
}

}  // namespace godwit::convert
