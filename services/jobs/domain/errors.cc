#include "services/jobs/domain/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace godwit::jobs {
namespace {

constexpr char kMark[] = "godwit.jobs/error-class";
constexpr char kJob[] = "godwit.jobs/job";
constexpr char kPause[] = "godwit.jobs/pause-ms";

absl::Status Marked(absl::Status status, absl::string_view mark) {
  status.SetPayload(kMark, absl::Cord(mark));
  return status;
}

}  // namespace

ErrorClass Classify(const absl::Status& status) {
  if (const auto mark = status.GetPayload(kMark); mark.has_value()) {
    if (*mark == "lost-lease") return ErrorClass::kLostLease;
    if (*mark == "stopping") return ErrorClass::kStopping;
    if (*mark == "cancelled") return ErrorClass::kCancelled;
    if (*mark == "waiting") return ErrorClass::kWaiting;
    return ErrorClass::kPermanent;
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return ErrorClass::kRetryable;
    default:
      return ErrorClass::kPermanent;
  }
}

absl::Status LostLease() {
  return Marked(absl::AbortedError("another runner has the run"), "lost-lease");
}
absl::Status Stopping() { return Marked(absl::UnavailableError("shutting down"), "stopping"); }
absl::Status Waiting(absl::Duration pause, absl::string_view why) {
  absl::Status status = Marked(absl::UnavailableError(why), "waiting");
  status.SetPayload(kPause, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(pause))));
  return status;
}
absl::Duration PauseOf(const absl::Status& waiting) {
  std::int64_t milliseconds = 0;
  const auto pause = waiting.GetPayload(kPause);
  if (!pause.has_value() || !absl::SimpleAtoi(std::string(*pause), &milliseconds)) {
    milliseconds = 1000;
  }
  return absl::Milliseconds(milliseconds);
}
absl::Status CancelRequested() {
  return Marked(absl::CancelledError("cancelled by request"), "cancelled");
}
absl::Status Permanent(absl::Status status) { return Marked(std::move(status), "permanent"); }

absl::Status WithJob(absl::Status status, absl::string_view job_id) {
  status.SetPayload(kJob, absl::Cord(job_id));
  return status;
}

std::string JobOf(const absl::Status& status) {
  const auto job = status.GetPayload(kJob);
  return job.has_value() ? std::string(*job) : "";
}

std::string ReasonOf(absl::string_view message) {
  for (const absl::string_view part : absl::StrSplit(message, ": ")) {
    const bool word =
        part.size() > 3 &&
        part.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == absl::string_view::npos;
    if (word) return std::string(part);
  }
  return "";
}

}  // namespace godwit::jobs
