#include "services/replication/coordinator/domain/verification.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit::coordinator {
namespace {

// A longer silence says nothing of what the agent could have done meanwhile.
constexpr absl::Duration kMostSilence = absl::Seconds(30);
constexpr std::int64_t kMostCount = std::int64_t{1} << 60;

std::int64_t Sum(std::int64_t a, std::int64_t b) { return std::min(a + b, kMostCount); }

// Whether the agent counts on from where it was; a new process begins with 0.
bool SameProcess(const Server& before, const AgentVerification& report) {
  if (report.difference_count < before.agent_difference_count) return false;
  if (before.agent_difference_count == 0 || before.differences.empty()) return true;
  const std::int64_t grown = report.difference_count - before.agent_difference_count;
  const auto listed = static_cast<std::int64_t>(report.differences.size());
  // What was the newest must be there still, unless newer ones pushed it out.
  return grown >= listed || report.differences[static_cast<std::size_t>(listed - 1 - grown)] ==
                                before.differences.back();
}

}  // namespace

Found NewDifferences(const Server& before, const AgentVerification& report) {
  Found out{.count = report.difference_count};
  if (SameProcess(before, report)) out.count -= before.agent_difference_count;
  const auto rows = std::min<std::int64_t>(out.count, std::ssize(report.differences));
  out.rows.assign(report.differences.end() - rows, report.differences.end());
  return out;
}

void TakeOver(const AgentVerification& report, const Found& found, absl::Time now, Server& server) {
  // No agent's clock makes a replica verified in the future.
  if (report.pass_end_time) server.verified_time = std::min(*report.pass_end_time, now);
  server.agent_difference_count = report.difference_count;
  server.difference_count = Sum(server.difference_count, found.count);
  server.differences.insert(server.differences.end(), found.rows.begin(), found.rows.end());
  const auto surplus = std::max<std::int64_t>(
      std::ssize(server.differences) - static_cast<std::int64_t>(kNewestDifferences), 0);
  server.differences.erase(server.differences.begin(), server.differences.begin() + surplus);
}

void Fail(absl::string_view why, absl::Time now, Verification& verification) {
  verification.state = VerificationState::kFailed;
  verification.error_message = std::string(why);
  if (!verification.end_time) verification.end_time = now;
}

void Advance(const Seen& seen, Verification& verification) {
  if (verification.state == VerificationState::kWaiting) {
    if (!seen.able) return;
    verification.state = VerificationState::kComparing;
    verification.start_time = verification.progress_time = seen.now;
    if (seen.report) verification.total_bytes = seen.report->total_bytes;
    return;
  }
  if (verification.state != VerificationState::kComparing) return;
  bool moves = false;
  if (seen.report) {
    const AgentVerification& report = *seen.report;
    verification.difference_count = Sum(verification.difference_count, seen.found.count);
    for (const Difference& row : seen.found.rows) {
      if (verification.differences.size() < kMostDifferences)
        verification.differences.push_back(row);
    }
    moves = verification.compared_bytes != report.compared_bytes ||
            verification.total_bytes != report.total_bytes || seen.found.count > 0;
    verification.compared_bytes = report.compared_bytes;
    verification.total_bytes = report.total_bytes;
    if (report.finished_request_id == verification.id) {
      verification.state = VerificationState::kMakingPoint;
      verification.compared_bytes = report.finished_compared_bytes;
      verification.start_time =
          std::min(report.finished_start_time.value_or(*verification.start_time), seen.now);
      verification.end_time = std::clamp(report.finished_end_time.value_or(seen.now),
                                         *verification.start_time, seen.now);
      verification.progress_time = seen.now;
      return;
    }
  }
  if (seen.now - *verification.start_time > kMostTime) {
    Fail(absl::StrCat("not finished after ", absl::ToInt64Hours(kMostTime) / 24, " days"), seen.now,
         verification);
  } else if (moves) {
    verification.progress_time = seen.now;
    verification.idle = absl::ZeroDuration();
  } else if (seen.able) {
    verification.idle += std::min(seen.silence, kMostSilence);
    if (verification.idle > kMostIdle) {
      Fail(absl::StrCat("the agent compared nothing for ", absl::FormatDuration(kMostIdle)),
           seen.now, verification);
    }
  }
}

std::string CauseWord(int cause) {
  return cause == 1 ? "CONTENT_DIFFERS" : cause == 2 ? "STAGING_DAMAGED" : "UNKNOWN";
}

std::string WriteDifferences(const std::vector<Difference>& differences) {
  std::string out;
  for (const Difference& row : differences) {
    absl::StrAppend(&out, row.disk_id, " ", row.offset_bytes, " ", row.size_bytes, " ",
                    absl::ToUnixMicros(row.found_time), " ", row.cause, "\n");
  }
  return out;
}

std::vector<Difference> ReadDifferences(absl::string_view text) {
  std::vector<Difference> out;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    Difference row;
    std::int64_t micros = 0;
    if (parts.size() != 5 || !absl::SimpleAtoi(parts[1], &row.offset_bytes) ||
        !absl::SimpleAtoi(parts[2], &row.size_bytes) || !absl::SimpleAtoi(parts[3], &micros) ||
        !absl::SimpleAtoi(parts[4], &row.cause)) {
      continue;
    }
    row.disk_id = std::string(parts[0]);
    row.found_time = absl::FromUnixMicros(micros);
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace godwit::coordinator
