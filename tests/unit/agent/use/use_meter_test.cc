#include "agent/use/use_meter.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/discovery/measured_use.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::TempDir;

constexpr std::int64_t kMiB = 1 << 20;

// A machine whose /proc is made of text.
class UseMeterTest : public ::testing::Test {
 protected:
  void SetUp() override { Write(0, 0); }
  UseMeter::Options Options() const {
    return {.proc = dir_.path(), .state_path = dir_ / "use.json"};
  }
  void Write(double busy_cores, double seconds) {
    busy_ += busy_cores * seconds * 100;
    idle_ += (cores_ - busy_cores) * seconds * 100;
    std::string stat = absl::StrCat("cpu  ", static_cast<std::int64_t>(busy_), " 0 0 ",
                                    static_cast<std::int64_t>(idle_), " 0 0 0 0 0 0\n");
    for (int core = 0; core < cores_; ++core) absl::StrAppend(&stat, "cpu", core, " 1 0 0 1\n");
    std::ofstream(dir_ / "stat") << stat;
    std::ofstream(dir_ / "meminfo") << "MemTotal: " << total_ / 1024
                                    << " kB\nMemAvailable: " << (total_ - used_) / 1024 << " kB\n";
  }
  // `minutes` in which `busy` cores work.
  void Live(UseMeter& meter, int minutes, double busy) {
    for (int i = 0; i < minutes * 12; ++i) {
      Write(busy, 5);
      now_ += absl::Seconds(5);
      EXPECT_OK(meter.Tick(now_));
    }
  }
  TempDir dir_;
  absl::Time now_ = absl::FromUnixSeconds(1'780'000'000);
  int cores_ = 4;
  double busy_ = 0, idle_ = 0;
  std::int64_t total_ = 4096 * kMiB, used_ = 1000 * kMiB;
};

TEST_F(UseMeterTest, ASampleIsAMinute) {
  UseMeter meter(Options(), now_);
  EXPECT_OK(meter.Tick(now_));
  EXPECT_EQ(meter.Summary().sample_count, 0);
  Live(meter, 19, 0.5);
  used_ = 1500 * kMiB;  // for less than a minute
  Write(0, 0);
  Live(meter, 1, 3);
  used_ = 900 * kMiB;
  const UseSummary use = meter.Summary();
  EXPECT_EQ(use.sample_count, 20);
  EXPECT_NEAR(use.mean_cores, (19 * 0.5 + 3) / 20, 0.01);
  EXPECT_GE(use.p95_cores, 0.5);
  EXPECT_LE(use.p95_cores, 0.55);
  EXPECT_NEAR(use.peak_cores, 3, 0.01);
  EXPECT_EQ(use.peak_memory_bytes, 1500 * kMiB);
  EXPECT_GE(use.p95_memory_bytes, 1000 * kMiB);
  EXPECT_LE(use.p95_memory_bytes, 1091 * kMiB);
  EXPECT_EQ(use.end_time - use.start_time, absl::Minutes(20));
}

TEST_F(UseMeterTest, SurvivesTheAgentAndDropsWhatItDidNotSee) {
  UseSummary before;
  {
    UseMeter meter(Options(), now_);
    EXPECT_OK(meter.Tick(now_));
    Live(meter, 12, 1);
    EXPECT_OK(meter.Save());
    before = meter.Summary();
  }
  Write(4, 3600);  // while no agent ran
  now_ += absl::Hours(1);
  UseMeter meter(Options(), now_);
  EXPECT_EQ(meter.Summary().sample_count, 12);
  EXPECT_DOUBLE_EQ(meter.Summary().p95_cores, before.p95_cores);
  EXPECT_OK(meter.Tick(now_));
  Live(meter, 3, 1);
  Write(4, 600);  // the process stood still
  now_ += absl::Minutes(10);
  EXPECT_OK(meter.Tick(now_));
  Live(meter, 3, 1);
  const UseSummary use = meter.Summary();
  EXPECT_EQ(use.sample_count, 18);
  EXPECT_NEAR(use.peak_cores, 1, 0.01);
  EXPECT_EQ(use.start_time, before.start_time);
}

TEST_F(UseMeterTest, ADamagedStateIsNone) {
  for (const char* text :
       {"", "[]", "{}", "{\"core_count\":4}",
        R"({"core_count":4,"start_ms":-1,"end_ms":1,"sum_cores":1,"peak_cores":1,)"
        R"("peak_memory_bytes":1,"cores":[[1,1]],"memory":[[1,1]]})",
        R"({"core_count":4,"start_ms":1,"end_ms":1,"sum_cores":1,"peak_cores":1,)"
        R"("peak_memory_bytes":1,"cores":[[1,1],[999,1]],"memory":[[1,1]]})"}) {
    ASSERT_OK(WriteFileAtomically(dir_ / "use.json", text));
    UseMeter meter(Options(), now_);
    EXPECT_EQ(meter.Summary().sample_count, 0) << text;
  }
}

TEST_F(UseMeterTest, AnotherMachineIsMeasuredAnew) {
  UseMeter meter(Options(), now_);
  EXPECT_OK(meter.Tick(now_));
  Live(meter, 5, 3);
  cores_ = 2;
  Write(0, 0);
  Live(meter, 2, 1);
  EXPECT_LE(meter.Summary().peak_cores, 1.01);
  total_ = 800 * kMiB;
  used_ = 300 * kMiB;
  Write(0, 0);
  Live(meter, 4, 1);
  const UseSummary use = meter.Summary();
  EXPECT_EQ(use.peak_memory_bytes, 300 * kMiB);
  EXPECT_GE(use.sample_count, 2);
  EXPECT_LE(use.sample_count, 4);
}

TEST_F(UseMeterTest, WithoutTheFilesItSaysSoAndGoesOnLater) {
  UseMeter meter(Options(), now_);
  EXPECT_OK(meter.Tick(now_));
  Live(meter, 2, 1);
  ASSERT_EQ(unlink((dir_ / "stat").c_str()), 0);
  absl::Status status;
  for (int i = 0; i < 20 && status.ok(); ++i) status = meter.Tick(now_ += absl::Seconds(5));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  Write(0, 0);
  EXPECT_OK(meter.Tick(now_ += absl::Seconds(20)));
  Live(meter, 2, 1);
  EXPECT_GE(meter.Summary().sample_count, 3);
}

TEST_F(UseMeterTest, AReportStaysWithinWhatTheRegistryTakes) {
  UseMeter meter(Options(), now_);
  registry::v1::SourceProperties properties;
  AddUse(meter.Summary(), &properties);
  EXPECT_FALSE(properties.has_use());
  EXPECT_OK(meter.Tick(now_));
  Live(meter, 2, 4);
  properties.add_cpus()->set_core_count(3);
  properties.set_ram_bytes(500 * kMiB);
  AddUse(meter.Summary(), &properties);
  EXPECT_EQ(properties.use().sample_count(), 2);
  EXPECT_EQ(properties.use().peak_cores(), 3);
  EXPECT_EQ(properties.use().p95_cores(), 3);
  EXPECT_EQ(properties.use().peak_memory_bytes(), 500 * kMiB);
  EXPECT_EQ(properties.use().end_time().seconds() - properties.use().start_time().seconds(), 120);
}

// The real kernel: a process that only computes is seen. At most a second and a half.
TEST(UseMeterOnThisMachine, SeesWorkThatIsDone) {
  TempDir dir;
  UseMeter meter({.state_path = dir / "use.json",
                  .reading = absl::Milliseconds(100),
                  .sample = absl::Milliseconds(500)},
                 absl::Now());
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    for (volatile bool on = true; on;) {
    }
  }
  ASSERT_GT(child, 0);
  const absl::Time end = absl::Now() + absl::Milliseconds(1400);
  while (absl::Now() < end && meter.Summary().sample_count < 2) {
    EXPECT_OK(meter.Tick(absl::Now()));
    absl::SleepFor(absl::Milliseconds(50));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const UseSummary use = meter.Summary();
  ASSERT_GE(use.sample_count, 1);
  EXPECT_GT(use.peak_cores, 0.5);
  EXPECT_LE(use.peak_cores, static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_GT(use.peak_memory_bytes, 8 * kMiB);
}

}  // namespace
}  // namespace godwit::agent
