// Files that images are packed in, and their checksums.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::image {

// Asked often while something long is done; its error ends that and is given back. May be null.
using Check = std::function<absl::Status()>;

// Lower-case hex SHA-256 of a file.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path, const Check& check = nullptr);

// Writes a tar (ustar) of `paths`, in their order, under their names without folders. Sizes above
// 8 GiB are written in base 256, as GNU tar and its readers have it.
absl::Status WriteTar(const std::vector<std::string>& paths, const std::string& to,
                      const Check& check = nullptr);

}  // namespace godwit::image
