#include "services/common/base/file.h"

#include <sys/stat.h>

#include "tests/support/status_matchers.h"

namespace godwit {
namespace {

using ::godwit::testing::StatusIs;

TEST(File, WritesAtomicallyAndReadsBackWithABound) {
  const std::string folder = ::testing::TempDir() + "/file_test/a/b";
  ASSERT_OK(MakeDirs(folder));
  ASSERT_OK(WriteFileAtomically(folder + "/f", "one"));
  ASSERT_OK(WriteFileAtomically(folder + "/f", "three", 0640));
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(folder + "/f"));
  EXPECT_EQ(text, "three");
  EXPECT_THAT(ReadFile(folder + "/f", 4), StatusIs(absl::StatusCode::kResourceExhausted, "larger"));
  EXPECT_THAT(ReadFile(folder + "/none"), StatusIs(absl::StatusCode::kNotFound, "none"));
  EXPECT_THAT(MakeDirs(folder + "/f"), StatusIs(absl::StatusCode::kFailedPrecondition, "folder"));
}

}  // namespace
}  // namespace godwit
