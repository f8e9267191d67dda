// The folder of the registry's host that imports are read from and exports are written to. Paths
// come from strangers: nothing outside of the folder is reached, no link is followed. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::registry::storage {

// Names of the path bucket/key, outermost first. INVALID_ARGUMENT naming "bucket" or "key" as the
// field: not of the form that transfer_service.proto tells of.
absl::StatusOr<std::vector<std::string>> TransferPath(absl::string_view bucket,
                                                      absl::string_view key);

class TransferFolder {
 public:
  // `path` empty: there is none, and every call answers FAILED_PRECONDITION.
  explicit TransferFolder(std::string path) : path_(std::move(path)) {}
  bool exists() const { return !path_.empty(); }

  // NOT_FOUND: there is no such file. FAILED_PRECONDITION: a link, or no regular file on the way.
  // OUT_OF_RANGE: more than `most` bytes.
  absl::StatusOr<std::string> Read(const std::string& bucket, const std::string& key,
                                   std::size_t most) const;
  // Makes folders below the bucket that are missing; replaces a file that is there, at once and
  // durably. `writer` names the temporary file: the same when a write is tried again. NOT_FOUND:
  // there is no such bucket.
  absl::Status Write(const std::string& bucket, const std::string& key, const std::string& writer,
                     absl::string_view content) const;
  // OK when the bucket is there.
  absl::Status CheckBucket(const std::string& bucket) const;

 private:
  const std::string path_;
};

}  // namespace godwit::registry::storage
