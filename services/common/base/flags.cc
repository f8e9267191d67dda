#include "services/common/base/flags.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/version.h"

namespace godwit {

Flags::Flags(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {
  String("config", &config_path_,
         "file of \"name = value\" lines with the same names as the flags");
}

void Flags::String(std::string name, std::string* target, std::string help) {
  Add({.name = std::move(name),
       .help = std::move(help),
       .shown_default = *target,
       .set = [target](absl::string_view value) {
         *target = std::string(value);
         return absl::OkStatus();
       }});
}

void Flags::Strings(std::string name, std::vector<std::string>* target, std::string help) {
  Add({.name = std::move(name),
       .help = absl::StrCat(help, " (repeatable)"),
       .shown_default = absl::StrJoin(*target, ","),
       .set = [target](absl::string_view value) {
         target->push_back(std::string(value));
         return absl::OkStatus();
       }});
}

void Flags::Int(std::string name, std::int64_t* target, std::int64_t least, std::int64_t most,
                std::string help) {
  Add({.name = std::move(name),
       .help = std::move(help),
       .shown_default = absl::StrCat(*target),
       .set = [=](absl::string_view value) -> absl::Status {
         std::int64_t number = 0;
         if (!absl::SimpleAtoi(value, &number) || number < least || number > most) {
           return absl::InvalidArgumentError(
               absl::StrCat("must be a number from ", least, " to ", most));
         }
         *target = number;
         return absl::OkStatus();
       }});
}

void Flags::Bool(std::string name, bool* target, std::string help) {
  Add({.name = std::move(name),
       .help = std::move(help),
       .shown_default = *target ? "true" : "false",
       .is_bool = true,
       .set = [target](absl::string_view value) -> absl::Status {
         if (!absl::SimpleAtob(value, target)) {
           return absl::InvalidArgumentError("must be true or false");
         }
         return absl::OkStatus();
       }});
}

void Flags::Duration(std::string name, absl::Duration* target, std::string help) {
  Add({.name = std::move(name),
       .help = std::move(help),
       .shown_default = absl::FormatDuration(*target),
       .set = [target](absl::string_view value) -> absl::Status {
         absl::Duration duration;
         if (!absl::ParseDuration(value, &duration) || duration < absl::ZeroDuration()) {
           return absl::InvalidArgumentError("must be a duration such as 90s, 5m or 1h30m");
         }
         *target = duration;
         return absl::OkStatus();
       }});
}

absl::Status Flags::Set(absl::string_view name, absl::string_view value, absl::string_view where) {
  for (const Flag& flag : flags_) {
    if (flag.name != name) continue;
    return Annotate(flag.set(value), absl::StrCat(where, ": ", name));
  }
  std::vector<std::string> names;
  for (const Flag& flag : flags_) names.push_back(flag.name);
  return absl::InvalidArgumentError(absl::StrCat(where, ": there is no option \"", name,
                                                 "\"; there are: ", absl::StrJoin(names, ", ")));
}

absl::Status Flags::ReadConfig(const std::string& path,
                               const std::vector<std::string>& already_set) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1u << 20));
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::string where = absl::StrCat(path, ":", number);
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": not \"name = value\""));
    }
    const std::string name(absl::StripAsciiWhitespace(parts[0]));
    if (std::find(already_set.begin(), already_set.end(), name) != already_set.end()) continue;
    RETURN_IF_ERROR(Set(name, absl::StripAsciiWhitespace(parts[1]), where));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Flags::Parse(int argc, const char* const* argv) {
  std::vector<std::string> rest, given;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--") {
      rest.insert(rest.end(), argv + i + 1, argv + argc);
      break;
    }
    if (argument == "--help" || argument == "-h") {
      std::fputs(Help().c_str(), stdout);
      return absl::CancelledError("help was printed");
    }
    if (argument == "--version") {
      std::printf("%s %s\n", program_.c_str(), Version());
      return absl::CancelledError("the version was printed");
    }
    if (!absl::StartsWith(argument, "--")) {
      rest.emplace_back(argument);
      continue;
    }
    const std::vector<std::string> parts =
        absl::StrSplit(argument.substr(2), absl::MaxSplits('=', 1));
    const auto flag = std::find_if(flags_.begin(), flags_.end(),
                                   [&](const Flag& f) { return f.name == parts[0]; });
    std::string value = parts.size() == 2 ? parts[1] : "true";
    if (parts.size() == 1 && flag != flags_.end() && !flag->is_bool) {
      if (++i == argc) {
        return absl::InvalidArgumentError(
            absl::StrCat("command line: ", parts[0], ": needs a value"));
      }
      value = argv[i];
    }
    RETURN_IF_ERROR(Set(parts[0], value, "command line"));
    given.push_back(parts[0]);
  }
  if (!config_path_.empty()) RETURN_IF_ERROR(ReadConfig(config_path_, given));
  return rest;
}

std::string Flags::Help() const {
  std::string out = absl::StrCat(program_, ": ", purpose_, "\n\nOptions:\n");
  for (const Flag& flag : flags_) {
    absl::StrAppend(&out, "  --", flag.name, flag.is_bool ? "" : "=VALUE", "\n        ", flag.help);
    if (!flag.shown_default.empty()) absl::StrAppend(&out, " [", flag.shown_default, "]");
    out += "\n";
  }
  return out;
}

}  // namespace godwit
