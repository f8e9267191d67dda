// The options that launch settings are given by, of `launch-settings set` and of templates.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/options.h"
#include "godwit/jobs/v1/launch.pb.h"

namespace godwit::cli {

// Not thread-safe.
class LaunchSettingsOptions {
 public:
  // This must outlive the parsing of `options`.
  void AddTo(Options& options);
  // Puts what was given on top of `settings`, as they are now; adds the paths that changed.
  // INVALID_ARGUMENT names the option.
  absl::Status Apply(const Options& options, jobs::v1::LaunchSettings& settings,
                     std::set<std::string>& paths) const;

 private:
  using Texts = std::vector<std::string>;

  absl::Status ApplyWords(const Options& options, jobs::v1::LaunchSettings& settings,
                          std::set<std::string>& paths) const;
  absl::Status ApplyProof(const Options& options, jobs::v1::BootProof& proof) const;

  std::string target_, profile_, machine_name_, boot_mode_, disposition_, right_sizing_, memory_,
      licensing_;
  std::string test_network_, cutover_network_, console_text_, disk_bus_, licensing_note_;
  std::string export_format_;
  std::int64_t cpus_ = 0;
  bool copy_tags_ = false, copy_private_ip_ = false, quiesce_ = false, boot_agent_ = false,
       allow_unclean_ = false;
  Texts port_forwards_, boot_tcp_, boot_http_, boot_commands_, machine_tags_;
  absl::Duration boot_timeout_;
};

}  // namespace godwit::cli
