// godwit-convert: makes the disks of a migrated server (Linux or Windows) bootable on the target.
// Runs in the throw-away appliance machine (--job), or on a file tree (--root) for looking at what
// it would do.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/convert.h"
#include "services/conversion/converter/convert_disks.h"
#include "services/conversion/converter/outcome_json.h"

namespace godwit::convert {
namespace {

struct Options {
  std::string job, root, result = "/dev/stdout", mount_point = "/mnt/guest";
  bool dry_run = false, regenerate = false;
};

// One JSON object a line.
class Report {
 public:
  explicit Report(const std::string& path)
      : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600)) {}
  bool valid() const { return fd_.valid(); }
  void Line(const nlohmann::json& line) {
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t wrote = write(fd_.get(), text.data() + done, text.size() - done);
      if (wrote <= 0) return;
      done += static_cast<std::size_t>(wrote);
    }
  }

 private:
  Fd fd_;
};

absl::Status Convert(const Options& options, Report& report, Outcome* outcome) {
  Job job;
  if (!options.job.empty()) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(options.job, 64 << 20));
    ASSIGN_OR_RETURN(job, ParseJob(text));
  }
  job.dry_run = job.dry_run || options.dry_run;
  job.regenerate = job.regenerate || options.regenerate;
  const auto progress = [&](const std::string& message) {
    report.Line({{"event", "progress"}, {"message", message}});
  };
  const auto convert = [&]() -> absl::Status {
    if (options.root.empty()) return ConvertDisks(job, options.mount_point, outcome, progress);
    ASSIGN_OR_RETURN(GuestRoot root, GuestRoot::Open(options.root));
    return ConvertTree(root, job, outcome, progress);
  };
  absl::Status status = convert();
  if (job.dry_run) status = AsFinding(status, job.unfinished, outcome);
  return status;
}

}  // namespace
}  // namespace godwit::convert

int main(int argc, char** argv) {
  using namespace godwit::convert;
  Options options;
  godwit::Flags flags("godwit-convert",
                      "Makes the disks of a migrated server bootable on the target (inside "
                      "the conversion appliance).");
  flags.String("job", &options.job, "job.json: source disks and network cards");
  flags.String("root", &options.root, "convert this file tree instead of the virtio disks");
  flags.String("result", &options.result, "file or device that gets one JSON object a line");
  flags.String("mount-point", &options.mount_point, "where the guest is mounted");
  flags.Bool("dry-run", &options.dry_run, "plan only, change nothing");
  flags.Bool("regenerate", &options.regenerate,
             "the guest's own tools make its initramfs again (in a sandbox; needs root)");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-convert: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  if (options.job.empty() && options.root.empty()) {
    std::fprintf(stderr, "godwit-convert: --job or --root is needed; see --help\n");
    return 2;
  }
  Report report(options.result);
  if (!report.valid()) {
    std::fprintf(stderr, "godwit-convert: cannot write %s\n", options.result.c_str());
    return 1;
  }
  Outcome outcome;
  const absl::Status status = Convert(options, report, &outcome);
  nlohmann::json last = {{"event", "result"}, {"task", ToJson(outcome)}};
  if (!status.ok()) {
    last["error"] = {{"code", static_cast<int>(status.code())},
                     {"message", std::string(status.message())}};
  }
  // Not an answer yet: the host makes the disk larger and asks again.
  if (outcome.boot_disk_bytes != 0) last["bootDiskBytes"] = outcome.boot_disk_bytes;
  report.Line(last);
  return status.ok() ? 0 : 1;
}
