#include "agent/commands/system.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/state/installation.h"
#include "agent/tracker/ebpf_tracker.h"
#include "agent/unit_text.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHookFolders[] = {"/etc/godwit/quiesce.d", "/etc/godwit/resume.d"};

absl::Status CopyFile(const std::string& from, const std::string& to, unsigned mode) {
  const Fd in(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid()) return ErrnoStatus(from);
  const std::string temporary = to + ".new";
  {
    const Fd out(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!out.valid()) return ErrnoStatus(temporary);
    struct stat info;
    if (fstat(in.get(), &info) != 0) return ErrnoStatus(from);
    for (off_t left = info.st_size; left > 0;) {
      const ssize_t copied = sendfile(out.get(), in.get(), nullptr, static_cast<std::size_t>(left));
      if (copied <= 0) return ErrnoStatus(temporary);
      left -= copied;
    }
    if (fchmod(out.get(), mode) != 0 || fsync(out.get()) != 0) return ErrnoStatus(temporary);
  }
  // A program that runs keeps its old file.
  if (rename(temporary.c_str(), to.c_str()) != 0) return ErrnoStatus(to);
  return absl::OkStatus();
}

}  // namespace

bool HasSystemd() {
  std::error_code error;
  return fs::exists("/run/systemd/system", error);
}

absl::Status Systemctl(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"systemctl"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  const Fd read_end(pipe_fds[0]);
  Fd write_end(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), 2);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, "systemctl", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  write_end.Reset();
  if (failed != 0) {
    errno = failed;
    return ErrnoStatus("systemctl");
  }
  std::string output;
  char buffer[4096];
  for (ssize_t got; (got = read(read_end.get(), buffer, sizeof buffer)) > 0;) {
    if (output.size() < 65536) output.append(buffer, static_cast<std::size_t>(got));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(words, " "), ": ", absl::StripAsciiWhitespace(output)));
}

absl::Status PlaceProgram() {
  std::error_code error;
  const std::string self = fs::read_symlink("/proc/self/exe", error).string();
  RETURN_IF_ERROR(MakeDirs(fs::path(kBinary).parent_path().string()));
  if (self != kBinary) RETURN_IF_ERROR(CopyFile(self, kBinary, 0755));
  for (const char* folder : kHookFolders) RETURN_IF_ERROR(MakeDirs(folder));
  if (!HasSystemd()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteFileAtomically(kUnit, kUnitText, 0644));
  return Systemctl({"daemon-reload"});
}

absl::Status RemoveProgram() {
  std::error_code error;
  if (HasSystemd() && fs::exists(kUnit, error)) {
    Systemctl({"disable", "godwit-agent.service"}).IgnoreError();
  }
  absl::Status status;
  const auto remove = [&](const std::string& path) {
    fs::remove_all(path, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      status.Update(absl::InternalError(absl::StrCat(path, ": ", error.message())));
    }
  };
  remove(kUnit);
  if (HasSystemd()) Systemctl({"daemon-reload"}).IgnoreError();
  remove(kBinary);
  remove(kStateFolder);
  remove(kRunFolder);
  // Those that hold hooks stay.
  for (const char* folder : kHookFolders) fs::remove(folder, error);
  fs::remove(fs::path(kHookFolders[0]).parent_path(), error);
  status.Update(RemoveAllPins());
  return status;
}

}  // namespace godwit::agent
