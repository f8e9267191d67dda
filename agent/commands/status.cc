#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/commands/commands.h"
#include "agent/state/installation.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"

namespace godwit::agent {
namespace {

// Numbers of 64 bits are text in the JSON form of messages.
double Bytes(const nlohmann::json& object, const char* key) {
  if (!object.contains(key)) return 0;
  return object[key].is_string() ? std::atof(object[key].get<std::string>().c_str())
                                 : object[key].get<double>();
}

std::string Text(const nlohmann::json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string()
             ? object[key].get<std::string>()
             : "";
}

void Print(const nlohmann::json& status) {
  const nlohmann::json progress = status.value("progress", nlohmann::json::object());
  std::printf("server       %s\n", Text(status, "server").c_str());
  std::printf("version      %s\n", Text(status, "version").c_str());
  std::printf("coordinator  %s (%s)\n", Text(status, "replication").c_str(),
              Text(status, "coordinator").c_str());
  std::printf("directive    %s\n", Text(status, "action").c_str());
  std::printf("phase        %s\n", Text(progress, "phase").c_str());
  if (!Text(progress, "errorMessage").empty())
    std::printf("problem      %s\n", Text(progress, "errorMessage").c_str());
  for (const auto& disk : status.value("disks", nlohmann::json::array())) {
    if (!disk.value("replicated", false)) {
      std::printf("disk         %s  not replicated\n", Text(disk, "device").c_str());
      continue;
    }
    double pending = 0;
    for (const auto& part : progress.value("disks", nlohmann::json::array())) {
      if (Text(part, "diskId") == Text(disk, "disk_id")) pending = Bytes(part, "pendingBytes");
    }
    std::printf("disk         %s  %.1f GiB, %.1f MiB to send; %s\n", Text(disk, "device").c_str(),
                Bytes(disk, "bytes") / (1 << 30), pending / (1 << 20),
                Text(disk, "tracker").c_str());
  }
}

}  // namespace

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
    Print(status);
  }
  absl::Time written;
  std::string ignored;
  if (!absl::ParseTime(absl::RFC3339_full, Text(status, "time"), &written, &ignored) ||
      absl::Now() - written > absl::Minutes(2)) {
    std::fprintf(stderr,
                 "the agent does not run (last sign of life: %s): systemctl status godwit-agent\n",
                 Text(status, "time").c_str());
    return 3;
  }
  return 0;
}

}  // namespace godwit::agent
