#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/format.h"
#include "cli/output.h"

namespace godwit::cli {
namespace {

constexpr int kBarWidth = 24;

std::size_t TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

std::string Bar(double fraction, int width) {
  if (!(fraction >= 0))
    return absl::StrCat("[", std::string(static_cast<std::size_t>(width), '.'), "]     ");
  fraction = std::min(fraction, 1.0);
  const auto full = static_cast<std::size_t>(fraction * width);
  return absl::StrFormat("[%s%s] %3d%%", std::string(full, '#'),
                         std::string(static_cast<std::size_t>(width) - full, '-'),
                         static_cast<int>(fraction * 100));
}

void Progress::Show(absl::string_view phase, absl::string_view figures, double fraction) {
  const absl::Duration now = context_.clock().Monotonic();
  std::string text = Plain(absl::StrCat(phase, figures.empty() ? "" : ": ", figures));
  if (context_.terminal()) {
    std::string line = absl::StrCat(Bar(fraction, kBarWidth), " ", text, "  ", Span(now - began_));
    if (const std::size_t columns = TerminalColumns(); line.size() >= columns)
      line.resize(columns - 1);
    context_.err() << "\r\x1b[K" << line << std::flush;
    drawn_ = true;
    return;
  }
  if (phase == last_phase_ && (text == last_text_ || now - last_line_ < kLineInterval)) return;
  last_phase_ = std::string(phase);
  last_text_ = text;
  last_line_ = now;
  if (fraction >= 0)
    absl::StrAppendFormat(&text, " (%d%%)", static_cast<int>(std::min(fraction, 1.0) * 100));
  context_.err() << text << std::endl;
}

void Progress::Line(absl::string_view text) {
  Clear();
  context_.err() << Plain(text) << std::endl;
}

void Progress::Clear() {
  if (!drawn_) return;
  context_.err() << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace godwit::cli
