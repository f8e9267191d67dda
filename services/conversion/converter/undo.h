// Compares a converted guest with what the conversion kept, and puts that back.
#pragma once

#include "absl/status/status.h"
#include "services/conversion/converter/firmware_steps.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/manifest.h"

namespace godwit::convert {

// job.action "diff": fills outcome->diff and ->changes; writes nothing. "undo": everything is
// checked first, then put back; outcome->changes says what. FAILED_PRECONDITION: there is nothing
// to undo, a file is not what the conversion left, or a kept one is not what it was; then nothing
// is written.
absl::Status DiffOrUndo(GuestRoot& root, const Job& job, const Firmware& firmware,
                        Outcome* outcome);

// The part on one file tree: `volume` as Change.volume has it.
absl::Status CheckUndo(const GuestRoot& root, const Manifest& manifest, const std::string& volume,
                       Outcome* outcome);
absl::Status UndoTree(GuestRoot& root, const Manifest& manifest, const std::string& volume,
                      Outcome* outcome);
absl::StatusOr<std::string> DiffTree(const GuestRoot& root, const Manifest& manifest,
                                     const std::string& volume);

}  // namespace godwit::convert
