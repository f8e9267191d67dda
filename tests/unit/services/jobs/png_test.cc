#include "services/jobs/targets/png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;

TEST(Png, PacksAPixmapSoThatItsPixelsComeBack) {
  const std::string pixels = "\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b";
  ASSERT_OK_AND_ASSIGN(const std::string png, PngFromPixmap("P6\n2 2\n255\n" + pixels));
  EXPECT_TRUE(IsPng(png));
  EXPECT_EQ(png.substr(12, 4), "IHDR");
  EXPECT_EQ(png.substr(16, 8), std::string("\0\0\0\2\0\0\0\2", 8));
  const std::size_t data = png.find("IDAT") + 4;
  std::string rows(64, '\0');
  uLongf size = rows.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(rows.data()), &size,
                       reinterpret_cast<const Bytef*>(png.data() + data), png.size() - data),
            Z_OK);
  rows.resize(size);
  EXPECT_EQ(rows,
            std::string(1, '\0') + pixels.substr(0, 6) + std::string(1, '\0') + pixels.substr(6));
}

TEST(Png, RefusesWhatIsNoPixmap) {
  for (const char* wrong : {"", "P5\n2 2\n255\nxxxx", "P6\n2 2\n65535\n", "P6\n99999 1\n255\n",
                            "P6\n0 5\n255\n", "P6\n2 2\n255\nshort", "P6"}) {
    EXPECT_THAT(PngFromPixmap(wrong), StatusIs(absl::StatusCode::kInvalidArgument, "pixmap"))
        << wrong;
  }
}

}  // namespace
}  // namespace godwit::jobs
