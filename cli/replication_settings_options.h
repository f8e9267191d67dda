// The options that replication settings are given by, of `replication settings set` and of
// templates.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/options.h"
#include "godwit/registry/v1/settings.pb.h"

namespace godwit::cli {

// Not thread-safe.
class ReplicationSettingsOptions {
 public:
  // This must outlive the parsing of `options`.
  void AddTo(Options& options);
  // Puts what was given into `settings`; adds the paths that changed. INVALID_ARGUMENT names the
  // option.
  absl::Status Apply(const Options& options, registry::v1::ReplicationSettings& settings,
                     std::set<std::string>& paths) const;

 private:
  std::string bandwidth_;
  std::int64_t lanes_ = 0, weight_ = 0;
  absl::Duration cut_interval_, freeze_budget_, undo_window_;
  bool never_freeze_ = false, encrypt_staging_ = false;
  std::vector<std::string> windows_, labels_, retention_;
};

}  // namespace godwit::cli
