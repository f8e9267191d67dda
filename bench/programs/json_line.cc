#include "bench/programs/json_line.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/signals.h"

namespace godwit::bench {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Seconds of processor time by the names of threads.
std::map<std::string, double> Threads() {
  std::map<std::string, double> seconds;
  std::error_code error;
  const double tick = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    // pid (name) state ppid ... utime stime: fields 14 and 15; the name may have spaces in it.
    const std::size_t open = line.find('('), close = line.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    const std::vector<std::string> fields = absl::StrSplit(line.substr(close + 2), ' ');
    std::int64_t user = 0, system = 0;
    if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
        !absl::SimpleAtoi(fields[12], &system)) {
      continue;
    }
    seconds[line.substr(open + 1, close - open - 1)] += static_cast<double>(user + system) / tick;
  }
  return seconds;
}

}  // namespace

void Print(const std::string& event, nlohmann::json line) {
  static std::mutex mutex;
  line["event"] = event;
  line["time"] = static_cast<double>(absl::ToUnixMicros(absl::Now())) / 1e6;
  const std::string text = line.dump() + "\n";
  const std::lock_guard lock(mutex);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

nlohmann::json Usage() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {{"user_seconds", Seconds(usage.ru_utime)},
          {"system_seconds", Seconds(usage.ru_stime)},
          {"peak_kib", usage.ru_maxrss},
          {"threads", Threads()}};
}

int Main(Flags& flags, int argc, char** argv, const std::function<absl::Status()>& run) {
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "%s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  LeaveOutMutexChecks();
  BlockShutdownSignals();
  InitLog("bench");
  const absl::Status status = run();
  if (status.ok()) return 0;
  Log(Severity::kError, "cannot run", {{"error", status.ToString()}});
  return 1;
}

std::optional<std::vector<std::string>> Orders::Next(absl::Duration patience) {
  for (const absl::Time end = absl::Now() + patience;;) {
    if (const std::size_t line = buffer_.find('\n'); line != std::string::npos) {
      const std::string text = buffer_.substr(0, line);
      buffer_.erase(0, line + 1);
      return std::vector<std::string>(absl::StrSplit(text, ' ', absl::SkipWhitespace()));
    }
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return std::vector<std::string>{};
    // Short, so that a signal is seen soon.
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const absl::Duration slice = std::min(left, absl::Milliseconds(50));
    if (poll(&input, 1, static_cast<int>(absl::ToInt64Milliseconds(slice) + 1)) > 0) {
      char bytes[4096];
      const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
      if (got <= 0) return std::nullopt;
      buffer_.append(bytes, static_cast<std::size_t>(got));
    } else if (WaitForShutdownSignal(absl::ZeroDuration())) {
      return std::nullopt;
    }
  }
}

}  // namespace godwit::bench
