// What conversions changed in a guest, kept in the guest itself: a comparison and an undo need
// nothing but its disks. Read back as the hostile text that it may have become.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

inline constexpr char kManifest[] = "var/lib/godwit/conversion.json";

struct Manifest {
  std::vector<Change> changes;       // in the order in which they were made
  std::vector<std::string> folders;  // made, outermost first
};

// An empty one when there is none. FAILED_PRECONDITION: it is there and cannot be read.
absl::StatusOr<Manifest> LoadManifest(const GuestRoot& root);

// `later` after `earlier`: of what both changed, the oldest state before and the newest after.
Manifest Merge(Manifest earlier, const Manifest& later);

// Adds what `root` recorded to what is kept in it. Nothing is written when nothing was changed.
absl::Status SaveManifest(GuestRoot& root);

}  // namespace godwit::convert
