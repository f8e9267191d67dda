// Progress on standard error: a bar that is redrawn on a terminal, lines elsewhere.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/context.h"

namespace godwit::cli {

// "[#####-----]  50%"; without a percentage when `fraction` is negative. Values above 1 count as 1.
std::string Bar(double fraction, int width);

// Not thread-safe.
class Progress {
 public:
  // How often the same phase is reported where there is no terminal.
  static constexpr absl::Duration kLineInterval = absl::Seconds(15);

  explicit Progress(Context& context) : context_(context), began_(context.clock().Monotonic()) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Where it stands now: text of `phase` with figures. Negative `fraction`: unknown.
  void Show(absl::string_view phase, absl::string_view figures, double fraction);
  // A line that stays.
  void Line(absl::string_view text);

 private:
  void Clear();

  Context& context_;
  const absl::Duration began_;
  absl::Duration last_line_ = -absl::InfiniteDuration();
  std::string last_phase_, last_text_;
  bool drawn_ = false;
};

}  // namespace godwit::cli
