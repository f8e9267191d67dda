// The options of one command: Flags, and which of them were given.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/base/flags.h"

namespace godwit::cli {

// Not thread-safe.
class Options {
 public:
  Options() : flags_("godwit", "") {
    takes_value_["config"] = true;
    lines_.push_back(
        {"config", "FILE", "\"name = value\" lines with the same names as the options"});
  }

  // `value` is the word that stands for the value in the help, for example "DIR". Targets must
  // outlive Parse.
  void String(std::string name, std::string* target, std::string value, std::string help);
  void Strings(std::string name, std::vector<std::string>* target, std::string value,
               std::string help);  // may be repeated
  void Int(std::string name, std::int64_t* target, std::int64_t least, std::int64_t most,
           std::string help);
  void Bool(std::string name, bool* target, std::string help);  // --name, --name=false
  void Duration(std::string name, absl::Duration* target, std::string help);

  // The arguments that are no options. INVALID_ARGUMENT names the option that is wrong.
  absl::StatusOr<std::vector<std::string>> Parse(const std::vector<std::string>& arguments);
  // Whether the command line (not the configuration file) has the option. After Parse.
  bool Given(absl::string_view name) const { return given_.contains(std::string(name)); }

  // Names with whether a value follows.
  const std::map<std::string, bool>& takes_value() const { return takes_value_; }
  // A line an option, in the order they were added; the first `skip` left out.
  std::string Help(std::size_t skip = 0) const;
  std::size_t size() const { return lines_.size(); }

 private:
  struct HelpLine {
    std::string name, value, help;
  };

  Flags flags_;
  std::map<std::string, bool> takes_value_;
  std::set<std::string> given_;
  std::vector<HelpLine> lines_;
};

// The arguments that are no options nor values of options, in order, when `takes_value` are the
// known options.
std::vector<std::string> Words(const std::vector<std::string>& arguments,
                               const std::map<std::string, bool>& takes_value);

}  // namespace godwit::cli
