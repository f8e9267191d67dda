// Facts and network cards of a run, as later steps and readers see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "services/jobs/app/facts.h"
#include "services/jobs/domain/derived.h"
#include "services/jobs/steps/machine_nics.h"

namespace godwit::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

Run RunWith(std::vector<SourceNic> sources, std::vector<Nic> wanted = {}) {
  Run run{.job_id = "job-1", .input = {.server = "s-1"}};
  PutServer(run.outputs, {.hostname = "web1", .nics = std::move(sources)});
  run.input.settings.nics = std::move(wanted);
  return run;
}

TEST(Facts, ComeBackAsTheyWere) {
  Outputs facts;
  PutServer(facts, {.hostname = "web1",
                    .boot_mode = "UEFI",
                    .core_count = 4,
                    .memory_bytes = 1ll << 40,
                    .nics = {{.name = "eth0", .mac_address = "52:54:00:00:00:01"}}});
  const ServerInfo server = GetServer(facts);
  EXPECT_EQ(server.hostname, "web1");
  EXPECT_EQ(server.core_count, 4);
  EXPECT_EQ(server.memory_bytes, 1ll << 40);
  EXPECT_EQ(server.nics[0].name, "eth0");
  PutDisks(facts, {{.disk_id = "d-1", .size_bytes = 5, .is_boot_disk = true, .path = "/a"},
                   {.disk_id = "d-2", .size_bytes = 6, .path = "/b"}});
  ASSERT_THAT(GetDisks(facts), SizeIs(2));
  EXPECT_TRUE(GetDisks(facts)[0].is_boot_disk);
  EXPECT_EQ(GetDisks(facts)[1].path, "/b");
  PutEndpoints(facts, {{22, "127.0.0.1:4022"}, {8080, "127.0.0.1:1"}});
  EXPECT_EQ(GetEndpoints(facts).at(8080), "127.0.0.1:1");
  PutProof(facts, {"console: up", "port 22: open"});
  EXPECT_THAT(GetProof(facts), ElementsAre("console: up", "port 22: open"));
  const absl::Time time = absl::FromUnixMicros(1780000000123456);
  PutTime(facts, "t", time);
  EXPECT_EQ(GetTime(facts, "t"), time);
  EXPECT_EQ(GetTime(facts, "none"), std::nullopt);
}

TEST(MachineMacs, KeepTheSourcesUnlessToldOtherwise) {
  EXPECT_THAT(MachineMacs(RunWith(
                  {{.mac_address = "52:54:00:00:00:01"}, {.mac_address = "52:54:00:00:00:02"}})),
              ElementsAre("52:54:00:00:00:01", "52:54:00:00:00:02"));
  EXPECT_THAT(MachineMacs(RunWith({{.mac_address = "52:54:00:00:00:01"}},
                                  {{.mac_address = "52:54:00:00:00:09"}})),
              ElementsAre("52:54:00:00:00:09"));
}

TEST(MachineMacs, AreValidAndDifferentWhateverTheSourceSays) {
  const std::vector<std::string> bond =
      MachineMacs(RunWith({{.mac_address = "52:54:00:00:00:01"},
                           {.mac_address = "52:54:00:00:00:01"},
                           {.mac_address = "nonsense,romfile=/x"}}));
  EXPECT_THAT(std::set<std::string>(bond.begin(), bond.end()), SizeIs(3));
  for (const std::string& mac : bond) EXPECT_TRUE(IsMac(mac)) << mac;
  EXPECT_THAT(MachineMacs(RunWith({})), SizeIs(1));
  EXPECT_THAT(MachineMacs(RunWith(std::vector<SourceNic>(50))), SizeIs(8));
}

}  // namespace
}  // namespace godwit::jobs
