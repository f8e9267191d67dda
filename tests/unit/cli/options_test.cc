#include "cli/options.h"

#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

struct Parsed {
  std::string state;
  std::vector<std::string> tags;
  bool quiesce = true, wait = false;
  absl::Duration timeout = absl::Hours(1);
  std::int64_t lanes = 0;

  void AddTo(Options& options) {
    options.String("state", &state, "STATE", "the state");
    options.Strings("tag", &tags, "K=V", "a tag");
    options.Bool("quiesce", &quiesce, "hooks");
    options.Bool("wait", &wait, "stay");
    options.Duration("timeout", &timeout, "longest wait");
    options.Int("lanes", &lanes, 1, 8, "streams");
  }
};

TEST(Options, StandAnywhereInBothForms) {
  Parsed parsed;
  Options options;
  parsed.AddTo(options);
  ASSERT_OK_AND_ASSIGN(const auto rest,
                       options.Parse({"--state", "TESTING", "servers", "--tag=a=b", "list", "--tag",
                                      "c=d", "--quiesce=false", "--", "--wait"}));
  EXPECT_THAT(rest, ElementsAre("servers", "list", "--wait"));
  EXPECT_EQ(parsed.state, "TESTING");
  EXPECT_THAT(parsed.tags, ElementsAre("a=b", "c=d"));
  EXPECT_FALSE(parsed.quiesce);
  EXPECT_FALSE(parsed.wait);
}

TEST(Options, KnowsWhatWasGiven) {
  Parsed parsed;
  Options options;
  parsed.AddTo(options);
  // The value of --state looks like an option: it is none.
  ASSERT_OK(options.Parse({"--state", "--wait", "--quiesce", "--", "--timeout=3s"}));
  EXPECT_TRUE(options.Given("state"));
  EXPECT_TRUE(options.Given("quiesce"));
  EXPECT_FALSE(options.Given("wait"));
  EXPECT_FALSE(options.Given("timeout"));
}

TEST(Options, NamesWhatIsWrong) {
  for (const auto& [arguments, text] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--timeout", "soon"}, "timeout"},
           {{"--lanes=9"}, "lanes"},
           {{"--state"}, "state: needs a value"},
           {{"--nosuch"}, "there is no option \"nosuch\""},
       }) {
    Parsed parsed;
    Options options;
    parsed.AddTo(options);
    EXPECT_THAT(options.Parse(arguments), StatusIs(absl::StatusCode::kInvalidArgument, text));
  }
}

TEST(Options, HelpNamesValuesAndDefaults) {
  Parsed parsed;
  Options options;
  const std::size_t before = options.size();
  parsed.AddTo(options);
  const std::string help = options.Help(before);
  EXPECT_THAT(help, HasSubstr("--state STATE"));
  EXPECT_THAT(help, HasSubstr("longest wait [1h]"));
  EXPECT_THAT(help, HasSubstr("a tag (may be repeated)"));
  EXPECT_THAT(help, ::testing::Not(HasSubstr("--config")));
}

TEST(Words, AreWhatIsNoOptionAndNoValue) {
  const std::map<std::string, bool> known = {{"state", true}, {"wait", false}};
  EXPECT_THAT(
      Words({"--state", "X", "servers", "--wait", "list", "--state=Y", "-", "--", "--z"}, known),
      ElementsAre("servers", "list", "-", "--z"));
}

}  // namespace
}  // namespace godwit::cli
