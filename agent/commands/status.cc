#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/commands/commands.h"
#include "agent/commands/status_text.h"
#include "agent/state/installation.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"

namespace godwit::agent {

int Status(int argc, const char* const* argv) {
  std::string output = "text";
  Flags flags(
      "godwit-agent status",
      "Shows what the agent of this machine does. Exit code 3: not installed or not running.");
  flags.String("output", &output, "text or json");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-agent status: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  if (const auto installation = LoadInstallation(); !installation.ok()) {
    std::fprintf(stderr, "%s\n", std::string(installation.status().message()).c_str());
    return 3;
  }
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(kRunFolder, "/status.json"), 1 << 20);
  const auto status =
      nlohmann::json::parse(text.ok() ? *text : "", nullptr, /*allow_exceptions=*/false);
  if (!status.is_object()) {
    std::fprintf(stderr,
                 "the agent is installed and has not run since the last boot: systemctl status "
                 "godwit-agent\n");
    return 3;
  }
  if (output == "json") {
    std::printf("%s\n", status.dump(2).c_str());
  } else {
    std::fputs(StatusText(status).c_str(), stdout);
  }
  absl::Time written;
  std::string ignored;
  const auto field = status.find("time");
  const std::string time =
      field != status.end() && field->is_string() ? field->get<std::string>() : "";
  if (!absl::ParseTime(absl::RFC3339_full, time, &written, &ignored) ||
      absl::Now() - written > absl::Minutes(2)) {
    std::fprintf(stderr,
                 "the agent does not run (last sign of life: %s): systemctl status godwit-agent\n",
                 time.c_str());
    return 3;
  }
  return 0;
}

}  // namespace godwit::agent
