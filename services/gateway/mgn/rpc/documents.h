// Documents that post-launch actions name: scripts in a folder that whoever runs the gateway keeps.
// docs/gateway.md has its form.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::gateway::mgn {

// Thread-safe: reads the folder anew each time.
class Documents {
 public:
  // `dir` empty: there are no documents.
  explicit Documents(std::string dir) : dir_(std::move(dir)) {}

  // The text of a document. `identifier` may be the ARN of one; `version` is a number, "$DEFAULT",
  // "$LATEST" or empty. INVALID_ARGUMENT for `field` (or documentVersion): there is none of this
  // name or version, or it is no command: empty, over 16 KiB, no UTF-8, with control characters.
  absl::StatusOr<std::string> Read(absl::string_view field, absl::string_view identifier,
                                   absl::string_view version) const;

 private:
  absl::StatusOr<std::string> PathOf(absl::string_view field, const std::string& name,
                                     absl::string_view version) const;
  const std::string dir_;
};

}  // namespace godwit::gateway::mgn
