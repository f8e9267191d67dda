// Steps that edit text files of a guest.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// The largest configuration file that is read.
inline constexpr std::size_t kMaxConfiguration = 4 << 20;

// `path` with its text as `edit` gives it; nothing when there is no such file.
absl::Status EditFile(GuestRoot& root, const std::string& step, const std::string& path,
                      const std::string& summary,
                      const std::function<std::string(const std::string&)>& edit);

}  // namespace godwit::convert
