// What target export remembers of a machine's folder, `.export.json`, replaced atomically.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::jobs {

inline constexpr char kExportState[] = ".export.json";

// A file that is complete and durable under its name.
struct ExportedFile {
  std::string name;
  std::string sha256;
  std::int64_t file_bytes = 0;
  bool operator==(const ExportedFile&) const = default;
};

struct ExportState {
  std::int64_t epoch = 0;  // the newest that was seen
  bool complete = false;   // all files are there: the machine exists
  std::vector<ExportedFile> files;

  // Null: not written yet.
  const ExportedFile* Find(const std::string& name) const;
};

std::string ToJson(const ExportState& state);
// INTERNAL: it is none of ours.
absl::StatusOr<ExportState> ExportStateFromJson(absl::string_view text);

}  // namespace godwit::jobs
