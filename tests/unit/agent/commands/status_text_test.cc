#include "agent/commands/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

using ::testing::HasSubstr;

TEST(StatusText, SaysOfEveryDiskWhatBecomesOfIt) {
  const std::string text = StatusText(nlohmann::json::parse(R"({
    "server": "s-1", "replication": "c:1", "coordinator": "connected", "action": "REPLICATE",
    "points": "by freeze: it needs Linux 5.19", "first_blocks": "1.0 of 2.0 MiB are there",
    "progress": {"health": {"losses": [{"kind": "PASSTHROUGH", "count": "2"}, {"kind": "CAPTURE_DROPPED", "count": "1"}],
                            "rescanCount": 1, "rescanTime": "2026-01-01T00:00:00Z", "rescanReason": "d-1: marks may be lost"},
                 "phase": "COPYING", "lag": "1.500s", "errorMessage": "slow",
                 "disks": [{"diskId": "d-1", "pendingBytes": "3145728"}]},
    "disks": [
      {"disk_id": "d-1", "device": "/dev/sda", "bytes": 2147483648, "replicated": true,
       "missing": false, "reason": "", "tracker": "ebpf: x", "losses": "2 passthrough writes"},
      {"disk_id": "d-2", "device": "/dev/sdb", "bytes": 1073741824, "replicated": false,
       "missing": false, "reason": "not chosen"},
      {"disk_id": "d-3", "device": "/dev/sdc", "bytes": 1073741824, "replicated": true,
       "missing": true}]})"));
  EXPECT_EQ(text, R"(server       s-1
coordinator  c:1 (connected)
directive    REPLICATE
phase        COPYING
lag          1.500s
points       by freeze: it needs Linux 5.19
boot files   1.0 of 2.0 MiB are there
losses       PASSTHROUGH 2, CAPTURE_DROPPED 1; 1 whole disks compared, last at 2026-01-01T00:00:00Z because of d-1: marks may be lost
problem      slow
disk         /dev/sda  2.0 GiB  d-1  replicated, 3.0 MiB to send
             ebpf: x
             compared as a whole because of: 2 passthrough writes
disk         /dev/sdb  1.0 GiB  d-2  not replicated: not chosen
disk         /dev/sdc  1.0 GiB  d-3  not there any more
)");
}

TEST(StatusText, SaysWhetherSendingCatchesUp) {
  const std::string good = StatusText(nlohmann::json::parse(R"({"progress": {
    "changedBytesPerSecond": "3145728", "bytesPerSecond": "8388608", "convergesIn": "75s"}})"));
  EXPECT_THAT(good, HasSubstr("rates        changes 3.0 MiB/s, sends 8.0 MiB/s\n"));
  EXPECT_THAT(good, HasSubstr("up to date   in 75s\n"));
  const std::string bad = StatusText(nlohmann::json::parse(
      R"({"progress": {"stallCause": "NOT_CONVERGING", "errorMessage": "changes outrun it"}})"));
  EXPECT_THAT(bad, HasSubstr("problem      changes outrun it\n"));
  EXPECT_THAT(bad, HasSubstr("stalled by   NOT_CONVERGING\n"));
}

TEST(StatusText, TakesWhatAnOlderAgentLeft) {
  EXPECT_THAT(StatusText(nlohmann::json::parse(
                  R"({"server": 5, "progress": [], "disks": [{"device": "/dev/sda"}]})")),
              HasSubstr("/dev/sda"));
  EXPECT_FALSE(StatusText(nlohmann::json::object()).empty());
}

}  // namespace
}  // namespace godwit::agent
