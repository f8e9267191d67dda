#include "agent/boot/dm_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/dm-ioctl.h>

#include <cstring>

#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;

struct Target {
  std::uint64_t first, count;
  std::string type, parameters;
};

// As the kernel answers: each target and its parameters, padded to 8 bytes.
std::string Answer(const std::vector<Target>& targets) {
  std::string body;
  for (const Target& target : targets) {
    dm_target_spec spec{};
    spec.sector_start = target.first;
    spec.length = target.count;
    std::strncpy(spec.target_type, target.type.c_str(), sizeof spec.target_type - 1);
    const std::size_t size = (sizeof spec + target.parameters.size() + 1 + 7) / 8 * 8;
    spec.next = static_cast<std::uint32_t>(body.size() + size);
    std::string one(reinterpret_cast<const char*>(&spec), sizeof spec);
    one += target.parameters;
    one.resize(size);
    body += one;
  }
  dm_ioctl head{};
  head.data_start = sizeof head;
  head.target_count = static_cast<std::uint32_t>(targets.size());
  return std::string(reinterpret_cast<const char*>(&head), sizeof head) + body;
}

TEST(DmTable, PartsOfALinearVolume) {
  ASSERT_OK_AND_ASSIGN(const std::vector<LinearPart> parts,
                       ParseLinear(Answer({{0, 8192, "linear", "8:3 2048"},
                                           {8192, 100, "linear", "259:12 1000000"}})));
  EXPECT_THAT(parts, ElementsAre(FieldsAre(0u, 8192u * 512, "8:3", 2048u * 512),
                                 FieldsAre(8192u * 512, 100u * 512, "259:12", 1000000u * 512)));
}

TEST(DmTable, OtherTargetsAreNotFollowed) {
  const auto code = [](const std::vector<Target>& targets) {
    return ParseLinear(Answer(targets)).status().code();
  };
  EXPECT_EQ(code({{0, 8192, "striped", "2 128 8:3 0 8:4 0"}}), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code({{0, 8, "linear", "8:3 0"}, {8, 8, "crypt", "aes - 0 8:3 0"}}),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{0, 8, "linear", "8:3"}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{0, 8, "linear", "8:3 x"}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{0, 0, "linear", "8:3 0"}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{0, 8, "linear", "8:3 0"}, {9, 8, "linear", "8:3 0"}}),
            absl::StatusCode::kInvalidArgument);
}

TEST(DmTable, AnAnswerThatIsCutShort) {
  const std::string answer =
      Answer({{0, 8192, "linear", "8:3 2048"}, {8192, 100, "linear", "8:4 100"}});
  for (std::size_t size = 0; size < answer.size() - 8; size += 4)
    EXPECT_FALSE(ParseLinear(answer.substr(0, size)).ok()) << size;
}

}  // namespace
}  // namespace godwit::agent
