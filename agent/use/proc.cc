#include "agent/use/proc.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"

namespace godwit::agent {
namespace {

// user, nice, system, idle, iowait, irq, softirq, steal. What follows (guests) is in user already.
constexpr std::size_t kFields = 8;
constexpr std::size_t kIdle = 3, kWaiting = 4;
constexpr std::int64_t kMostKibibytes = std::int64_t{1} << 44;

// Fields that an old kernel does not have are 0.
std::optional<CpuTimes> TimesOf(absl::string_view line) {
  CpuTimes out;
  std::size_t field = 0;
  for (const absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    std::int64_t ticks = 0;
    if (field == kFields) break;
    if (!absl::SimpleAtoi(word, &ticks) || ticks < 0 || ticks >= std::int64_t{1} << 56) return {};
    (field == kIdle || field == kWaiting ? out.idle : out.busy) += ticks;
    ++field;
  }
  return field > kIdle ? std::optional(out) : std::nullopt;
}

}  // namespace

absl::StatusOr<CpuTimes> ParseCpuTimes(absl::string_view stat) {
  std::optional<CpuTimes> all;
  int cores = 0;
  for (absl::string_view line : absl::StrSplit(stat, '\n')) {
    // They come first.
    if (!absl::ConsumePrefix(&line, "cpu")) break;
    if (!line.empty() && absl::ascii_isdigit(static_cast<unsigned char>(line[0]))) {
      ++cores;
    } else if (!all) {
      all = TimesOf(line);
    }
  }
  if (!all || cores == 0) return absl::InvalidArgumentError("stat: times of CPUs are missing");
  all->core_count = cores;
  return *all;
}

absl::StatusOr<MemoryUse> ParseMemoryUse(absl::string_view meminfo) {
  std::optional<std::int64_t> total, available, free, buffers, cached;
  const std::array<std::pair<absl::string_view, std::optional<std::int64_t>*>, 5> wanted = {
      {{"MemTotal:", &total},
       {"MemAvailable:", &available},
       {"MemFree:", &free},
       {"Buffers:", &buffers},
       {"Cached:", &cached}}};
  for (const absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    for (const auto& [name, figure] : wanted) {
      absl::string_view rest = line;
      std::int64_t kibibytes = 0;
      if (!absl::ConsumePrefix(&rest, name) || !absl::ConsumeSuffix(&rest, " kB")) continue;
      if (absl::SimpleAtoi(rest, &kibibytes) && kibibytes >= 0 && kibibytes <= kMostKibibytes)
        *figure = kibibytes << 10;
    }
  }
  if (!available && free && buffers && cached) available = *free + *buffers + *cached;
  if (!total || !available || *total == 0)
    return absl::InvalidArgumentError("meminfo: MemTotal or MemAvailable is missing");
  return MemoryUse{.total_bytes = *total,
                   .used_bytes = std::max<std::int64_t>(*total - *available, 0)};
}

absl::StatusOr<absl::string_view> ReadHead(const std::string& path, std::string* buffer) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(path);
  std::size_t size = 0;
  while (size < buffer->size()) {
    const ssize_t got = read(fd.get(), buffer->data() + size, buffer->size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return absl::string_view(buffer->data(), size);
}

}  // namespace godwit::agent
