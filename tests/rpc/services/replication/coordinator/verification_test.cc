// Verifications as operators and agents see them.
#include "tests/rpc/services/replication/coordinator/coordinator_fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

class VerificationRpcTest : public CoordinatorTest {
 protected:
  static constexpr std::int64_t kSize = 1 << 30;

  // A server that has a point.
  void Begin() {
    worker_ = Register("w-00000000000000001", "store-1");
    generation_ = Replicate(worker_);
  }
  absl::StatusOr<pb::Directive> Heartbeat() {
    return AgentBeat(pb::AgentProgress::IDLE, 0, generation_, &progress_);
  }
  absl::StatusOr<pb::Verification> Verify(const std::string& request_id) {
    pb::VerifyReplicationRequest request;
    request.set_parent(Name());
    request.set_request_id(request_id);
    return Call(*operator_, &Operator::VerifyReplication, request);
  }
  pb::Verification Look(const std::string& id) {
    pb::GetVerificationRequest request;
    request.set_name(Name("/verifications/" + id));
    const auto found = Call(*operator_, &Operator::GetVerification, request);
    EXPECT_OK(found);
    return found.ok() ? *found : pb::Verification();
  }
  void Find(std::int64_t offset) {
    pb::Difference& row = *progress_.add_differences();
    row.set_disk_id(kDisk);
    row.set_offset_bytes(offset);
    row.set_size_bytes(65536);
    row.set_cause(pb::Difference::STAGING_DAMAGED);
    SetTime(absl::Now(), row.mutable_found_time());
    progress_.set_difference_count(progress_.difference_count() + 1);
  }
  void Finish(const std::string& id) {
    progress_.set_finished_request_id(id);
    progress_.set_finished_compared_bytes(kSize);
    SetTime(absl::Now() - absl::Seconds(1), progress_.mutable_finished_start_time());
    SetTime(absl::Now(), progress_.mutable_finished_end_time());
    *progress_.mutable_pass_end_time() = progress_.finished_end_time();
  }
  // Ordered, compared and finished; the request of its point.
  std::string UntilThePoint(const std::string& id) {
    EXPECT_OK(Verify(id));
    EXPECT_OK(Heartbeat());
    Finish(id);
    const auto directive = Heartbeat();
    EXPECT_OK(directive);
    return directive.ok() ? directive->point_order().request_id() : "";
  }

  Worker worker_;
  std::int64_t generation_ = 0;
  pb::VerificationProgress progress_;
};

TEST_F(VerificationRpcTest, FromTheOrderToTheSignedReport) {
  Begin();
  Find(0);  // of an earlier comparison, not of this one
  const std::string id = NewUuid();
  ASSERT_OK_AND_ASSIGN(const pb::Verification asked, Verify(id));
  EXPECT_EQ(asked.state(), pb::Verification::WAITING);
  EXPECT_EQ(asked.name(), Name("/verifications/" + id));
  EXPECT_EQ(Verify(id)->name(), asked.name());
  EXPECT_THAT(Verify(NewUuid()), StatusIs(absl::StatusCode::kFailedPrecondition, asked.name()));

  ASSERT_OK_AND_ASSIGN(pb::Directive directive, Heartbeat());
  EXPECT_EQ(directive.verify_order().request_id(), id);
  progress_.set_compared_bytes(kSize / 2);
  progress_.set_total_bytes(kSize);
  Find(65536);
  ASSERT_OK_AND_ASSIGN(directive, Heartbeat());
  EXPECT_EQ(directive.verify_order().request_id(), id);
  pb::Verification now = Look(id);
  EXPECT_EQ(now.state(), pb::Verification::COMPARING);
  EXPECT_EQ(now.compared_bytes(), kSize / 2);
  EXPECT_EQ(now.total_bytes(), kSize);
  ASSERT_EQ(now.differences_size(), 1);
  EXPECT_EQ(now.differences(0).offset_bytes(), 65536);
  EXPECT_EQ(now.difference_count(), 1);

  Finish(id);
  ASSERT_OK_AND_ASSIGN(directive, Heartbeat());
  EXPECT_FALSE(directive.has_verify_order());
  EXPECT_TRUE(directive.point_order().root_hash());
  EXPECT_EQ(Look(id).state(), pb::Verification::MAKING_POINT);
  // Found after the comparison: not of it.
  Find(131072);
  ASSERT_OK(Heartbeat());
  ASSERT_OK(ReportPoint(worker_, generation_, 2, directive.point_order().request_id()));
  ASSERT_TRUE(Eventually([&] { return Look(id).state() == pb::Verification::SUCCEEDED; }));
  now = Look(id);
  EXPECT_EQ(now.root_hash(), "00ff");
  EXPECT_EQ(now.compared_bytes(), kSize);
  EXPECT_EQ(now.difference_count(), 1);
  EXPECT_LT(now.start_time().seconds(), now.end_time().seconds() + 1);
  pb::GetPointRequestByName point;
  point.set_name(now.point());
  EXPECT_EQ(Call(*operator_, &Operator::GetPoint, point)->description(), "verified");

  ASSERT_OK_AND_ASSIGN(const rpc::SignedReport report,
                       rpc::VerifyReport(now.report(), pki_.ca().certificate_pem,
                                         *rpc::ParsePrincipal("service/replication")));
  for (const std::string& part :
       {asked.name(), now.point(), std::string("\"root_hash\": \"00ff\""),
        std::string("\"offset_bytes\": 65536"), std::string("\"STAGING_DAMAGED\""),
        std::string("\"coordinator_version\": \"1.2.3\""), std::string(kDisk)}) {
    EXPECT_THAT(report.text, HasSubstr(part));
  }
  EXPECT_THAT(report.text, ::testing::Not(HasSubstr("131072")));
  EXPECT_OK(Verify(NewUuid()));  // the next one may begin
}

TEST_F(VerificationRpcTest, DifferencesNobodyAskedForAreSeenToo) {
  Begin();
  ASSERT_OK(Heartbeat());
  EXPECT_FALSE(Get().has_verified_time());
  for (int i = 0; i < 12; ++i) Find(i * 65536);
  SetTime(absl::Now() + absl::Hours(5), progress_.mutable_pass_end_time());
  ::testing::internal::CaptureStderr();
  ASSERT_OK(Heartbeat());
  ASSERT_OK(Heartbeat());
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::string line = "the replica differed from the source\"";
  std::size_t lines = 0;
  for (std::size_t at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 12u) << log;
  pb::Replication now = Get();
  EXPECT_EQ(now.difference_count(), 12);
  ASSERT_EQ(now.differences_size(), 10);
  EXPECT_EQ(now.differences(0).offset_bytes(), 11 * 65536);
  EXPECT_LE(now.verified_time().seconds(), absl::ToUnixSeconds(absl::Now()) + 1)
      << "an agent's clock says nothing of the future";
  // The agent starts anew and finds more.
  progress_.Clear();
  ASSERT_OK(Heartbeat());
  Find(5);
  ASSERT_OK(Heartbeat());
  now = Get();
  EXPECT_EQ(now.difference_count(), 13);
  EXPECT_EQ(now.differences(0).offset_bytes(), 5);
  EXPECT_TRUE(now.has_verified_time());
}

TEST_F(VerificationRpcTest, AFailedPointOrTheEndOfServiceEndsIt) {
  Begin();
  const std::string first = NewUuid();
  const std::string point = UntilThePoint(first);
  ASSERT_FALSE(point.empty());
  pb::ReplicationVerbRequest pause;
  pause.set_name(Name("/replication"));
  pause.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_, &Operator::PauseReplication, pause));
  ASSERT_TRUE(Eventually([&] { return Look(first).state() == pb::Verification::FAILED; }));
  EXPECT_THAT(Look(first).error_message(), HasSubstr("replication was paused"));
  EXPECT_TRUE(Look(first).report().empty());
  EXPECT_THAT(Verify(NewUuid()), StatusIs(absl::StatusCode::kFailedPrecondition, "paused"));
  pause.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_, &Operator::ResumeReplication, pause));

  const std::string second = NewUuid();
  ASSERT_OK(Verify(second));
  pb::EndServerRequest end;
  end.set_source_server(Name());
  end.set_request_id(NewUuid());
  end.set_stop_only(true);
  ASSERT_OK(Call(*registry_stub_, &Operator::EndServer, end));
  EXPECT_EQ(Look(second).state(), pb::Verification::FAILED);
  EXPECT_THAT(Look(second).error_message(), HasSubstr("stopped"));
}

TEST_F(VerificationRpcTest, ListsNewestFirstAndByPage) {
  Begin();
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(NewUuid());
    const std::string point = UntilThePoint(ids.back());
    ASSERT_OK(ReportPoint(worker_, generation_, 2 + i, point));
    ASSERT_TRUE(
        Eventually([&] { return Look(ids.back()).state() == pb::Verification::SUCCEEDED; }));
  }
  pb::ListVerificationsRequest list;
  list.set_parent(Name());
  list.set_page_size(2);
  ASSERT_OK_AND_ASSIGN(pb::ListVerificationsResponse page,
                       Call(*operator_, &Operator::ListVerifications, list));
  ASSERT_EQ(page.verifications_size(), 2);
  EXPECT_EQ(page.verifications(0).name(), Name("/verifications/" + ids[2]));
  EXPECT_TRUE(page.verifications(0).report().empty());
  list.set_page_token(page.next_page_token());
  ASSERT_OK_AND_ASSIGN(page, Call(*operator_, &Operator::ListVerifications, list));
  ASSERT_EQ(page.verifications_size(), 1);
  EXPECT_EQ(page.verifications(0).name(), Name("/verifications/" + ids[0]));
  EXPECT_TRUE(page.next_page_token().empty());
}

TEST_F(VerificationRpcTest, RefusesWhatIsNotRight) {
  ASSERT_OK(StartServer());
  EXPECT_THAT(Verify(NewUuid()), StatusIs(absl::StatusCode::kFailedPrecondition, "no point"));
  Begin();
  EXPECT_THAT(Verify("now"), StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  auto viewer = pb::ReplicationService::NewStub(Channel("user/viewer/bob"));
  pb::VerifyReplicationRequest ask;
  ask.set_parent(Name());
  ask.set_request_id(NewUuid());
  EXPECT_THAT(Call(*viewer, &Operator::VerifyReplication, ask),
              StatusIs(absl::StatusCode::kPermissionDenied, "operator"));
  pb::GetVerificationRequest get;
  get.set_name(Name("/verifications/" + NewUuid()));
  EXPECT_THAT(Call(*viewer, &Operator::GetVerification, get),
              StatusIs(absl::StatusCode::kNotFound, "verifications"));
  get.set_name(Name("/verifications/1"));
  EXPECT_THAT(Call(*viewer, &Operator::GetVerification, get),
              StatusIs(absl::StatusCode::kInvalidArgument, "name"));
  pb::ListVerificationsRequest list;
  list.set_parent(Name());
  EXPECT_OK(Call(*viewer, &Operator::ListVerifications, list));
  list.set_page_token("x");
  EXPECT_THAT(Call(*viewer, &Operator::ListVerifications, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));

  const auto refused = [&](const std::string& field) {
    EXPECT_THAT(Heartbeat(), StatusIs(absl::StatusCode::kInvalidArgument, field));
    progress_.Clear();
  };
  progress_.set_finished_request_id("1");
  refused("finished_request_id");
  Find(-1);
  refused("offset_bytes");
  Find(0);
  progress_.mutable_differences(0)->set_disk_id("sda");
  refused("differences[0].disk_id");
  Find(0);
  progress_.mutable_differences(0)->set_size_bytes(0);
  refused("size_bytes");
  for (int i = 0; i < 101; ++i) Find(i);
  refused("differences");
  progress_.mutable_pass_end_time()->set_seconds(-1);
  refused("pass_end_time");
}

}  // namespace
}  // namespace godwit::coordinator
