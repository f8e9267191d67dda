// A bounded collection of texts without secrets, written as one tar.zst.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::cli {

// Not thread-safe.
class Bundle {
 public:
  static constexpr std::size_t kMostBytes = 8u << 20;      // of one text
  static constexpr std::size_t kMostTogether = 64u << 20;  // of all
  static constexpr std::size_t kMostTexts = 200;

  // Redacts `text` and keeps it as `name`; what is beyond the bounds is left out, and the manifest
  // says so. Names are file names without folders.
  void Add(const std::string& name, absl::string_view text);
  // The same with what a call gave, or its error for the manifest.
  void Add(const std::string& name, const absl::StatusOr<std::string>& text);
  // Writes manifest.json and all texts to `path` (mode 0600). ALREADY_EXISTS: it is never
  // overwritten.
  absl::Status Write(const std::string& path, const std::string& made) const;
  // What could not be had: "name: error".
  const std::vector<std::string>& missing() const { return missing_; }
  std::size_t size() const { return texts_.size(); }

 private:
  struct Text {
    std::string name, text;
    bool cut = false;
  };
  std::string Manifest(const std::string& made) const;

  std::vector<Text> texts_;
  std::vector<std::string> missing_;
  std::size_t together_ = 0;
};

}  // namespace godwit::cli
