// The life of a verification and what is kept of differences.
#include "services/replication/coordinator/domain/verification.h"

#include "absl/strings/str_cat.h"
#include "services/replication/coordinator/domain/verification_report.h"
#include "tests/support/status_matchers.h"

namespace godwit::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1714564807);
constexpr char kDisk[] = "d-00000000000000001";
constexpr char kId[] = "11111111-1111-4111-8111-111111111111";

Difference Row(std::int64_t offset) {
  return {.disk_id = kDisk,
          .offset_bytes = offset,
          .size_bytes = 65536,
          .found_time = kNow + absl::Seconds(offset),
          .cause = 1};
}
AgentVerification Report(std::int64_t compared, std::int64_t differences = 0) {
  AgentVerification out{.compared_bytes = compared, .total_bytes = 1000};
  out.difference_count = differences;
  return out;
}
// Rows `first` to `last`, of which there are `last` in all.
AgentVerification Listing(std::int64_t first, std::int64_t last) {
  AgentVerification out = Report(0, last);
  for (std::int64_t i = first; i <= last; ++i) out.differences.push_back(Row(i));
  return out;
}

class LifeTest : public ::testing::Test {
 protected:
  // A heartbeat `silence` after the one before.
  void Beat(absl::Duration silence, bool able,
            const std::optional<AgentVerification>& report = std::nullopt,
            const Found& found = {}) {
    now_ += silence;
    Advance({.now = now_, .silence = silence, .able = able, .report = report, .found = found},
            verification_);
  }
  VerificationState state() const { return verification_.state; }

  absl::Time now_ = kNow;
  Verification verification_{.id = kId, .server_id = "s-00000000000000001"};
};

TEST_F(LifeTest, WaitsComparesAndAsksForAPoint) {
  Beat(absl::Seconds(1), false, Report(900));
  EXPECT_EQ(state(), VerificationState::kWaiting);
  Beat(absl::Seconds(1), true, Report(900, 7), {.count = 7, .rows = {Row(1)}});
  EXPECT_EQ(state(), VerificationState::kComparing);
  EXPECT_EQ(verification_.start_time, now_);
  EXPECT_EQ(verification_.difference_count, 0) << "found before it began";
  Beat(absl::Seconds(1), true, Report(500, 8), {.count = 1, .rows = {Row(2)}});
  EXPECT_EQ(verification_.compared_bytes, 500);
  EXPECT_THAT(verification_.differences, ElementsAre(Row(2)));
  AgentVerification other = Report(600);
  other.finished_request_id = "22222222-2222-4222-8222-222222222222";
  Beat(absl::Seconds(1), true, other);
  EXPECT_EQ(state(), VerificationState::kComparing);
  AgentVerification end = Report(0, 9);
  end.finished_request_id = kId;
  end.finished_compared_bytes = 1000;
  end.finished_start_time = now_ - absl::Seconds(2);
  end.finished_end_time = now_ + absl::Hours(1);
  Beat(absl::Seconds(1), true, end, {.count = 1, .rows = {Row(3)}});
  EXPECT_EQ(state(), VerificationState::kMakingPoint);
  EXPECT_EQ(verification_.compared_bytes, 1000);
  EXPECT_EQ(verification_.difference_count, 2);
  EXPECT_EQ(verification_.start_time, end.finished_start_time);
  EXPECT_EQ(verification_.end_time, now_) << "not later than now";
  Beat(absl::Hours(1), true, end, {.count = 1, .rows = {Row(4)}});
  EXPECT_EQ(verification_.difference_count, 2);
}

TEST_F(LifeTest, FailsWhenTheAgentIsThereAndComparesNothing) {
  Beat(absl::Seconds(1), true);
  const auto beats = [&](int count, bool able, std::int64_t compared) {
    for (int i = 0; i < count; ++i) Beat(absl::Seconds(10), able, Report(compared));
  };
  beats(1, true, 1);
  beats(60, true, 1);
  EXPECT_EQ(state(), VerificationState::kComparing);
  beats(1, true, 2);  // progress: begins anew
  beats(60, true, 2);
  EXPECT_EQ(state(), VerificationState::kComparing);
  beats(1, true, 2);
  EXPECT_EQ(state(), VerificationState::kFailed);
  EXPECT_THAT(verification_.error_message, HasSubstr("10m"));
  EXPECT_EQ(verification_.end_time, now_);
  AgentVerification end = Report(0);
  end.finished_request_id = kId;
  Beat(absl::Seconds(1), true, end);
  EXPECT_EQ(state(), VerificationState::kFailed) << "what is over stays over";
}

TEST_F(LifeTest, AbsenceAndPausesDoNotCount) {
  Beat(absl::Seconds(1), true);
  Beat(absl::Seconds(1), true, Report(0));
  Beat(absl::Hours(24), true, Report(0));  // was away: half a minute at most
  for (int i = 0; i < 1000; ++i) Beat(absl::Seconds(10), false, Report(0));
  EXPECT_EQ(state(), VerificationState::kComparing);
  EXPECT_EQ(verification_.idle, absl::Seconds(30));
}

TEST_F(LifeTest, ProgressWithoutAnEndIsNotEnough) {
  Beat(absl::Seconds(1), true);
  for (std::int64_t day = 1; day <= 30; ++day) Beat(absl::Hours(24), true, Report(day));
  EXPECT_EQ(state(), VerificationState::kComparing);
  Beat(absl::Seconds(1), true, Report(31));
  EXPECT_EQ(state(), VerificationState::kFailed);
  EXPECT_THAT(verification_.error_message, HasSubstr("30 days"));
}

TEST_F(LifeTest, KeepsAHundredDifferencesAndCountsAll) {
  Beat(absl::Seconds(1), true);
  for (std::int64_t i = 0; i < 150; ++i) {
    Beat(absl::Seconds(1), true, Report(i), {.count = 2, .rows = {Row(i)}});
  }
  EXPECT_EQ(verification_.difference_count, 300);
  ASSERT_EQ(verification_.differences.size(), kMostDifferences);
  EXPECT_EQ(verification_.differences.back(), Row(99));
}

// What a report adds to `server`.
Found See(const AgentVerification& report, Server& server) {
  const Found found = NewDifferences(server, report);
  TakeOver(report, found, kNow, server);
  return found;
}

TEST(Differences, AreNewOnceWhateverTheAgentRepeats) {
  Server server;
  EXPECT_THAT(See(Listing(1, 2), server).rows, ElementsAre(Row(1), Row(2)));
  EXPECT_EQ(See(Listing(1, 2), server).count, 0);
  EXPECT_THAT(See(Listing(1, 3), server).rows, ElementsAre(Row(3)));
  // More were found than are listed.
  const Found many = See(Listing(250, 253), server);
  EXPECT_EQ(many.count, 250);
  EXPECT_EQ(many.rows.size(), 4u);
  EXPECT_EQ(server.difference_count, 253);
  EXPECT_EQ(server.differences.back(), Row(253));
  EXPECT_EQ(server.differences.size(), 7u);
  See(Listing(254, 353), server);
  EXPECT_EQ(server.differences.size(), kNewestDifferences);
  EXPECT_EQ(server.differences.front(), Row(344));
}

TEST(Differences, ANewProcessOfTheAgentCountsFromZero) {
  Server server;
  See(Listing(1, 3), server);
  EXPECT_EQ(See(Report(0), server).count, 0);
  EXPECT_EQ(See(Listing(1, 1), server).count, 1);
  EXPECT_EQ(server.difference_count, 4);
  // It found more than the process before within one interval: its rows tell.
  AgentVerification anew = Report(0, 2);
  anew.differences = {Row(70), Row(71)};
  EXPECT_EQ(See(anew, server).count, 2);
  EXPECT_EQ(server.difference_count, 6);
}

TEST(Differences, VerifiedTimeIsNeverInTheFutureAndStays) {
  Server server;
  AgentVerification report;
  report.pass_end_time = kNow + absl::Hours(1);
  TakeOver(report, {}, kNow, server);
  EXPECT_EQ(server.verified_time, kNow);
  TakeOver(Report(5), {}, kNow + absl::Hours(2), server);
  EXPECT_EQ(server.verified_time, kNow);
}

TEST(Differences, AreReadAsTheyWereWritten) {
  const std::vector<Difference> rows = {Row(0), Row(65536)};
  EXPECT_EQ(ReadDifferences(WriteDifferences(rows)), rows);
  EXPECT_THAT(ReadDifferences(absl::StrCat("nonsense\n1 2 3 4 5 6\n", WriteDifferences({Row(1)}))),
              ElementsAre(Row(1)));
  EXPECT_TRUE(ReadDifferences("").empty());
}

TEST(ReportText, IsTheSameForTheSameFacts) {
  ReportFacts facts{
      .verification = {.id = kId,
                       .server_id = "s-00000000000000001",
                       .create_time = kNow,
                       .start_time = kNow + absl::Seconds(1),
                       .end_time = kNow + absl::Seconds(2),
                       .compared_bytes = 1000,
                       .total_bytes = 1000,
                       .differences = {Row(3)},
                       .difference_count = 1,
                       .point_id = "p-00000000000000001",
                       .root_hash = "00ff"},
      .disks = {{.disk_id = kDisk, .device_name = "/dev/\"sda\"", .size_bytes = 1000}},
      .epoch = 5,
      .cut_time = kNow + absl::Seconds(3),
      .consistency = 1,
      .coordinator_version = "1.2.3",
      .end_time = kNow + absl::Seconds(4)};
  EXPECT_EQ(ReportText(facts), R"({
  "type": "godwit verification report",
  "format": 1,
  "server": "sourceServers/s-00000000000000001",
  "verification": "sourceServers/s-00000000000000001/verifications/11111111-1111-4111-8111-111111111111",
  "create_time": "2024-05-01T12:00:07.000000Z",
  "compare_start_time": "2024-05-01T12:00:08.000000Z",
  "compare_end_time": "2024-05-01T12:00:09.000000Z",
  "end_time": "2024-05-01T12:00:11.000000Z",
  "disks": [
    {
      "id": "d-00000000000000001",
      "device_name": "/dev/\"sda\"",
      "size_bytes": 1000
    }
  ],
  "compared_bytes": 1000,
  "total_bytes": 1000,
  "difference_count": 1,
  "differences": [
    {
      "disk_id": "d-00000000000000001",
      "offset_bytes": 3,
      "size_bytes": 65536,
      "found_time": "2024-05-01T12:00:10.000000Z",
      "cause": "CONTENT_DIFFERS"
    }
  ],
  "point": {
    "name": "sourceServers/s-00000000000000001/points/p-00000000000000001",
    "epoch": 5,
    "cut_time": "2024-05-01T12:00:10.000000Z",
    "consistency": "CRASH_CONSISTENT",
    "root_hash": "00ff"
  },
  "coordinator_version": "1.2.3"
}
)");
  facts.verification.differences.clear();
  facts.consistency = 77;
  EXPECT_THAT(ReportText(facts), HasSubstr("\"differences\": [],"));
  EXPECT_THAT(ReportText(facts), HasSubstr("\"consistency\": \"UNKNOWN\""));
}

}  // namespace
}  // namespace godwit::coordinator
