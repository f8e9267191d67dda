#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

std::string Usage(const Command& command) {
  return absl::StrCat("godwit ", command.words, command.arguments.empty() ? "" : " ",
                      command.arguments);
}

// Help of the commands whose words begin with `words` (of all without).
std::string ListHelp(const std::vector<Command>& commands, const std::string& words) {
  std::string out;
  std::size_t width = 0;
  std::vector<const Command*> chosen;
  for (const Command& command : commands) {
    if (!words.empty() && !absl::StartsWith(command.words, absl::StrCat(words, " "))) continue;
    chosen.push_back(&command);
    width = std::max(width, Usage(command).size());
  }
  for (const Command* command : chosen) {
    const std::string usage = Usage(*command);
    absl::StrAppend(&out, "  ", usage, std::string(width - usage.size() + 2, ' '), command->purpose,
                    "\n");
  }
  return out;
}

std::string GeneralHelp(const std::vector<Command>& commands) {
  Context context(std::cout, std::cerr, false, RealClock());
  Options options;
  context.AddTo(options);
  return absl::StrCat("godwit: moves running servers to other machines.\n\n",
                      ListHelp(commands, ""), "\nOptions of every command:\n", options.Help(),
                      "\ngodwit NOUN --help and godwit NOUN VERB --help say more.\n");
}

std::string CommandHelp(const Command& command) {
  Context context(std::cout, std::cerr, false, RealClock());
  Options options;
  context.AddTo(options);
  const std::size_t common = options.size();
  command.options(options);
  std::string out = absl::StrCat(Usage(command), "\n  ", command.purpose, "\n");
  if (options.size() > common) absl::StrAppend(&out, "\nOptions:\n", options.Help(common));
  return absl::StrCat(out, "\nOptions of every command: godwit --help\n");
}

// The command with the most words that `words` begins with; null when there is none.
const Command* Find(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  const Command* found = nullptr;
  std::size_t most = 0;
  for (const Command& command : commands) {
    const std::vector<std::string> own = absl::StrSplit(command.words, ' ');
    if (own.size() <= words.size() && own.size() > most &&
        std::equal(own.begin(), own.end(), words.begin())) {
      found = &command;
      most = own.size();
    }
  }
  return found;
}

// The longest beginning of `words` that begins some command, "" when there is none.
std::string KnownNouns(const std::vector<Command>& commands,
                       const std::vector<std::string>& words) {
  for (std::size_t count = words.size(); count > 0; --count) {
    const std::string beginning = absl::StrJoin(words.begin(), words.begin() + count, " ");
    for (const Command& command : commands) {
      if (absl::StartsWith(command.words, absl::StrCat(beginning, " "))) return beginning;
    }
  }
  return "";
}

absl::Status NoSuchCommand(const std::vector<Command>& commands,
                           const std::vector<std::string>& words) {
  const std::string noun = KnownNouns(commands, words);
  std::vector<std::string> known;
  for (const Command& command : commands) {
    absl::string_view rest = command.words;
    if (!noun.empty() && !absl::ConsumePrefix(&rest, absl::StrCat(noun, " "))) continue;
    const std::string next(rest.substr(0, rest.find(' ')));
    if (std::find(known.begin(), known.end(), next) == known.end()) known.push_back(next);
  }
  const std::size_t depth =
      noun.empty() ? 0 : absl::StrSplit(noun, ' ').operator std::vector<std::string>().size();
  const std::string asked = words.size() > depth
                                ? absl::StrCat("there is no command \"", noun,
                                               noun.empty() ? "" : " ", words[depth], "\"")
                            : noun.empty() ? "no command was given"
                                           : absl::StrCat("\"", noun, "\" needs a verb");
  return absl::InvalidArgumentError(
      absl::StrCat(asked, "; there are: ", absl::StrJoin(known, ", ")));
}

bool AsksForHelp(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return false;
    if (argument == "--help" || argument == "-h") return true;
  }
  return false;
}

// What the command line alone says, so that its own errors are printed as asked.
bool AsksForJson(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i] == "--output=json") return true;
    if (arguments[i] == "--output" && i + 1 < arguments.size() && arguments[i + 1] == "json")
      return true;
  }
  return false;
}

// The file that is read without --config; "" when there is none.
std::string DefaultConfig() {
  if (const char* path = std::getenv("GODWIT_CONFIG"); path != nullptr && *path != 0) return path;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == 0) return "";
  const std::string path = absl::StrCat(home, "/.config/godwit/config");
  return access(path.c_str(), F_OK) == 0 ? path : "";
}

bool GivesConfig(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return false;
    if (argument == "--config" || absl::StartsWith(argument, "--config=")) return true;
  }
  return false;
}

}  // namespace

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (const auto& group : {ServerCommands,
                            LifeCycleCommands,
                            ReplicationCommands,
                            ReplicationSettingsCommands,
                            PointCommands,
                            VerificationCommands,
                            LaunchSettingsCommands,
                            TemplateCommands,
                            JobCommands,
                            PreflightCommands,
                            FleetCommands,
                            GroupCommands,
                            ConversionCommands,
                            AccessKeyCommands,
                            RevocationCommands,
                            ScopeCommands,
                            AuditCommands,
                            EventCommands,
                            WebhookCommands,
                            OperationCommands,
                            WaveCommands,
                            PlanCommands,
                            QuotaCommands,
                            RetryCommands,
                            TransferCommands}) {
    for (Command& command : group()) all.push_back(std::move(command));
  }
  return all;
}

absl::Status RunCommandLine(Context& context, std::vector<std::string> arguments) {
  const std::vector<Command> commands = AllCommands();
  context.set_json(AsksForJson(arguments));
  // Options may stand before the noun: which of them take a value has to be known of all commands.
  Options all;
  context.AddTo(all);
  std::map<std::string, bool> takes_value = all.takes_value();
  for (const Command& command : commands) {
    Options own;
    command.options(own);
    takes_value.insert(own.takes_value().begin(), own.takes_value().end());
  }
  const std::vector<std::string> words = Words(arguments, takes_value);
  const Command* command = Find(commands, words);
  if (AsksForHelp(arguments) || (!words.empty() && words[0] == "help")) {
    if (command != nullptr) {
      context.out() << CommandHelp(*command);
    } else if (const std::string noun = KnownNouns(commands, words); !noun.empty()) {
      context.out() << ListHelp(commands, noun);
    } else {
      context.out() << GeneralHelp(commands);
    }
    return absl::OkStatus();
  }
  if (!GivesConfig(arguments)) {
    if (const std::string path = DefaultConfig(); !path.empty()) {
      arguments.insert(arguments.begin(), {"--config", path});
    }
  }
  Options options;
  context.AddTo(options);
  if (command != nullptr) command->options(options);
  const absl::StatusOr<std::vector<std::string>> parsed = options.Parse(arguments);
  if (absl::IsCancelled(parsed.status())) return absl::OkStatus();  // --version
  if (command == nullptr) return NoSuchCommand(commands, words);
  RETURN_IF_ERROR(parsed);
  std::vector<std::string> rest = *parsed;
  rest.erase(rest.begin(),
             rest.begin() + std::count(command->words.begin(), command->words.end(), ' ') + 1);
  RETURN_IF_ERROR(context.Check());
  if (rest.size() < command->least) {
    return absl::InvalidArgumentError(absl::StrCat("an argument is missing: ", Usage(*command)));
  }
  if (rest.size() > command->most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", rest[command->most], "\" is one argument too many: ", Usage(*command)));
  }
  return command->run(context, options, rest);
}

}  // namespace godwit::cli
