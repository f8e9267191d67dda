#include "services/replication/worker/engine/commit_facts.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::worker {
namespace {

namespace pb = ::godwit::replication::v1;

// 2200: what nanoseconds since 1970 in 64 bits can hold, with room.
constexpr std::int64_t kLastSecond = 7258118400;
constexpr std::int32_t kNanos = 1000000000;
// File systems are never frozen for longer than seconds.
constexpr std::int64_t kLongestFreezeSeconds = 3600;

absl::StatusOr<absl::Time> ToTime(const char* field, const google::protobuf::Timestamp& time) {
  if (time.seconds() < 0 || time.seconds() > kLastSecond || time.nanos() < 0 ||
      time.nanos() >= kNanos) {
    return absl::InvalidArgumentError(
        absl::StrCat("epoch_commit.", field, ": is no time from 1970 to 2200"));
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

absl::StatusOr<store::PointFacts> FactsOf(const pb::EpochCommit& commit) {
  if (!commit.request_id().empty())
    RETURN_IF_ERROR(CheckUuid("epoch_commit.request_id", commit.request_id()));
  if (!pb::Point::Consistency_IsValid(commit.consistency()) || commit.consistency() == 0)
    return absl::InvalidArgumentError("epoch_commit.consistency: is none of the kinds of points");
  const google::protobuf::Duration& freeze = commit.freeze_time();
  if (freeze.seconds() < 0 || freeze.seconds() > kLongestFreezeSeconds || freeze.nanos() < 0 ||
      freeze.nanos() >= kNanos) {
    return absl::InvalidArgumentError("epoch_commit.freeze_time: is not from 0 to one hour");
  }
  store::PointFacts facts{
      .epoch = commit.epoch(),
      .consistency = commit.consistency(),
      .freeze_time = absl::Seconds(freeze.seconds()) + absl::Nanoseconds(freeze.nanos()),
      .request_id = commit.request_id(),
      .root_hash_wanted = commit.root_hash(),
      // Somebody waits for a point that he asked for.
      .interim = commit.interim() && commit.request_id().empty()};
  ASSIGN_OR_RETURN(facts.cut_time, ToTime("cut_time", commit.cut_time()));
  if (commit.has_quiesce_time()) {
    ASSIGN_OR_RETURN(facts.quiesce_time, ToTime("quiesce_time", commit.quiesce_time()));
  }
  return facts;
}

}  // namespace godwit::worker
