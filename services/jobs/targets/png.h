// Screens as PNG.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::jobs {

// Whether it begins as a PNG does.
bool IsPng(absl::string_view image);
// Packs a binary portable pixmap ("P6", 8 bits a colour, at most 8192 x 8192). INVALID_ARGUMENT:
// it is none.
absl::StatusOr<std::string> PngFromPixmap(absl::string_view pixmap);

}  // namespace godwit::jobs
