#include "services/registry/domain/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::StatusOr<std::vector<InventoryRow>> Read(absl::string_view text) {
  const auto records = ParseCsv(text);
  if (!records.ok()) return records.status();
  return ReadInventory(*records, {.account = "123456789012",
                                  .region = "us-east-1",
                                  .is_launch_setting = [](absl::string_view name) {
                                    return name == "mgn:launch:boot-mode";
                                  }});
}

// Why a file with this heading and these two rows has a fault in its last row.
std::string FaultOf(const std::string& text) {
  const auto inventory = Read(text);
  EXPECT_OK(inventory);
  if (!inventory.ok() || inventory->empty()) return "";
  return inventory->back().fault;
}

TEST(InventoryTest, CellsByWhatTheyAreAbout) {
  const auto inventory = Read(
      "mgn:wave:name,mgn:wave:description,mgn:app:name,mgn:app:tag:Team,"
      "mgn:server:user-provided-id,mgn:server:tag:a b,mgn:launch:boot-mode\n"
      "W,first,A,blue,s1,,UEFI\n"
      "W,,A,,s2,x,\n"
      ",,B,red,,,\n"
      ",,,,s1,y,\n");
  ASSERT_OK(inventory);
  ASSERT_EQ(inventory->size(), 4u);
  for (const InventoryRow& row : *inventory) EXPECT_EQ(row.fault, "");
  const InventoryRow& first = (*inventory)[0];
  EXPECT_EQ(first.number, 2);
  EXPECT_EQ(first.wave.name, "W");
  EXPECT_THAT(first.wave.values, ElementsAre(Pair("mgn:wave:description", "first")));
  EXPECT_THAT(first.application.values, ElementsAre(Pair("mgn:app:tag:Team", "blue")));
  EXPECT_THAT(first.server.values, ElementsAre(Pair("mgn:launch:boot-mode", "UEFI")));
  EXPECT_TRUE((*inventory)[2].wave.empty());
  EXPECT_TRUE((*inventory)[2].server.empty());
  EXPECT_THAT((*inventory)[3].server.values, ElementsAre(Pair("mgn:server:tag:a b", "y")));
}

TEST(InventoryTest, HeadingsThatAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no heading"},
      {"mgn:wave:name,mgn:wave:name\n", "twice"},
      {"mgn:wave:nmae\n", "mgn:wave:nmae"},
      {"mgn:server:description\n", "mgn:server:description"},
      {"mgn:server:tag:\n", "mgn:server:tag:"},
      {"mgn:wave:name,\n", "\"\""},
      {"mgn:replication:create-public-ip\n", "not imported"},
      {"mgn:launch:post-actions:enabled\n", "not imported"},
      {"mgn:launch:nic:x:subnet-id\n", "nic:x"},
      {"mgn:launch:nic:0:private-ip\n", "private-ip"},
      {"mgn:launch:volume::type\n", "volume"}};
  for (const auto& [text, why] : cases) {
    EXPECT_THAT(Read(text), StatusIs(absl::StatusCode::kInvalidArgument, why)) << text;
  }
  EXPECT_OK(
      Read("mgn:launch:nic:0:subnet-id,mgn:launch:nic:12:private-ip:3,"
           "mgn:launch:volume:/dev/sda:type,mgn:launch:tag:instance:k,mgn:server:platform\n"));
}

TEST(InventoryTest, RowsThatAreRefused) {
  EXPECT_THAT(FaultOf("mgn:wave:name,mgn:app:name\nW\n"), HasSubstr("1 cells"));
  EXPECT_THAT(FaultOf("mgn:wave:name,mgn:wave:description\n,text\n"), HasSubstr("mgn:wave:id"));
  EXPECT_THAT(FaultOf("mgn:region,mgn:app:name\nus-east-1,\n"), HasSubstr("names no"));
  EXPECT_THAT(FaultOf("mgn:region,mgn:app:name\nmars,A\n"), HasSubstr("us-east-1"));
  EXPECT_THAT(FaultOf("mgn:account-id,mgn:app:name\n1,A\n"), HasSubstr("123456789012"));
  EXPECT_THAT(FaultOf("mgn:app:id\napp-1\n"), HasSubstr("mgn:app:id"));
  EXPECT_THAT(FaultOf("mgn:wave:name,mgn:server:user-provided-id\nW,s\n"), HasSubstr("between"));
  EXPECT_THAT(FaultOf("mgn:app:name,mgn:app:description\nA,one\nA,two\n"),
              HasSubstr("another value"));
  EXPECT_THAT(FaultOf("mgn:app:name,mgn:wave:name\nA,V\nA,W\n"), HasSubstr("another wave"));
  EXPECT_THAT(FaultOf("mgn:server:user-provided-id,mgn:app:name\ns,A\ns,B\n"),
              HasSubstr("another application"));
  EXPECT_THAT(FaultOf("mgn:app:name\n[RESET_VALUE]\n"), HasSubstr("cannot be reset"));
  EXPECT_THAT(FaultOf("mgn:app:name,mgn:app:description\nA,[DELETE_TAG]\n"), HasSubstr("no tag"));
  EXPECT_THAT(FaultOf(absl::StrCat("mgn:app:name,mgn:app:tag:a\nA,", std::string(4000, 'x'), "\n")),
              "");
}

TEST(InventoryTest, AFaultyRowSaysNothing) {
  const auto inventory =
      Read("mgn:app:name,mgn:app:description,mgn:wave:name\nA,one,\nA,two,W\nA,,V\n");
  ASSERT_OK(inventory);
  EXPECT_NE((*inventory)[1].fault, "");
  EXPECT_TRUE((*inventory)[1].application.empty());
  EXPECT_EQ((*inventory)[2].fault, "");
}

}  // namespace
}  // namespace godwit::registry
