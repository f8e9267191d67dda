// Command lines: arguments are separated by zero bytes. Whatever Parse accepts is within the stated
// bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "services/common/base/check.h"
#include "services/common/base/flags.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> arguments = absl::StrSplit(text, '\0');
  std::vector<const char*> argv = {"fuzz"};
  for (const std::string& argument : arguments) {
    // Help prints, and a configuration file would read whatever the fuzzer names.
    if (argument == "--help" || argument == "-h" || argument.rfind("--config", 0) == 0) return 0;
    argv.push_back(argument.c_str());
  }

  std::string word = "unset";
  std::vector<std::string> words;
  std::int64_t number = 5;
  bool yes = false;
  absl::Duration span = absl::Seconds(1);
  godwit::Flags flags("fuzz", "Takes anything.");
  flags.String("word", &word, "a word");
  flags.Strings("words", &words, "many words");
  flags.Int("number", &number, 1, 10, "from 1 to 10");
  flags.Bool("yes", &yes, "yes or no");
  flags.Duration("span", &span, "how long");
  const auto rest = flags.Parse(static_cast<int>(argv.size()), argv.data());
  if (rest.ok()) {
    GODWIT_CHECK(number >= 1 && number <= 10);
    GODWIT_CHECK(rest->size() <= arguments.size());
  } else {
    GODWIT_CHECK(!rest.status().message().empty());
  }
  return 0;
}
