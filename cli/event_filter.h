// The options that choose events.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/context.h"
#include "cli/options.h"
#include "godwit/registry/v1/event.pb.h"

namespace godwit::cli {

class EventFilterOptions {
 public:
  void AddTo(Options& options);
  // Whether any was given.
  bool Given(const Options& options) const;
  // Asks the registry for host names. INVALID_ARGUMENT names the option.
  absl::StatusOr<registry::v1::EventFilter> Filter(Context& context) const;

 private:
  std::vector<std::string> types_, servers_, applications_, waves_;
};

}  // namespace godwit::cli
