#include "services/conversion/appliance/appliance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/appliance/disk_keys.h"
#include "services/conversion/appliance/grow_disk.h"
#include "services/conversion/appliance/job_json.h"
#include "services/conversion/appliance/machine_files.h"
#include "services/conversion/appliance/machine_process.h"
#include "services/conversion/appliance/results.h"
#include "services/conversion/appliance/supplies.h"
#include "services/conversion/converter/cpio.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr char kQemu[] = "qemu-system-x86_64";
constexpr std::size_t kConsoleTail = 64 * 1024;
constexpr absl::Duration kPoll = absl::Milliseconds(100);

// What was added to a file since `*at`.
std::string ReadMore(const std::string& path, off_t* at) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string bytes(65536, '\0');
  const ssize_t got = fd.valid() ? pread(fd.get(), bytes.data(), bytes.size(), *at) : 0;
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  *at += static_cast<off_t>(bytes.size());
  return bytes;
}

off_t SizeOf(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  return error ? 0 : static_cast<off_t>(size);
}

std::string Tail(const std::string& path, std::size_t size) {
  off_t at = std::max<off_t>(0, SizeOf(path) - static_cast<off_t>(size));
  std::string tail;
  for (std::string more; tail.size() < size && !(more = ReadMore(path, &at)).empty();) tail += more;
  // It becomes a string field: ASCII only.
  for (char& c : tail) {
    if (static_cast<unsigned char>(c) >= 0x80 || (c < 0x20 && c != '\n' && c != '\t')) c = '?';
  }
  return tail;
}

// What the kernel said last when it died of what it read.
std::string PanicOf(const std::string& folder) {
  const std::string console = Tail(folder + "/console.log", kConsoleTail);
  for (const char* word : {"Kernel panic", "BUG:", "Oops:", "Out of memory"}) {
    const std::size_t at = console.find(word);
    if (at != std::string::npos)
      return absl::StrCat("; the console says: ", console.substr(at, console.find('\n', at) - at));
  }
  return "";
}

}  // namespace

absl::StatusOr<Appliance> Appliance::Open(ApplianceOptions options) {
  const absl::StatusOr<std::string> version = ReadFile(options.folder + "/version", 256);
  if (!version.ok()) {
    return absl::NotFoundError(
        absl::StrCat(options.folder.empty() ? "(no folder)" : options.folder,
                     ": no conversion appliance; make one with build_appliance.sh"));
  }
  ASSIGN_OR_RETURN(const std::string packages, ReadFile(options.folder + "/packages", 65536));
  ASSIGN_OR_RETURN(std::vector<Script> scripts, LoadScripts(options.scripts_folder));
  return Appliance(std::move(options), std::string(absl::StripAsciiWhitespace(*version)),
                   absl::StrSplit(packages, '\n', absl::SkipEmpty()), std::move(scripts));
}

absl::StatusOr<std::vector<std::string>> Appliance::Command(const std::string& work_folder,
                                                            const std::string& initrd,
                                                            std::vector<crypt::QemuImage>& disks,
                                                            MachineFiles& files) const {
  ASSIGN_OR_RETURN(const std::string vmlinuz,
                   ReadFile(options_.folder + "/vmlinuz", std::size_t{64} << 20));
  ASSIGN_OR_RETURN(const std::string kernel_name, files.Bytes("vmlinuz", vmlinuz));
  ASSIGN_OR_RETURN(const std::string initrd_name, files.Bytes("initrd", initrd));
  ASSIGN_OR_RETURN(const std::string console, files.Output(work_folder + "/console.log"));
  ASSIGN_OR_RETURN(const std::string results, files.Output(work_folder + "/result.jsonl"));
  std::vector<std::string> command = {
      kQemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-machine",
      "q35,usb=off", "-m", absl::StrCat(MemoryMib()), "-smp", "1", "-kernel", kernel_name,
      "-initrd", initrd_name, "-append",
      // The kernel counts ticks of a timer against a delay: emulated on a busy host it panics.
      "console=ttyS0 panic=-1 quiet loglevel=4 no_timer_check", "-chardev",
      absl::StrCat("file,id=console,path=", console), "-device", "isa-serial,chardev=console",
      "-chardev", absl::StrCat("file,id=result,path=", results), "-device",
      "isa-serial,chardev=result"};
  if (options_.accelerator == "kvm") {
    command.insert(command.end(), {"-accel", "kvm", "-cpu", "host"});
  } else {
    command.insert(command.end(), {"-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"});
  }
  for (std::size_t i = 0; i < disks.size(); ++i) {
    if (disks[i].encrypted()) {
      ASSIGN_OR_RETURN(const std::vector<std::string> secret, disks[i].SecretArguments("-object"));
      command.insert(command.end(), secret.begin(), secret.end());
    }
    ASSIGN_OR_RETURN(const std::string blockdev, files.Disk(disks[i], absl::StrCat("disk", i)));
    command.insert(command.end(), {"-blockdev", blockdev});
    command.insert(command.end(), {"-device", absl::StrCat("virtio-blk-pci,drive=disk", i)});
  }
  if (!options_.supplies_image.empty()) {
    ASSIGN_OR_RETURN(const std::string supplies, files.Input(options_.supplies_image));
    command.insert(
        command.end(),
        {"-drive", absl::StrCat("if=none,id=supplies,format=raw,read-only=on,file=", supplies),
         "-device", absl::StrCat("virtio-blk-pci,drive=supplies,serial=", kSuppliesSerial)});
  }
  // Descriptors come before what names them.
  command.insert(command.begin() + 1, files.arguments().begin(), files.arguments().end());
  return command;
}

absl::Status Appliance::RunOnce(const std::string& folder, const std::string& initrd,
                                std::vector<crypt::QemuImage>& disks,
                                const std::vector<int>& secrets, absl::Time end,
                                absl::Duration timeout, const std::atomic<bool>& cancel,
                                const std::function<void(const std::string&)>& progress,
                                conversion::v1::ConversionTask* task,
                                std::uint64_t* boot_disk_bytes) const {
  std::error_code ignored;
  fs::remove(folder + "/result.jsonl", ignored);
  MachineFiles files;
  ASSIGN_OR_RETURN(const std::vector<std::string> command, Command(folder, initrd, disks, files));
  std::vector<int> inherited = files.fds();
  inherited.insert(inherited.end(), secrets.begin(), secrets.end());
  ASSIGN_OR_RETURN(const pid_t child, StartMachine(command, inherited, folder + "/qemu.log",
                                                   MachineLimits(timeout, MemoryMib())));
  ResultReader reader(progress);
  off_t at = 0;
  absl::Status failed;
  int status = 0;
  while (true) {
    const bool ended = waitpid(child, &status, WNOHANG) == child;
    for (std::string more;
         failed.ok() && !(more = ReadMore(folder + "/result.jsonl", &at)).empty();) {
      failed = reader.Take(more);
    }
    if (ended) break;
    if (failed.ok() && SizeOf(folder + "/console.log") > options_.max_console_bytes) {
      failed = absl::ResourceExhaustedError(absl::StrCat("the appliance's console says more than ",
                                                         options_.max_console_bytes >> 10, " KiB"));
    }
    if (failed.ok() && cancel) failed = absl::CancelledError("cancelled");
    if (failed.ok() && SteadyNow() > end) {
      failed = absl::DeadlineExceededError(
          absl::StrCat("the conversion took longer than ", absl::FormatDuration(timeout)));
    }
    if (!failed.ok()) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    absl::SleepFor(kPoll);
  }
  RETURN_IF_ERROR(failed);
  const absl::Status said = reader.Result(task);
  *boot_disk_bytes = reader.BootDiskBytes();
  if (said.ok() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
    return absl::InternalError(
        absl::StrCat("the appliance died after its result: ", Tail(folder + "/qemu.log", 500)));
  }
  if (absl::IsInternal(said)) {
    return absl::InternalError(absl::StrCat(
        said.message(),
        WIFSIGNALED(status) ? absl::StrCat("; signal ", WTERMSIG(status), " ended it") : "", "; ",
        Tail(folder + "/qemu.log", 500), PanicOf(folder)));
  }
  return said;
}

ApplianceResult Appliance::Run(const conversion::v1::ConversionTask& task,
                               const std::string& work_folder, absl::Duration timeout,
                               const std::atomic<bool>& cancel,
                               const std::function<void(const std::string&)>& progress) const {
  ApplianceResult result;
  result.task.set_appliance_version(version_);
  for (const std::string& package : packages_) result.task.add_appliance_packages(package);
  const std::string folder =
      absl::StrCat(work_folder, "/appliance-", getpid(), "-", absl::ToUnixNanos(absl::Now()));
  const auto run = [&]() -> absl::Status {
    if (task.disks_size() < 1 || task.disks_size() > 26) {
      return absl::InvalidArgumentError("disks: 1 to 26 can be converted at once");
    }
    for (int i = 0; i < task.disks_size(); ++i) {
      if (!absl::StartsWith(task.disks(i).path(), "/")) {
        return absl::InvalidArgumentError(
            absl::StrCat("disks[", i, "].path: an absolute path is needed"));
      }
    }
    std::vector<crypt::QemuImage> disks;
    std::vector<int> secrets;
    for (int i = 0; i < task.disks_size(); ++i) {
      ASSIGN_OR_RETURN(crypt::QemuImage image,
                       crypt::QemuImage::Open(task.disks(i).path(), options_.master_key_file,
                                              absl::StrCat("secret", i)));
      ASSIGN_OR_RETURN(const int secret, image.SecretFd());
      if (secret >= 0) secrets.push_back(secret);
      disks.push_back(std::move(image));
    }
    RETURN_IF_ERROR(MakeDirs(folder, 0700));
    // The kernel unpacks both archives: the appliance and, behind it, the job.
    ASSIGN_OR_RETURN(const std::string appliance,
                     ReadFile(options_.folder + "/appliance.cpio", std::size_t{512} << 20));
    convert::CpioWriter job;
    job.File("job.json", JobJson(task, scripts_));
    RETURN_IF_ERROR(AddDiskKeys(options_.disk_keys_folder, &job));
    const std::string initrd = absl::StrCat(appliance, job.Finish());
    const absl::Time end = SteadyNow() + timeout;
    const auto once = [&](std::uint64_t* boot_disk_bytes) {
      return RunOnce(folder, initrd, disks, secrets, end, timeout, cancel, progress, &result.task,
                     boot_disk_bytes);
    };
    std::uint64_t boot_disk_bytes = 0;
    absl::Status status = once(&boot_disk_bytes);
    if (boot_disk_bytes != 0 && task.mode() == conversion::v1::ConversionTask::APPEND) {
      progress("making room for an EFI system partition");
      RETURN_IF_ERROR(GrowDisk(disks[0], boot_disk_bytes));
      status = once(&boot_disk_bytes);
    }
    // The profile says it, not the appliance.
    auto& hints = *result.task.mutable_hints();
    const auto& target = task.target();
    hints.set_disk_bus(target.disk_bus().empty() ? "virtio" : target.disk_bus());
    hints.set_nic_model(target.nic_model().empty() ? "virtio" : target.nic_model());
    return status;
  };
  result.status = run();
  result.task.set_console_tail(Tail(folder + "/console.log", kConsoleTail));
  std::error_code error;
  fs::remove_all(folder, error);
  return result;
}

}  // namespace godwit::conversion
