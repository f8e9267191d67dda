#include "services/jobs/targets/vga_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace godwit::jobs {
namespace {

// Lines of 80 columns, white on black.
std::string Memory(const std::vector<std::string>& lines) {
  std::string out;
  for (std::string line : lines) {
    line.resize(80, ' ');
    for (const char c : line) out += {c, '\x07'};
  }
  return out;
}

TEST(VgaText, GivesLinesWithoutWhatIsBlank) {
  EXPECT_EQ(VgaText(Memory({"GNU GRUB  version 2.06", "", "  grub> _", std::string(80, '\0')})),
            "GNU GRUB  version 2.06\n  grub> _\n");
  EXPECT_EQ(VgaText(Memory({"a\xdb\x1b[0m"})), "a??[0m\n");
  EXPECT_EQ(VgaText(""), "");
}

TEST(VgaText, AFullLineGoesOnInTheNext) {
  EXPECT_EQ(VgaText(Memory({std::string(80, 'x'), "yz"})), std::string(80, 'x') + "yz\n");
}

TEST(VgaText, IsBoundedWhateverIsThere) {
  std::mt19937 random(7);
  for (const std::size_t size : {1u, 159u, 161u, 32768u, 200000u}) {
    std::string memory(size, '\0');
    for (char& c : memory) c = static_cast<char>(random());
    const std::string text = VgaText(memory);
    EXPECT_LE(text.size(), kVgaTextBytes / 2 + kVgaTextBytes / 160 + 1);
    for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c <= 0x7e));
  }
}

}  // namespace
}  // namespace godwit::jobs
