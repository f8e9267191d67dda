#include "cli/options.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace godwit::cli {
namespace {

// "--name=value" or "--name" -> "name".
std::string NameOf(absl::string_view argument) {
  absl::ConsumePrefix(&argument, "--");
  return std::string(argument.substr(0, argument.find('=')));
}

bool ValueFollows(absl::string_view argument, const std::map<std::string, bool>& takes_value) {
  if (absl::StrContains(argument, '=')) return false;
  const auto known = takes_value.find(NameOf(argument));
  return known != takes_value.end() && known->second;
}

}  // namespace

void Options::String(std::string name, std::string* target, std::string value, std::string help) {
  takes_value_[name] = true;
  lines_.push_back({name, std::move(value), help});
  flags_.String(std::move(name), target, std::move(help));
}

void Options::Strings(std::string name, std::vector<std::string>* target, std::string value,
                      std::string help) {
  takes_value_[name] = true;
  lines_.push_back({name, std::move(value), absl::StrCat(help, " (may be repeated)")});
  flags_.Strings(std::move(name), target, std::move(help));
}

void Options::Int(std::string name, std::int64_t* target, std::int64_t least, std::int64_t most,
                  std::string help) {
  takes_value_[name] = true;
  lines_.push_back({name, "N", help});
  flags_.Int(std::move(name), target, least, most, std::move(help));
}

void Options::Bool(std::string name, bool* target, std::string help) {
  takes_value_[name] = false;
  lines_.push_back({name, "", help});
  flags_.Bool(std::move(name), target, std::move(help));
}

void Options::Duration(std::string name, absl::Duration* target, std::string help) {
  takes_value_[name] = true;
  const std::string shown =
      *target > absl::ZeroDuration() ? absl::StrCat(" [", absl::FormatDuration(*target), "]") : "";
  lines_.push_back({name, "D", absl::StrCat(help, shown)});
  flags_.Duration(std::move(name), target, std::move(help));
}

absl::StatusOr<std::vector<std::string>> Options::Parse(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"godwit"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (!absl::StartsWith(arguments[i], "--")) continue;
    given_.insert(NameOf(arguments[i]));
    if (ValueFollows(arguments[i], takes_value_)) ++i;
  }
  return flags_.Parse(static_cast<int>(argv.size()), argv.data());
}

std::string Options::Help(std::size_t skip) const {
  std::size_t width = 0;
  const auto left = [](const HelpLine& line) {
    return absl::StrCat("--", line.name, line.value.empty() ? "" : " ", line.value);
  };
  for (const HelpLine& line : lines_) width = std::max(width, left(line).size());
  std::string out;
  for (std::size_t i = skip; i < lines_.size(); ++i) {
    const std::string option = left(lines_[i]);
    absl::StrAppend(&out, "  ", option, std::string(width - option.size() + 2, ' '), lines_[i].help,
                    "\n");
  }
  return out;
}

std::vector<std::string> Words(const std::vector<std::string>& arguments,
                               const std::map<std::string, bool>& takes_value) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") {
      words.insert(words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                   arguments.end());
      break;
    }
    if (!absl::StartsWith(arguments[i], "-") || arguments[i] == "-") {
      words.push_back(arguments[i]);
    } else if (ValueFollows(arguments[i], takes_value)) {
      ++i;
    }
  }
  return words;
}

}  // namespace godwit::cli
