#include "cli/command.h"

#include <cstdlib>
#include <fstream>
#include <set>

#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Commands, HaveWordsOfTheirOwnAndAPurpose) {
  std::set<std::string> words;
  for (const Command& command : AllCommands()) {
    EXPECT_TRUE(words.insert(command.words).second) << command.words;
    EXPECT_FALSE(command.purpose.empty()) << command.words;
    EXPECT_LE(command.least, command.most) << command.words;
    EXPECT_EQ(command.most == 0, command.arguments.empty()) << command.words;
  }
}

// An option that takes a value in one command and none in another could not be told from an
// argument before the noun.
TEST(Commands, AgreeOnWhichOptionsTakeAValue) {
  std::map<std::string, bool> all;
  for (const Command& command : AllCommands()) {
    Options options;
    command.options(options);
    for (const auto& [name, takes_value] : options.takes_value()) {
      EXPECT_EQ(all.emplace(name, takes_value).first->second, takes_value)
          << command.words << " --" << name;
    }
  }
}

TEST(CommandLine, HelpAtEveryLevel) {
  EXPECT_THAT(Godwit({"--help"}).out, HasSubstr("godwit servers list"));
  EXPECT_THAT(Godwit({"--help"}).out, HasSubstr("--tls-dir DIR"));
  const Ran noun = Godwit({"points", "-h"});
  EXPECT_THAT(noun.out, HasSubstr("godwit points create SERVER"));
  EXPECT_THAT(noun.out, Not(HasSubstr("godwit servers")));
  const Ran verb = Godwit({"--output", "json", "points", "create", "--help"});
  EXPECT_EQ(verb.exit_code, kDone);
  EXPECT_THAT(verb.out, HasSubstr("--quiesce"));
}

TEST(CommandLine, SaysWhatThereIsWhenThereIsNoSuchCommand) {
  EXPECT_THAT(Godwit({}).err, HasSubstr("no command was given"));
  EXPECT_THAT(Godwit({"servrs"}).err,
              HasSubstr("there is no command \"servrs\"; there are: servers, test"));
  EXPECT_THAT(Godwit({"jobs", "lst"}).err,
              HasSubstr("there is no command \"jobs lst\"; there are: list, get"));
  EXPECT_THAT(Godwit({"conversion", "tasks"}).err,
              HasSubstr("\"conversion tasks\" needs a verb; there are: list, get"));
  for (const auto& words : std::vector<std::vector<std::string>>{{}, {"servrs"}, {"jobs", "lst"}}) {
    EXPECT_EQ(Godwit(words).exit_code, kUsage);
  }
}

TEST(CommandLine, CountsArguments) {
  EXPECT_THAT(Godwit({"servers", "get"}).err,
              HasSubstr("an argument is missing: godwit servers get SERVER"));
  EXPECT_THAT(Godwit({"servers", "get", "a", "b"}).err,
              HasSubstr("\"b\" is one argument too many"));
  EXPECT_EQ(Godwit({"servers", "get"}).exit_code, kUsage);
}

TEST(CommandLine, ChecksValuesBeforeItAsksAnybody) {
  for (const auto& [arguments, text] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"servers", "list", "--state", "GONE"}, "--state: GONE is none of"},
           {{"test", "s-1", "--timeout", "5s"}, "--timeout: only together with --wait"},
           {{"launch-settings", "set", "web1", "--boot-tcp", "0"}, "--boot-tcp: \"0\" is no port"},
           {{"launch-settings", "set", "web1"}, "nothing to change"},
           {{"replication", "settings", "set", "web1", "--retention", "5m"}, "is not EVERY/AGE"},
           {{"replication", "settings", "set", "web1", "--lanes", "9"}, "lanes"},
           {{"replication", "settings", "set", "web1", "--bandwidth-window", "8-18=1MiB"},
            "--bandwidth-window: \"8\" is no time of day"},
           {{"tokens", "revoke", "x"}, "TOKEN: \"x\" is neither t-"},
           {{"jobs", "get", "x"}, "JOB: \"x\" is neither job-"},
           {{"servers", "list", "--output", "yaml"}, "--output: yaml is neither table nor json"},
           {{"servers", "list", "--call-timeout", "0s"}, "--call-timeout"},
       }) {
    const Ran ran = Godwit(arguments);
    EXPECT_EQ(ran.exit_code, kUsage) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(text));
    EXPECT_EQ(ran.out, "");
  }
}

TEST(CommandLine, SaysHowToNameAServiceAndACertificate) {
  EXPECT_THAT(Godwit({"servers", "list"}).err, HasSubstr("Give --registry HOST:PORT"));
  EXPECT_THAT(Godwit({"servers", "list", "--registry", "h:1"}).err,
              HasSubstr("give --tls-dir DIR"));
  const Ran missing = Godwit({"servers", "list", "--registry", "h:1", "--tls-dir", "/nonexistent"});
  EXPECT_EQ(missing.exit_code, kNotPermitted);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent/tls.crt"));
}

TEST(CommandLine, AWaitNeedsTheServiceThatIsWaitedForBeforeAnythingStarts) {
  const Ran ran = Godwit({"test", "s-0123456789abcdef0", "--wait", "--registry", "h:1"});
  EXPECT_EQ(ran.exit_code, kUsage);
  EXPECT_THAT(ran.err, HasSubstr("--jobs HOST:PORT"));
}

TEST(CommandLine, ReadsTheConfigurationFile) {
  const std::string path = ::testing::TempDir() + "/godwit_cli_config";
  std::ofstream(path) << "# an installation\nregistry = h:1\ntls-dir = /nonexistent/alice\n";
  EXPECT_THAT(Godwit({"servers", "list", "--config", path}).err,
              HasSubstr("/nonexistent/alice/tls.crt"));
  EXPECT_THAT(Godwit({"--config=" + path, "servers", "list", "--tls-dir", "/nonexistent/bob"}).err,
              HasSubstr("/nonexistent/bob/tls.crt"));
  setenv("GODWIT_CONFIG", path.c_str(), 1);
  std::ostringstream out, err;
  Context context(out, err, false, RealClock());
  const absl::Status status = RunCommandLine(context, {"servers", "list"});
  unsetenv("GODWIT_CONFIG");
  std::remove(path.c_str());
  EXPECT_THAT(status,
              testing::StatusIs(absl::StatusCode::kPermissionDenied, "/nonexistent/alice/tls.crt"));
  EXPECT_EQ(Godwit({"servers", "list", "--config", path}).exit_code, kNotFound);
}

TEST(CommandLine, ErrorsAreJsonWhenJsonWasAskedFor) {
  const Ran ran = Godwit({"servers", "list", "--nosuch", "--output=json"});
  EXPECT_EQ(ran.exit_code, kUsage);
  EXPECT_EQ(ran.err.front(), '{');
  EXPECT_THAT(ran.err, HasSubstr("\"exitCode\": 2"));
}

}  // namespace
}  // namespace godwit::cli
