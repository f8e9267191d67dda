#include "cli/progress.h"

#include <sstream>

#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;

TEST(Bar, FillsWithTheFraction) {
  EXPECT_EQ(Bar(0, 4), "[----]   0%");
  EXPECT_EQ(Bar(0.5, 4), "[##--]  50%");
  EXPECT_EQ(Bar(0.999, 4), "[###-]  99%");
  EXPECT_EQ(Bar(7, 4), "[####] 100%");
  EXPECT_EQ(Bar(-1, 4), "[....]     ");
}

TEST(Progress, LinesWhereThereIsNoTerminal) {
  std::ostringstream out, err;
  FakeClock clock;
  Context context(out, err, false, clock);
  Progress progress(context);
  progress.Show("syncing", "1 of 4", 0.25);
  progress.Show("syncing", "2 of 4", 0.5);
  EXPECT_EQ(err.str(), "syncing: 1 of 4 (25%)\n");
  clock.Advance(Progress::kLineInterval);
  progress.Show("syncing", "3 of 4", 0.75);
  progress.Show("ready", "", -1);
  progress.Line("it\x1b stays");
  EXPECT_EQ(err.str(), "syncing: 1 of 4 (25%)\nsyncing: 3 of 4 (75%)\nready\nit? stays\n");
  EXPECT_EQ(out.str(), "");
}

TEST(Progress, ABarThatGoesAwayOnATerminal) {
  std::ostringstream out, err;
  FakeClock clock;
  Context context(out, err, true, clock);
  {
    Progress progress(context);
    progress.Show("syncing", "1 of 4", 0.25);
    clock.Advance(absl::Seconds(1));
    progress.Show("syncing", "2 of 4", 0.5);
  }
  EXPECT_THAT(err.str(), HasSubstr(" 25% syncing: 1 of 4  0ms"));
  EXPECT_THAT(err.str(), HasSubstr(" 50% syncing: 2 of 4  1.0s"));
  EXPECT_EQ(err.str().find('\n'), std::string::npos);
  EXPECT_TRUE(err.str().ends_with("\r\x1b[K"));
}

}  // namespace
}  // namespace godwit::cli
