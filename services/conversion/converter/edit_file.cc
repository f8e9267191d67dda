#include "services/conversion/converter/edit_file.h"

#include "services/common/base/status_macros.h"

namespace godwit::convert {

absl::Status EditFile(GuestRoot& root, const std::string& step, const std::string& path,
                      const std::string& summary,
                      const std::function<std::string(const std::string&)>& edit) {
  const absl::StatusOr<std::string> text = root.Read(path, kMaxConfiguration);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text);
  return root.Write(step, path, edit(*text), summary);
}

}  // namespace godwit::convert
