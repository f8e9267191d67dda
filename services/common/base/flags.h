// Command-line options of the services: --name=value, --name value, and --config FILE with the same
// names as "name = value" lines ("#" starts a comment). A flag on the command line wins over the
// file, the file over the default. Unknown names are errors that list the known ones. --help prints
// them all.
//
//   Flags flags("godwit-registry", "Keeps source servers and their life cycle.");
//   flags.String("listen", &config.listen, "address:port to serve on");
//   ASSIGN_OR_RETURN(std::vector<std::string> rest, flags.Parse(argc, argv));
//
// Not thread-safe: main() uses it once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit {

class Flags {
 public:
  Flags(std::string program, std::string purpose);

  // The present value of *target is the default and is shown by --help. `target` must outlive
  // Parse.
  void String(std::string name, std::string* target, std::string help);
  void Strings(std::string name, std::vector<std::string>* target, std::string help);  // repeatable
  void Int(std::string name, std::int64_t* target, std::int64_t least, std::int64_t most,
           std::string help);
  void Bool(std::string name, bool* target, std::string help);  // --name, --name=false
  void Duration(std::string name, absl::Duration* target, std::string help);  // 90s, 5m, 1h30m

  // The arguments that are no flags, in order. INVALID_ARGUMENT names the flag that is wrong.
  // --help prints Help() to standard output, --version the version, and both give CANCELLED: main()
  // then exits with 0.
  absl::StatusOr<std::vector<std::string>> Parse(int argc, const char* const* argv);
  std::string Help() const;

 private:
  struct Flag {
    std::string name, help, shown_default;
    bool is_bool = false;
    std::function<absl::Status(absl::string_view)> set;
  };
  void Add(Flag flag) { flags_.push_back(std::move(flag)); }
  absl::Status Set(absl::string_view name, absl::string_view value, absl::string_view where);
  absl::Status ReadConfig(const std::string& path, const std::vector<std::string>& already_set);

  std::string program_, purpose_, config_path_;
  std::vector<Flag> flags_;
};

}  // namespace godwit
