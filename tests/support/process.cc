#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::testing {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(20);
constexpr std::size_t kMaxLogBytes = 256u << 20;

// In the child. Only what is allowed between fork and exec.
[[noreturn]] void Become(const std::vector<char*>& arguments, const std::vector<char*>& environment,
                         int log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

std::vector<std::string> Environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string name = std::string(*entry).substr(0, std::string(*entry).find('='));
    if (!changes.contains(name)) out.emplace_back(*entry);
  }
  for (const auto& [name, value] : changes) {
    if (!value.empty()) out.push_back(absl::StrCat(name, "=", value));
  }
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::string Program(absl::string_view name) {
  // Test programs and the programs under test are in the same folder.
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / std::string(name))
      .string();
}

absl::StatusOr<Process> Process::Start(Options options) {
  const Fd log(open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return ErrnoStatus(options.log);
  struct stat info {};
  fstat(log.get(), &info);
  std::vector<std::string> environment = Environment(options.environment);
  const std::vector<char*> arguments = Pointers(options.command);
  const std::vector<char*> variables = Pointers(environment);
  Process process;
  process.log_ = options.log;
  process.log_start_ = static_cast<std::size_t>(info.st_size);
  process.pid_ = fork();
  if (process.pid_ < 0) return ErrnoStatus("fork");
  if (process.pid_ == 0) Become(arguments, variables, log.get());
  return process;
}

Process::Process(Process&& other) noexcept { *this = std::move(other); }

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  Signal(SIGKILL);
  pid_ = std::exchange(other.pid_, -1);
  wait_status_ = other.wait_status_;
  ended_ = other.ended_;
  log_ = std::move(other.log_);
  log_start_ = other.log_start_;
  return *this;
}

Process::~Process() { Signal(SIGKILL); }

bool Process::Running() {
  if (pid_ <= 0 || ended_) return false;
  if (waitpid(pid_, &wait_status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

void Process::Signal(int signal) {
  if (!Running()) return;
  kill(pid_, signal);
  if (signal != SIGKILL) return;
  waitpid(pid_, &wait_status_, 0);
  ended_ = true;
}

absl::StatusOr<int> Process::Wait(absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (Running()) {
    if (absl::Now() > end)
      return absl::DeadlineExceededError(absl::StrCat("pid ", pid_, " still runs"));
    absl::SleepFor(kPoll);
  }
  return wait_status_;
}

absl::StatusOr<int> Process::Terminate(absl::Duration patience) {
  Signal(SIGTERM);
  absl::StatusOr<int> status = Wait(patience);
  if (!status.ok()) Signal(SIGKILL);
  return status;
}

std::string Process::Log() const {
  const absl::StatusOr<std::string> text = ReadFile(log_, kMaxLogBytes);
  return text.ok() && text->size() > log_start_ ? text->substr(log_start_) : "";
}

absl::StatusOr<std::string> Process::WaitForLog(absl::string_view message, absl::string_view field,
                                                absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (true) {
    const bool running = Running();
    for (const absl::string_view line : absl::StrSplit(Log(), '\n', absl::SkipEmpty())) {
      const nlohmann::json entry = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
      if (entry.is_object() && entry.value("msg", "") == std::string(message) &&
          entry.contains(std::string(field)) && entry[std::string(field)].is_string()) {
        return entry[std::string(field)].get<std::string>();
      }
    }
    if (!running)
      return absl::AbortedError(absl::StrCat("ended before \"", message, "\":\n", Log()));
    if (absl::Now() > end)
      return absl::DeadlineExceededError(absl::StrCat("no \"", message, "\":\n", Log()));
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<int> Process::WaitForPort(absl::Duration patience) {
  ASSIGN_OR_RETURN(const std::string text, WaitForLog("serving", "port", patience));
  int port = 0;
  if (!absl::SimpleAtoi(text, &port)) return absl::InternalError(absl::StrCat("port: ", text));
  return port;
}

TempDir::TempDir() : TempDir(std::filesystem::temp_directory_path().string()) {}

TempDir::TempDir(const std::string& parent) {
  std::string pattern = absl::StrCat(parent, "/godwit-test-XXXXXX");
  GODWIT_CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::operator/(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

}  // namespace godwit::testing
