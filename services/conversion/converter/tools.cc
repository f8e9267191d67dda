#include "services/conversion/converter/tools.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/run_bounded.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxOutput = 1 << 20;
constexpr int kNoSuchProgram = 127;

}  // namespace

absl::StatusOr<ToolResult> RunTool(const std::vector<std::string>& command,
                                   const ToolOptions& options) {
  const RunLimits limits{
      .timeout = options.patience,
      .max_output = kMaxOutput,
      .keep = options.capture ? RunLimits::Keep::kStandardOutput : RunLimits::Keep::kNothing,
      .end_when_too_much = true,
      .keep_background = true};
  // Ours, with the time that settle.h gives to all programs.
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  ASSIGN_OR_RETURN(BoundedRun run, RunBounded(command, environment, options.input, limits));
  if (run.timed_out) {
    return absl::DeadlineExceededError(
        absl::StrCat(command[0], " did not end within ", absl::FormatDuration(options.patience)));
  }
  if (run.too_much) return absl::ResourceExhaustedError(command[0] + " prints more than 1 MiB");
  if (run.exit_code == kNoSuchProgram)
    return absl::NotFoundError(command[0] + ": there is no such program");
  return ToolResult{.code = run.exit_code, .output = std::move(run.output)};
}

absl::StatusOr<int> RunTool(const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const ToolResult result, RunTool(command, ToolOptions{}));
  return result.code;
}

absl::Status RunTo(const std::string& name, const std::vector<std::string>& command,
                   const std::string& input) {
  ASSIGN_OR_RETURN(
      const BoundedRun run,
      RunBounded(command, {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "LC_ALL=C"}, input, {}));
  if (run.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(name, " ended with ", run.exit_code, ": ", run.output.substr(0, 500)));
}

}  // namespace godwit::convert
