// Backing chains of disk images, by qemu-img.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::jobs {

// Whether the qcow2 image still has a backing file. A running machine may have it open.
absl::StatusOr<bool> HasBacking(const std::string& path);

// Writes what the qcow2 image `from` and its chain hold as one image of `format` at `to`, which is
// not encrypted. `options`: of the format, as of qemu-img -o; may be empty. A partial `to` is
// removed. `check` as of RunCommand.
absl::Status FlattenImage(const std::string& from, const std::string& to, const std::string& format,
                          const std::string& master_key_file, absl::Duration timeout,
                          const std::string& options = "",
                          const std::function<absl::Status()>& check = nullptr);

}  // namespace godwit::jobs
