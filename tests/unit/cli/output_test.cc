#include "cli/output.h"

#include <sstream>

#include "godwit/registry/v1/source_server.pb.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

TEST(Table, ColumnsAsWideAsTheirWidestCell) {
  Table table({"A", "BBB", "C"});
  table.Row({"long", "x", "end"});
  table.Row({"é", "y", ""});
  std::ostringstream out;
  table.Print(out, "nothing");
  EXPECT_EQ(out.str(), "A     BBB  C\nlong  x    end\né     y\n");
}

TEST(Table, SaysThatItIsEmpty) {
  std::ostringstream out;
  Table({"A"}).Print(out, "no servers");
  EXPECT_EQ(out.str(), "no servers\n");
}

TEST(Table, ShowsNoControlBytesOfPeers) {
  Table table({"A"});
  table.Row({"evil\x1b[2J\nhost"});
  std::ostringstream out;
  table.Print(out, "");
  EXPECT_EQ(out.str(), "A\nevil?[2J?host\n");
}

TEST(Fields, AlignsAndLeavesEmptyOnesOut) {
  Fields fields;
  fields.Add("Name", "web1");
  fields.Add("Absent", "");
  fields.Add("State of it", "fine");
  std::ostringstream out;
  fields.Print(out);
  EXPECT_EQ(out.str(), "Name:         web1\nState of it:  fine\n");
}

TEST(Json, ScalarsAreAlwaysThereAndEnumsAreNames) {
  registry::v1::SourceServer server;
  server.set_name("sourceServers/s-1");
  server.set_lifecycle_state(registry::v1::SourceServer::TESTING);
  server.mutable_properties()->set_ram_bytes(1 << 30);
  ASSERT_OK_AND_ASSIGN(const std::string text, ToJson(server, true));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_THAT(text, ::testing::HasSubstr("\"lifecycleState\":\"TESTING\""));
  EXPECT_THAT(text, ::testing::HasSubstr("\"archived\":false"));
  EXPECT_THAT(text, ::testing::HasSubstr("\"ramBytes\":\"1073741824\""));
}

}  // namespace
}  // namespace godwit::cli
