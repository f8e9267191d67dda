// godwit-bench-convert: one conversion in the appliance, as the conversion worker does it.
#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "bench/programs/json_line.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/appliance/appliance.h"

namespace godwit::bench {
namespace {

struct Config {
  std::string appliance, disks, work;
};

absl::Status Run(const Config& config) {
  ASSIGN_OR_RETURN(const auto appliance, conversion::Appliance::Open({.folder = config.appliance}));
  conversion::v1::ConversionTask task;
  task.set_mode(conversion::v1::ConversionTask::APPEND);
  char letter = 'a';
  for (const absl::string_view path : absl::StrSplit(config.disks, ',')) {
    auto* disk = task.add_disks();
    disk->set_device_name(absl::StrCat("/dev/sd", std::string(1, letter++)));
    disk->set_path(std::string(path));
  }
  // The card of the source machines, which the machine after it has, too.
  auto* nic = task.mutable_target()->add_nics();
  nic->set_mac_address("52:54:00:aa:00:01");
  nic->set_source_mac_address("52:54:00:aa:00:01");
  nic->set_source_name("lan0");
  const std::atomic<bool> cancel{false};
  const absl::Time from = absl::Now();
  const auto result =
      appliance.Run(task, config.work, absl::Minutes(10), cancel, [](const std::string&) {});
  RETURN_IF_ERROR(result.status);
  Print("converted", {{"seconds", absl::ToDoubleSeconds(absl::Now() - from)},
                      {"changes", result.task.changes_size()}});
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::bench

int main(int argc, char** argv) {
  godwit::bench::Config config;
  godwit::Flags flags("godwit-bench-convert", "Converts disks once and says how long it took.");
  flags.String("appliance", &config.appliance, "folder of the conversion appliance");
  flags.String("disks", &config.disks, "qcow2 overlays, boot disk first, with commas between");
  flags.String("work", &config.work, "folder for its files");
  return godwit::bench::Main(flags, argc, argv, [&] { return godwit::bench::Run(config); });
}
