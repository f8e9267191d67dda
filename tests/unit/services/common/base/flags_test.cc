#include "services/common/base/flags.h"

#include "services/common/base/file.h"
#include "tests/support/status_matchers.h"

namespace godwit {
namespace {

using ::godwit::testing::StatusIs;

struct Values {
  std::string listen = "127.0.0.1:1";
  std::int64_t count = 3;
  bool quiet = false;
  absl::Duration wait = absl::Seconds(5);
};

absl::StatusOr<std::vector<std::string>> Parse(Values& values, std::vector<const char*> arguments) {
  Flags flags("prog", "does things");
  flags.String("listen", &values.listen, "where");
  flags.Int("count", &values.count, 1, 10, "how many");
  flags.Bool("quiet", &values.quiet, "say nothing");
  flags.Duration("wait", &values.wait, "how long");
  arguments.insert(arguments.begin(), "prog");
  return flags.Parse(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Flags, BothFormsAndTheRest) {
  Values values;
  ASSERT_OK_AND_ASSIGN(const auto rest, Parse(values, {"--listen", "a:2", "get", "--count=7",
                                                       "--quiet", "--wait=1m", "--", "--x"}));
  EXPECT_EQ(values.listen, "a:2");
  EXPECT_EQ(values.count, 7);
  EXPECT_TRUE(values.quiet);
  EXPECT_EQ(values.wait, absl::Minutes(1));
  EXPECT_EQ(rest, (std::vector<std::string>{"get", "--x"}));
}

TEST(Flags, BadInputNamesTheFlag) {
  Values values;
  EXPECT_THAT(Parse(values, {"--count=11"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "count: must be a number from 1 to 10"));
  EXPECT_THAT(Parse(values, {"--wait=soon"}), StatusIs(absl::StatusCode::kInvalidArgument, "wait"));
  EXPECT_THAT(Parse(values, {"--nothing=1"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "there are: config, listen"));
  EXPECT_THAT(Parse(values, {"--listen"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "needs a value"));
}

TEST(Flags, TheCommandLineWinsOverTheFile) {
  const std::string path = ::testing::TempDir() + "/flags.conf";
  ASSERT_OK(WriteFileAtomically(path, "# comment\nlisten = file:1\ncount = 9\n"));
  Values values;
  ASSERT_OK(Parse(values, {"--config", path.c_str(), "--count=2"}));
  EXPECT_EQ(values.listen, "file:1");
  EXPECT_EQ(values.count, 2);
  ASSERT_OK(WriteFileAtomically(path, "\nlisten\n"));
  EXPECT_THAT(Parse(values, {"--config", path.c_str()}),
              StatusIs(absl::StatusCode::kInvalidArgument, "flags.conf:2"));
}

}  // namespace
}  // namespace godwit
