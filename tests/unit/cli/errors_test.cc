#include "cli/errors.h"

#include <sstream>

#include "services/common/base/clock.h"
#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Printed(const absl::Status& status, bool json = false,
                    const std::string& subject = "") {
  std::ostringstream out, err;
  Context context(out, err, false, RealClock());
  context.set_json(json);
  context.set_subject(subject);
  PrintError(context, status);
  EXPECT_EQ(out.str(), "");
  return err.str();
}

absl::Status WrongState() {
  return rpc::WithInfo(
      absl::FailedPreconditionError("sourceServers/s-1 is TESTING"),
      {.reason = "WRONG_LIFECYCLE_STATE",
       .metadata = {{"server", "sourceServers/s-1"}, {"helpful_call", "MarkReadyForCutover"}}});
}

TEST(Errors, ExitCodesAsDocumented) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(OperationFailed("x")), 1);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::AbortedError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), 6);
  EXPECT_EQ(ExitCodeOf(absl::UnauthenticatedError("")), 6);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), 7);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 8);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), 8);
  EXPECT_EQ(ExitCodeOf(absl::UnknownError("")), 8);
}

TEST(Errors, ARefusalNamesReasonAndTheCommandThatHelps) {
  EXPECT_EQ(Printed(WrongState()),
            "refused: sourceServers/s-1 is TESTING (WRONG_LIFECYCLE_STATE)\ntry: godwit mark-ready "
            "s-1\n");
}

TEST(Errors, TheSubjectOfTheCommandHelpsWhereTheServiceNamesNone) {
  const absl::Status status = rpc::WithInfo(absl::FailedPreconditionError("not now"),
                                            {.metadata = {{"helpful_call", "ResumeReplication"}}});
  EXPECT_THAT(Printed(status), HasSubstr("try: godwit replication resume SERVER\n"));
  EXPECT_THAT(Printed(status, false, "sourceServers/s-7"),
              HasSubstr("try: godwit replication resume s-7\n"));
}

TEST(Errors, AJobInTheWayIsNamed) {
  const absl::Status busy = rpc::WithInfo(
      absl::FailedPreconditionError("busy"),
      {.metadata = {
           {"server", "sourceServers/s-1"}, {"helpful_call", "CancelJob"}, {"job", "jobs/job-2"}}});
  EXPECT_THAT(Printed(busy), HasSubstr("try: godwit jobs cancel job-2\n"));
  const absl::Status taken =
      rpc::WithInfo(absl::AlreadyExistsError("busy"), {.metadata = {{"job", "jobs/job-2"}}});
  EXPECT_THAT(Printed(taken), HasSubstr("try: godwit jobs watch job-2\n"));
  const absl::Status failed =
      rpc::WithInfo(OperationFailed("job-2 FAILED"), {.metadata = {{"job", "jobs/job-2"}}});
  EXPECT_THAT(Printed(failed), HasSubstr("failed: job-2 FAILED\ntry: godwit jobs log job-2\n"));
}

TEST(Errors, FieldsAreNamedOnce) {
  EXPECT_EQ(Printed(rpc::FieldError("max_uses", "must be 1 to 10000")),
            "usage: max_uses: must be 1 to 10000 (BAD_FIELD)\n");
  const absl::Status two =
      rpc::WithInfo(absl::InvalidArgumentError("two fields"),
                    {.field_violations = {{"settings.lane_count", "must be 1 to 8"},
                                          {"settings.undo_window", "too long"}}});
  EXPECT_THAT(
      Printed(two),
      HasSubstr("  settings.lane_count: must be 1 to 8\n  settings.undo_window: too long\n"));
}

TEST(Errors, SaysWhenToTryAgain) {
  const absl::Status status = rpc::WithInfo(absl::ResourceExhaustedError("too many jobs"),
                                            {.retry_after = absl::Seconds(5)});
  EXPECT_THAT(Printed(status), HasSubstr("try again in 5s\n"));
}

TEST(Errors, NeverAnEmptyMessageNorControlBytes) {
  EXPECT_EQ(Printed(absl::InternalError("")), "error: INTERNAL\n");
  EXPECT_THAT(Printed(absl::UnimplementedError("")), HasSubstr("does not know this call"));
  EXPECT_THAT(Printed(absl::InternalError("a\x1b[31mb")), Not(HasSubstr("\x1b")));
}

TEST(Errors, AsJson) {
  EXPECT_EQ(
      Printed(WrongState(), true),
      "{\"code\": \"FAILED_PRECONDITION\", \"reason\": \"WRONG_LIFECYCLE_STATE\", \"message\": "
      "\"sourceServers/s-1 is TESTING\", \"help\": \"godwit mark-ready s-1\", \"metadata\": "
      "{\"helpful_call\": \"MarkReadyForCutover\", \"server\": \"sourceServers/s-1\"}, "
      "\"exitCode\": 4}\n");
  EXPECT_THAT(Printed(absl::InternalError("a \"quoted\"\nline"), true),
              HasSubstr("a \\\"quoted\\\"\\u000aline"));
}

}  // namespace
}  // namespace godwit::cli
