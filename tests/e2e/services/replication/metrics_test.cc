// What services tell Prometheus.
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/services/replication/cluster_fixture.h"

namespace godwit::testing {
namespace {

// As Prometheus would read it; nothing is served that docs/metrics.md does not tell of.
TEST_F(ClusterTest, MetricsSayHowReplicationStands) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  ASSERT_OK_AND_ASSIGN(const std::string docs, ReadFile(GODWIT_SOURCE_DIR "/docs/metrics.md"));
  std::map<std::string, double> values;  // by name with labels
  for (const char* service : {"registry", "replication", "worker-1"}) {
    const std::string file = cluster_->dir() + "/metrics.txt";
    ASSERT_OK_AND_ASSIGN(Process curl,
                         Process::Start({.command = {"/usr/bin/curl", "--silent", "--show-error",
                                                     "--fail", "--max-time", "10", "--output", file,
                                                     cluster_->MetricsUrl(service)},
                                         .log = cluster_->dir() + "/curl.log"}));
    ASSERT_OK_AND_ASSIGN(const int status, curl.Wait(absl::Seconds(20)));
    ASSERT_EQ(status, 0) << curl.Log();
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(file));
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      if (line[0] == '#') continue;
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(line, absl::MaxSplits(absl::ByString("} "), 1));
      double value = 0;
      const bool labels = !pair.second.empty();
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      ASSERT_TRUE(absl::SimpleAtod(labels ? pair.second : words.back(), &value)) << line;
      const std::string name = labels ? pair.first + "}" : words.front();
      values[name] += value;
      std::string family = name.substr(0, name.find('{'));
      if (absl::StartsWith(family, "godwit_rpc_seconds")) family = "godwit_rpc_seconds";
      if (absl::StartsWith(family, "exposer_")) continue;  // the library's own
      EXPECT_TRUE(absl::StrContains(docs, absl::StrCat("`", family, "`"))) << line;
    }
  }
  const auto of_server = [&](const std::string& name, const std::string& more = "") {
    const auto found =
        values.find(absl::StrCat(name, "{source_server=\"", kServer, "\"", more, "}"));
    return found == values.end() ? -1 : found->second;
  };
  EXPECT_EQ(of_server("godwit_replication_state", ",state=\"CONTINUOUS\""), 1);
  EXPECT_GE(of_server("godwit_replication_lag_seconds"), 0);
  EXPECT_LT(of_server("godwit_replication_lag_seconds"), 60);
  EXPECT_EQ(of_server("godwit_replication_disk_bytes"), static_cast<double>(kBytes));
  EXPECT_GT(of_server("godwit_replication_sent_bytes_total"), 0);
  EXPECT_GT(of_server("godwit_group_received_bytes_total"), 0);
  EXPECT_EQ(of_server("godwit_group_connected"), 1);
  EXPECT_EQ(of_server("godwit_group_damaged_payloads_total"), 0);
  EXPECT_GT(of_server("godwit_group_stage_seconds_total", ",stage=\"write\""), 0);
  EXPECT_GT(values["godwit_rpc_calls_total{code=\"0\",method=\"replication.GetReplication\"}"], 0);
}

}  // namespace
}  // namespace godwit::testing
