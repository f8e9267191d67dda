#include "services/registry/domain/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using Cells = std::vector<std::string>;

std::vector<Cells> Parsed(absl::string_view text) {
  const auto records = ParseCsv(text);
  EXPECT_OK(records);
  std::vector<Cells> cells;
  if (!records.ok()) return cells;
  for (const CsvRecord& record : *records) cells.push_back(record.cells);
  return cells;
}

TEST(CsvTest, QuotesLineEndsAndEmptyCells) {
  EXPECT_THAT(Parsed("a,b,c\r\n1,\"x,\"\"y\"\"\r\nz\",\n,,\"\""),
              ElementsAre(Cells{"a", "b", "c"}, Cells{"1", "x,\"y\"\r\nz", ""}, Cells{"", "", ""}));
  EXPECT_THAT(Parsed("\xef\xbb\xbf"
                     "a\nb"),
              ElementsAre(Cells{"a"}, Cells{"b"}));
  EXPECT_THAT(Parsed(""), ElementsAre());
  EXPECT_THAT(Parsed("a,\n"), ElementsAre(Cells{"a", ""}));
}

TEST(CsvTest, EmptyLinesArePassedOverButCount) {
  const auto records = ParseCsv("a\n\n\r\nb\n\n");
  ASSERT_OK(records);
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[1].number, 4);
}

TEST(CsvTest, FormulasAreData) {
  EXPECT_THAT(Parsed("=cmd|' /C x'!A0,@SUM(1)\n"),
              ElementsAre(Cells{"=cmd|' /C x'!A0", "@SUM(1)"}));
}

TEST(CsvTest, RefusalsNameTheRow) {
  struct Case {
    std::string text, why;
    std::int64_t row;
  };
  const Case cases[] = {{"a\nb\"c\n", "quote within", 2},
                        {"a\n\"b\"c\n", "behind the closing quote", 2},
                        {"a\n\"b", "not closed", 2},
                        {"a\rb", "carriage return", 1},
                        {"a\nb\n\x01", "control character", 3},
                        {std::string("a\0b", 3), "control character", 1},
                        {"\x7f", "control character", 1},
                        {"\xc3", "UTF-8", 1},
                        {"\xc0\xaf", "UTF-8", 1},          // overlong
                        {"\xed\xa0\x80", "UTF-8", 1},      // half a surrogate pair
                        {"\xf4\x90\x80\x80", "UTF-8", 1},  // beyond Unicode
                        {"\"\xff\"", "UTF-8", 1}};
  for (const Case& each : cases) {
    std::int64_t wrong = -1;
    const auto records = ParseCsv(each.text, {}, &wrong);
    EXPECT_THAT(records, StatusIs(absl::StatusCode::kInvalidArgument, each.why)) << each.text;
    EXPECT_EQ(wrong, each.row) << each.text;
  }
}

TEST(CsvTest, Limits) {
  const CsvLimits limits{
      .bytes = 40, .records = 3, .cells_of_record = 4, .cells = 8, .cell_bytes = 5};
  const auto refused = [&](const std::string& text, const char* why) {
    EXPECT_THAT(ParseCsv(text, limits), StatusIs(absl::StatusCode::kInvalidArgument, why)) << text;
  };
  EXPECT_OK(ParseCsv("1\n2\n3\n", limits));
  refused("1\n2\n3\n4\n", "more than 3 records");
  EXPECT_OK(ParseCsv("1,2,3,4\n", limits));
  refused("1,2,3,4,5\n", "more than 4 cells");
  refused("1,2,3,4\n1,2,3,4\n1\n", "more than 8 cells");
  EXPECT_OK(ParseCsv("12345,\"\"\"234\"\"\"", limits));
  refused("123456", "cell of more than 5");
  refused("\"12345\"\"\"", "cell of more than 5");
  refused("1234\xc3\xa4", "cell of more than 5");
  refused(std::string(41, '\n'), "more than 40 bytes");
}

TEST(CsvTest, WhatIsWrittenIsReadBack) {
  const std::vector<Cells> all = {{"a", "", "b,c"},
                                  {"\"", "x\ny", "\r\n"},
                                  {" lead", "tail ", "ä€😀"},
                                  {"=1+1", "'", "\"\"x\"\""}};
  std::string text;
  for (const Cells& cells : all) AppendCsv(cells, &text);
  EXPECT_EQ(Parsed(text), all);
}

}  // namespace
}  // namespace godwit::registry
