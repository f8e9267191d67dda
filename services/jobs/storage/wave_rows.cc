#include "services/jobs/storage/wave_rows.h"

#include "services/common/base/status_macros.h"
#include "services/jobs/storage/codec.h"
#include "services/jobs/storage/rows.h"
#include "services/jobs/storage/wave_codec.h"

namespace godwit::jobs {
namespace {

constexpr std::size_t kMostText = 4096;

constexpr pg::Statement kGroups = {
    "wave_groups",
    "SELECT application, display_name, state, reason, needs_approval, approved_by, checks, "
    "check_timeout_ms, (extract(epoch FROM check_start) * 1e6)::bigint, checks_passed, "
    "(extract(epoch FROM start_time) * 1e6)::bigint, (extract(epoch FROM end_time) * 1e6)::bigint "
    "FROM jobs.wave_group WHERE run_id = $1 ORDER BY index"};
constexpr pg::Statement kMembers = {
    "wave_members",
    "SELECT group_index, server, hostname, state, reason, job, remove_job, attempt, left_behind, "
    "(extract(epoch FROM start_time) * 1e6)::bigint, (extract(epoch FROM end_time) * 1e6)::bigint "
    "FROM jobs.wave_member WHERE run_id = $1 ORDER BY group_index, index"};
constexpr pg::Statement kInsertGroup = {
    "wave_insert_group",
    "INSERT INTO jobs.wave_group (run_id, index, application, display_name, needs_approval, "
    "checks, check_timeout_ms) VALUES ($1, $2::int, $3, $4, $5::bool, $6::jsonb, $7::bigint)"};
constexpr pg::Statement kInsertMember = {
    "wave_insert_member",
    "INSERT INTO jobs.wave_member (run_id, group_index, index, server, hostname, state, reason, "
    "job) VALUES ($1, $2::int, $3::int, $4, $5, $6::smallint, $7, $8)"};
constexpr pg::Statement kSaveRun = {
    "wave_save_run",
    "UPDATE jobs.wave_run SET state = $2::smallint, reason = $3, leave_jobs = $4::bool, "
    "start_time = to_timestamp($5::bigint / 1e6), state_time = to_timestamp($6::bigint / 1e6), "
    "end_time = to_timestamp($7::bigint / 1e6), version = version + 1 WHERE run_id = $1"};
constexpr pg::Statement kSaveGroup = {
    "wave_save_group",
    "UPDATE jobs.wave_group SET state = $3::smallint, reason = $4, approved_by = $5, "
    "check_start = to_timestamp($6::bigint / 1e6), checks_passed = $7::bool, "
    "start_time = to_timestamp($8::bigint / 1e6), end_time = to_timestamp($9::bigint / 1e6) "
    "WHERE run_id = $1 AND index = $2::int"};
constexpr pg::Statement kSaveMember = {
    "wave_save_member",
    "UPDATE jobs.wave_member SET state = $3::smallint, reason = $4, job = $5, remove_job = $6, "
    "attempt = $7::int, left_behind = $8::bool, start_time = to_timestamp($9::bigint / 1e6), "
    "end_time = to_timestamp($10::bigint / 1e6) WHERE run_id = $1 AND server = $2"};
constexpr pg::Statement kAppend = {
    "wave_event_append",
    "WITH numbered AS (UPDATE jobs.wave_run SET event_count = event_count + 1 "
    "WHERE run_id = $1 RETURNING event_count) "
    "INSERT INTO jobs.wave_event (run_id, sequence, type, application, server, message) "
    "SELECT $1, event_count, $2::smallint, $3, $4, $5 FROM numbered"};

std::string Bool(bool value) { return value ? "true" : "false"; }
pg::Param MicrosOf(const std::optional<absl::Time>& time) {
  return time ? pg::Param(pg::Micros(*time)) : std::nullopt;
}

absl::Status SaveGroup(pg::Transaction& transaction, const std::string& run_id, int index,
                       const WaveGroup& before, const WaveGroup& after) {
  for (std::size_t m = 0; m < after.members.size(); ++m) {
    const WaveMember& member = after.members[m];
    if (member == before.members[m]) continue;
    RETURN_IF_ERROR(transaction.Exec(
        kSaveMember,
        {run_id, member.server, EnumParam(member.state), Clean(member.reason, kMostText),
         member.job, member.remove_job, Number(member.attempt), Bool(member.left_behind),
         MicrosOf(member.start_time), MicrosOf(member.end_time)}));
  }
  if (after == before) return absl::OkStatus();
  return transaction
      .Exec(kSaveGroup,
            {run_id, Number(index), EnumParam(after.state), Clean(after.reason, kMostText),
             Clean(after.approved_by, 256), MicrosOf(after.check_start), Bool(after.checks_passed),
             MicrosOf(after.start_time), MicrosOf(after.end_time)})
      .status();
}

}  // namespace

absl::StatusOr<WaveRun> WaveRunFromRow(const pg::Result& rows, int row, std::int64_t* key) {
  const auto text = [&](int column) { return std::string(rows.Text(row, column)); };
  WaveRun run{.id = text(0),
              .kind = static_cast<WaveKind>(rows.Int(row, 2)),
              .state = static_cast<WaveState>(rows.Int(row, 3)),
              .reason = text(4),
              .wave = text(5),
              .wave_name = text(6),
              .initiated_by = text(7),
              .request = text(9),
              .leave_jobs = rows.Bool(row, 10),
              .create_time = rows.Time(row, 11).value_or(absl::UnixEpoch()),
              .state_time = rows.Time(row, 13).value_or(absl::UnixEpoch()),
              .start_time = rows.Time(row, 12),
              .end_time = rows.Time(row, 14),
              .version = rows.Int(row, 15)};
  *key = rows.Int(row, 1);
  ASSIGN_OR_RETURN(run.options, OptionsFromJson(rows.Text(row, 8)));
  return run;
}

absl::Status LoadGroups(pg::Connection& connection, WaveRun* run) {
  ASSIGN_OR_RETURN(const pg::Result groups, connection.Exec(kGroups, {run->id}));
  for (int row = 0; row < groups.rows(); ++row) {
    const auto text = [&](int column) { return std::string(groups.Text(row, column)); };
    WaveGroup group{.application = text(0),
                    .display_name = text(1),
                    .state = static_cast<GroupState>(groups.Int(row, 2)),
                    .reason = text(3),
                    .needs_approval = groups.Bool(row, 4),
                    .approved_by = text(5),
                    .check_timeout = absl::Milliseconds(groups.Int(row, 7)),
                    .check_start = groups.Time(row, 8),
                    .checks_passed = groups.Bool(row, 9),
                    .start_time = groups.Time(row, 10),
                    .end_time = groups.Time(row, 11)};
    ASSIGN_OR_RETURN(group.checks, ChecksFromJson(groups.Text(row, 6)));
    run->groups.push_back(std::move(group));
  }
  ASSIGN_OR_RETURN(const pg::Result members, connection.Exec(kMembers, {run->id}));
  for (int row = 0; row < members.rows(); ++row) {
    const auto text = [&](int column) { return std::string(members.Text(row, column)); };
    const auto at = static_cast<std::size_t>(members.Int(row, 0));
    if (at >= run->groups.size()) return absl::InternalError("a wave's member without a group");
    run->groups[at].members.push_back({.server = text(1),
                                       .hostname = text(2),
                                       .state = static_cast<MemberState>(members.Int(row, 3)),
                                       .reason = text(4),
                                       .job = text(5),
                                       .remove_job = text(6),
                                       .attempt = static_cast<int>(members.Int(row, 7)),
                                       .left_behind = members.Bool(row, 8),
                                       .start_time = members.Time(row, 9),
                                       .end_time = members.Time(row, 10)});
  }
  return absl::OkStatus();
}

absl::Status InsertGroups(pg::Transaction& transaction, const WaveRun& run) {
  for (std::size_t g = 0; g < run.groups.size(); ++g) {
    const WaveGroup& group = run.groups[g];
    RETURN_IF_ERROR(transaction.Exec(
        kInsertGroup,
        {run.id, Number(static_cast<int>(g)), group.application, Clean(group.display_name, 1024),
         Bool(group.needs_approval), ChecksToJson(group.checks),
         Number(absl::ToInt64Milliseconds(group.check_timeout))}));
    for (std::size_t m = 0; m < group.members.size(); ++m) {
      const WaveMember& member = group.members[m];
      RETURN_IF_ERROR(transaction.Exec(
          kInsertMember, {run.id, Number(static_cast<int>(g)), Number(static_cast<int>(m)),
                          member.server, Clean(member.hostname, 256), EnumParam(member.state),
                          Clean(member.reason, kMostText), member.job}));
    }
  }
  return absl::OkStatus();
}

absl::Status SaveWaveRun(pg::Transaction& transaction, const WaveRun& before, const WaveRun& after,
                         const std::vector<WaveEvent>& events) {
  if (after == before && events.empty()) return absl::OkStatus();
  for (std::size_t g = 0; g < after.groups.size(); ++g) {
    if (after.groups[g] == before.groups[g]) continue;
    RETURN_IF_ERROR(
        SaveGroup(transaction, after.id, static_cast<int>(g), before.groups[g], after.groups[g]));
  }
  RETURN_IF_ERROR(transaction.Exec(
      kSaveRun,
      {after.id, EnumParam(after.state), Clean(after.reason, kMostText), Bool(after.leave_jobs),
       MicrosOf(after.start_time), pg::Micros(after.state_time), MicrosOf(after.end_time)}));
  return AppendWaveEvents(transaction, after.id, events);
}

absl::Status AppendWaveEvents(pg::Transaction& transaction, const std::string& run_id,
                              const std::vector<WaveEvent>& events) {
  for (const WaveEvent& event : events) {
    RETURN_IF_ERROR(transaction.Exec(kAppend, {run_id, EnumParam(event.type), event.application,
                                               event.server, Clean(event.message, kMostText)}));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs
