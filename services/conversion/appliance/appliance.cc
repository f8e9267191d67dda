#include "services/conversion/appliance/appliance.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/appliance/disk_keys.h"
#include "services/conversion/appliance/job_json.h"
#include "services/conversion/appliance/results.h"
#include "services/conversion/appliance/supplies.h"
#include "services/conversion/converter/cpio.h"

namespace godwit::conversion {
namespace fs = std::filesystem;
namespace {

constexpr char kQemu[] = "qemu-system-x86_64";
constexpr std::size_t kConsoleTail = 64 * 1024;
constexpr off_t kMaxConsole = off_t{64} << 20;
constexpr absl::Duration kPoll = absl::Milliseconds(100);

// A path in a QEMU option: commas are doubled.
std::string Quoted(const std::string& path) {
  std::string quoted;
  for (const char c : path) {
    quoted.push_back(c);
    if (c == ',') quoted.push_back(c);
  }
  return quoted;
}

// The child dies with us and inherits `fds`; its own messages go to `log`.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, const std::vector<int>& fds,
                            const std::string& log) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const Fd out(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out.valid()) return ErrnoStatus(log);
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(null.get(), 0);
    dup2(out.get(), 1);
    dup2(out.get(), 2);
    for (const int fd : fds) fcntl(fd, F_SETFD, 0);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

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

}  // namespace

absl::StatusOr<Appliance> Appliance::Open(ApplianceOptions options) {
  const absl::StatusOr<std::string> version = ReadFile(options.folder + "/version", 256);
  if (!version.ok()) {
    return absl::NotFoundError(
        absl::StrCat(options.folder.empty() ? "(no folder)" : options.folder,
                     ": no conversion appliance; make one with build_appliance.sh"));
  }
  return Appliance(std::move(options), std::string(absl::StripAsciiWhitespace(*version)));
}

absl::StatusOr<std::vector<std::string>> Appliance::Command(
    const std::string& work_folder, std::vector<crypt::QemuImage>& disks) const {
  std::vector<std::string> command = {
      kQemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-sandbox",
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-machine",
      "q35,usb=off", "-m",
      // LUKS 2 takes up to 1 GiB to open, as its header says.
      absl::StrCat(options_.disk_keys_folder.empty() ? options_.memory_mib
                                                     : std::max(options_.memory_mib, 2048)),
      "-smp", "1", "-kernel", options_.folder + "/vmlinuz", "-initrd", work_folder + "/initrd",
      "-append", "console=ttyS0 panic=-1 quiet loglevel=4", "-chardev",
      absl::StrCat("file,id=console,path=", Quoted(work_folder + "/console.log")), "-device",
      "isa-serial,chardev=console", "-chardev",
      absl::StrCat("file,id=result,path=", Quoted(work_folder + "/result.jsonl")), "-device",
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
      nlohmann::json blockdev = nlohmann::json::parse(disks[i].Blockdev());
      blockdev["node-name"] = absl::StrCat("disk", i);
      blockdev["discard"] = "unmap";
      blockdev["file"]["locking"] = "on";
      command.insert(command.end(), {"-blockdev", blockdev.dump()});
    } else {
      command.insert(
          command.end(),
          {"-drive",
           absl::StrCat("if=none,id=disk", i,
                        ",format=qcow2,cache=writeback,discard=unmap,file.locking=on,file=",
                        Quoted(disks[i].chain().front().path))});
    }
    command.insert(command.end(), {"-device", absl::StrCat("virtio-blk-pci,drive=disk", i)});
  }
  if (!options_.supplies_image.empty()) {
    command.insert(
        command.end(),
        {"-drive",
         absl::StrCat("if=none,id=supplies,format=raw,read-only=on,file.locking=off,file=",
                      Quoted(options_.supplies_image)),
         "-device", absl::StrCat("virtio-blk-pci,drive=supplies,serial=", kSuppliesSerial)});
  }
  return command;
}

ApplianceResult Appliance::Run(const conversion::v1::ConversionTask& task,
                               const std::string& work_folder, absl::Duration timeout,
                               const std::atomic<bool>& cancel,
                               const std::function<void(const std::string&)>& progress) const {
  ApplianceResult result;
  result.task.set_appliance_version(version_);
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
    job.File("job.json", JobJson(task));
    RETURN_IF_ERROR(AddDiskKeys(options_.disk_keys_folder, &job));
    RETURN_IF_ERROR(WriteFileAtomically(folder + "/initrd", absl::StrCat(appliance, job.Finish())));
    const absl::Time end = absl::Now() + timeout;
    ASSIGN_OR_RETURN(const std::vector<std::string> command, Command(folder, disks));
    ASSIGN_OR_RETURN(const pid_t child, Spawn(command, secrets, folder + "/qemu.log"));
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
      if (failed.ok() && SizeOf(folder + "/console.log") > kMaxConsole) {
        failed = absl::ResourceExhaustedError("the appliance's console says more than 64 MiB");
      }
      if (failed.ok() && cancel) failed = absl::CancelledError("cancelled");
      if (failed.ok() && absl::Now() > end) {
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
    const absl::Status said = reader.Result(&result.task);
    // The profile says it, not the appliance.
    auto& hints = *result.task.mutable_hints();
    const auto& target = task.target();
    hints.set_disk_bus(target.disk_bus().empty() ? "virtio" : target.disk_bus());
    hints.set_nic_model(target.nic_model().empty() ? "virtio" : target.nic_model());
    if (said.ok() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
      return absl::InternalError(
          absl::StrCat("the appliance died after its result: ", Tail(folder + "/qemu.log", 500)));
    }
    if (absl::IsInternal(said)) {
      return absl::InternalError(
          absl::StrCat(said.message(), "; ", Tail(folder + "/qemu.log", 500)));
    }
    return said;
  };
  result.status = run();
  result.task.set_console_tail(Tail(folder + "/console.log", kConsoleTail));
  std::error_code error;
  fs::remove_all(folder, error);
  return result;
}

}  // namespace godwit::conversion
