#include "tests/support/process.h"

#include <signal.h>
#include <sys/wait.h>

#include "tests/support/status_matchers.h"

namespace godwit::testing {
namespace {

TEST(ProcessTest, WaitsForALogLineAndEnds) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(
      Process process,
      Process::Start(
          {.command = {"/bin/sh", "-c", R"(echo '{"msg":"serving","port":"77"}'; exec sleep 60)"},
           .log = dir / "log"}));
  ASSERT_OK_AND_ASSIGN(const int port, process.WaitForPort());
  EXPECT_EQ(port, 77);
  EXPECT_TRUE(process.Running());
  ASSERT_OK_AND_ASSIGN(const int status, process.Terminate());
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(ProcessTest, SaysSoWhenTheProcessEndsEarly) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(Process process, Process::Start({.command = {"/bin/sh", "-c", "echo oops"},
                                                        .log = dir / "log"}));
  EXPECT_THAT(process.WaitForPort(), StatusIs(absl::StatusCode::kAborted, "oops"));
}

}  // namespace
}  // namespace godwit::testing
