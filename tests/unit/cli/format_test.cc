#include "cli/format.h"

#include <limits>

#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using testing::StatusIs;

TEST(Format, BytesInTheUnitThatReadsBest) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Bytes(std::int64_t{5} << 40), "5.0 TiB");
  EXPECT_EQ(Bytes(-2048), "-2.0 KiB");
  EXPECT_EQ(Bytes(std::numeric_limits<std::int64_t>::max()), "8192.0 PiB");
}

TEST(Format, DurationsInTwoUnits) {
  EXPECT_EQ(Span(absl::ZeroDuration()), "0ms");
  EXPECT_EQ(Span(absl::Milliseconds(80)), "80ms");
  EXPECT_EQ(Span(absl::Milliseconds(12500)), "12.5s");
  EXPECT_EQ(Span(absl::Seconds(125)), "2m 5s");
  EXPECT_EQ(Span(absl::Hours(5) + absl::Minutes(7)), "5h 7m");
  EXPECT_EQ(Span(absl::Hours(50)), "2d 2h");
  EXPECT_EQ(Span(absl::Hours(1)), "1h");
  EXPECT_EQ(Span(-absl::Seconds(2)), "-2.0s");
}

TEST(Format, TimesInUtc) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(When(time), "-");
  time.set_seconds(1714564807);
  EXPECT_EQ(When(time), "2024-05-01 12:00:07Z");
}

TEST(Format, DurationMessagesThereAndBack) {
  const absl::Duration duration = absl::Milliseconds(90500);
  EXPECT_EQ(FromDuration(duration).seconds(), 90);
  EXPECT_EQ(FromDuration(duration).nanos(), 500000000);
  EXPECT_EQ(ToDuration(FromDuration(duration)), duration);
}

TEST(Format, ShortNames) {
  EXPECT_EQ(ShortName("sourceServers/s-1/points/p-2"), "p-2");
  EXPECT_EQ(ShortName("s-1"), "s-1");
  EXPECT_EQ(ShortName(""), "-");
}

TEST(Format, EnumsByNameAndNewerOnesByNumber) {
  using State = registry::v1::SourceServer;
  EXPECT_EQ(EnumWord(State::READY_FOR_TEST), "READY_FOR_TEST");
  EXPECT_EQ(EnumWord(State::LIFECYCLE_STATE_UNSPECIFIED), "-");
  EXPECT_EQ(EnumWord(static_cast<State::LifecycleState>(77)), "77");
}

TEST(Format, ParsesEnumsAsPeopleWriteThem) {
  const auto* type = jobs::v1::LaunchSettings::BootMode_descriptor();
  for (const char* text : {"use-source", "USE_SOURCE", "Use_Source"}) {
    ASSERT_OK_AND_ASSIGN(const int value, ParseEnum("boot-mode", type, text));
    EXPECT_EQ(value, jobs::v1::LaunchSettings::USE_SOURCE);
  }
  EXPECT_THAT(ParseEnum("boot-mode", type, "efi"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "--boot-mode: efi is none of use-source, legacy-bios, uefi"));
  EXPECT_THAT(ParseEnum("boot-mode", type, "boot-mode-unspecified"),
              StatusIs(absl::StatusCode::kInvalidArgument, "--boot-mode"));
}

TEST(Format, ParsesSizes) {
  EXPECT_EQ(*ParseBytes("memory", "4096"), 4096);
  EXPECT_EQ(*ParseBytes("memory", "512MiB"), 512 << 20);
  EXPECT_EQ(*ParseBytes("memory", "1GB"), 1000000000);
  EXPECT_EQ(*ParseBytes("memory", "1.5 KiB"), 1536);
  for (const char* text : {"", "MiB", "-1", "nan", "inf", "1e30", "12 apples"}) {
    EXPECT_THAT(ParseBytes("memory", text),
                StatusIs(absl::StatusCode::kInvalidArgument, "--memory"))
        << text;
  }
}

TEST(Format, ParsesDurations) {
  EXPECT_EQ(*ParseSpan("retention", "1h30m"), absl::Minutes(90));
  for (const char* text : {"", "5", "-5m", "inf", "soon"}) {
    EXPECT_THAT(ParseSpan("retention", text),
                StatusIs(absl::StatusCode::kInvalidArgument, "--retention"))
        << text;
  }
}

}  // namespace
}  // namespace godwit::cli
