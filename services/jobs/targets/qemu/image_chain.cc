#include "services/jobs/targets/qemu/image_chain.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/command.h"
#include "services/common/base/status_macros.h"

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

}  // namespace godwit::jobs
