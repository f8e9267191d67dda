#include "services/jobs/targets/qemu/accelerator.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/json_log.h"
#include "services/jobs/targets/qemu/process.h"

namespace godwit::jobs {
namespace {

constexpr char kCacheFile[] = ".accelerator";

// What the answer depends on: this boot of the host and this kernel file.
std::string CacheKey(const std::string& kernel) {
  struct stat info {};
  if (stat(kernel.c_str(), &info) != 0) return "";
  const auto boot = ReadFile("/proc/sys/kernel/random/boot_id", 128);
  if (!boot.ok()) return "";
  return absl::StrCat(boot->substr(0, 36), " ", info.st_ino, " ", info.st_size, " ",
                      info.st_mtim.tv_sec);
}

bool BootsUnderKvm(const AcceleratorOptions& options) {
  const auto result = RunCommand({"qemu-system-x86_64",
                                  "-nodefaults",
                                  "-no-user-config",
                                  "-machine",
                                  "q35",
                                  "-accel",
                                  "kvm",
                                  "-cpu",
                                  "host",
                                  "-m",
                                  "256M",
                                  "-display",
                                  "none",
                                  "-no-reboot",
                                  "-serial",
                                  "stdio",
                                  "-kernel",
                                  options.probe_kernel,
                                  "-append",
                                  "console=ttyS0 panic=-1 root=/dev/none"},
                                 options.deadline);
  if (!result.ok()) {
    Log(Severity::kInfo, "KVM probe did not finish",
        {{"error", std::string(result.status().message())}});
    return false;
  }
  return absl::StrContains(result->output, "Unable to mount root fs") ||
         absl::StrContains(result->output, "Cannot open root device");
}

}  // namespace

std::string ProbeAccelerator(const AcceleratorOptions& options) {
  if (options.choice == AcceleratorChoice::kKvm) return "kvm";
  if (options.choice == AcceleratorChoice::kTcg) return "tcg";
  if (access("/dev/kvm", R_OK | W_OK) != 0) return "tcg";
  const std::string key = CacheKey(options.probe_kernel);
  if (key.empty()) {
    Log(Severity::kWarning, "KVM cannot be proved without a probe kernel: machines are emulated",
        {{"probe_kernel", options.probe_kernel}});
    return "tcg";
  }
  const std::string cache = absl::StrCat(options.cache_dir, "/", kCacheFile);
  if (const auto kept = ReadFile(cache, 4096); kept.ok()) {
    if (*kept == absl::StrCat("kvm ", key)) return "kvm";
    if (*kept == absl::StrCat("tcg ", key)) return "tcg";
  }
  const std::string answer = BootsUnderKvm(options) ? "kvm" : "tcg";
  Log(Severity::kInfo, "KVM probed by a boot", {{"accelerator", answer}});
  WriteFileAtomically(cache, absl::StrCat(answer, " ", key)).IgnoreError();
  return answer;
}

}  // namespace godwit::jobs
