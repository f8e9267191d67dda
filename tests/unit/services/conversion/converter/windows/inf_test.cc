// .inf files: the text, the sections that are for one version of Windows, what they say.
#include "services/conversion/converter/windows/inf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/conversion/converter/windows/text.h"
#include "tests/support/phony_windows.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::PhonyInf;
using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;

constexpr int kNtMajor = 10;
Version Windows(int build, bool server, const std::string& architecture, int major = kNtMajor,
                int minor = 0) {
  return {.major = major,
          .minor = minor,
          .build = build,
          .server = server,
          .architecture = architecture};
}

TEST(InfText, LinesValuesStringsAndContinuations) {
  ASSERT_OK_AND_ASSIGN(const InfText inf,
                       ParseInfText("; comment\r\n"
                                    "[A]\r\n"
                                    "key = one, \"two, ; \"\"2\"\"\", %three% ; c\r\n"
                                    "long = a, \\ \r\n  b\r\n"
                                    "bare\r\n"
                                    "[a]\r\nmore = %12%\\x.sys, 100%%\r\n"
                                    "[Strings]\r\nthree = \"%key%\"\r\n"));
  const auto& lines = inf.Section("A");
  ASSERT_EQ(lines.size(), 4u) << "sections of one name are one";
  EXPECT_EQ(lines[0].key, "key");
  EXPECT_THAT(lines[0].values, ElementsAre("one", "two, ; \"2\"", "%key%"));
  EXPECT_THAT(lines[1].values, ElementsAre("a", "b"));
  EXPECT_EQ(lines[2].key, "");
  EXPECT_THAT(lines[2].values, ElementsAre("bare"));
  EXPECT_THAT(lines[3].values, ElementsAre("%12%\\x.sys", "100%"));
  EXPECT_EQ(inf.Value("a", "KEY"), "one");
}

TEST(InfText, EveryCodingAndBound) {
  const std::string text = "[Version]\nProvider = \"Größe\"\n";
  std::string big = ToUtf16(text);
  for (std::size_t i = 0; i + 1 < big.size(); i += 2) std::swap(big[i], big[i + 1]);
  for (const std::string& bytes :
       {text, "\xef\xbb\xbf" + text, "\xff\xfe" + ToUtf16(text), "\xfe\xff" + big}) {
    ASSERT_OK_AND_ASSIGN(const InfText inf, ParseInfText(bytes));
    EXPECT_EQ(inf.Value("version", "provider"), "Größe");
  }
  EXPECT_FALSE(ParseInfText("").ok());
  EXPECT_FALSE(ParseInfText("[open\n").ok());
  EXPECT_THAT(ParseInfText(std::string(2 << 20, 'x')).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, ""));
  EXPECT_THAT(ParseInfText(std::string(60000, '\n')).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, ""));
}

TEST(Inf, DecorationsAreForVersionsAndArchitectures) {
  const Version w10 = Windows(19045, false, "x86_64"), s2019 = Windows(17763, true, "x86_64");
  EXPECT_TRUE(RankDecoration("NTamd64", w10));
  EXPECT_TRUE(RankDecoration("ntAMD64.10.0", w10));
  EXPECT_TRUE(RankDecoration("NTamd64.6.1", w10));
  EXPECT_FALSE(RankDecoration("NTx86.10.0", w10));
  EXPECT_FALSE(RankDecoration("NTarm64.10.0", w10));
  EXPECT_FALSE(RankDecoration("NTamd64.10.0...22000", w10)) << "a later build";
  EXPECT_TRUE(RankDecoration("NTamd64.10.0...17763", s2019));
  EXPECT_FALSE(RankDecoration("NTamd64.10.0.1", s2019)) << "workstations only";
  EXPECT_TRUE(RankDecoration("NTamd64.10.0.3", s2019));
  EXPECT_FALSE(RankDecoration("NTamd64.6.2", Windows(7601, false, "x86_64", 6, 1)));
  EXPECT_FALSE(RankDecoration("NT", w10)) << "without an architecture: 32-bit";
  EXPECT_TRUE(RankDecoration("NT", Windows(7601, false, "i386", 6, 1)));
  EXPECT_FALSE(RankDecoration("nonsense", w10));
  EXPECT_GT(*RankDecoration("NTamd64.10.0...17763", w10), *RankDecoration("NTamd64.10.0", w10));
  EXPECT_GT(*RankDecoration("NTamd64.10.0", w10), *RankDecoration("NTamd64.6.3...9600", w10));
}

TEST(Inf, ADriverOfDisksIsRead) {
  ASSERT_OK_AND_ASSIGN(const InfText text,
                       ParseInfText(PhonyInf("viostor", "NTamd64.10.0", "100.1.104.26200")));
  ASSERT_OK_AND_ASSIGN(const DriverInf inf, ReadDriverInf(text, Windows(17763, true, "x86_64")));
  EXPECT_TRUE(inf.IsStorage());
  EXPECT_EQ(inf.class_guid, "{4D36E97B-E325-11CE-BFC1-08002BE10318}");
  EXPECT_EQ(inf.provider, "Phony; Inc.");
  EXPECT_EQ(inf.date, "01/20/2024");
  EXPECT_EQ(inf.version, "100.1.104.26200");
  EXPECT_THAT(inf.hardware_ids, ElementsAre(R"(PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00)",
                                            R"(PCI\VEN_1AF4&DEV_1042)"));
  EXPECT_THAT(inf.files, ElementsAre("viostor.cat", "viostor.sys"));
  ASSERT_TRUE(inf.service);
  EXPECT_EQ(inf.service->name, "viostor");
  EXPECT_EQ(inf.service->type, 1u);
  EXPECT_EQ(inf.service->binary, "viostor.sys");
  EXPECT_EQ(inf.service->group, "SCSI miniport");
  ASSERT_EQ(inf.service->values.size(), 1u);
  EXPECT_EQ(inf.service->values[0].subkey, R"(Parameters\PnpInterface)");
  EXPECT_EQ(inf.service->values[0].type, 4u);
  EXPECT_THAT(ReadDriverInf(text, Windows(7601, false, "i386", 6, 1)).status(),
              StatusIs(absl::StatusCode::kNotFound, ""));
}

TEST(Inf, NamesThatLeadElsewhereAreNone) {
  std::string bytes = PhonyInf("viostor", "NTamd64.10.0", "1.0");
  const auto replace = [&](const std::string& from, const std::string& to) {
    bytes.replace(bytes.find(from), from.size(), to);
  };
  replace("CatalogFile = viostor.cat", "CatalogFile = ..\\..\\x\\..");
  replace("viostor.sys = 1,,", "..\\..\\System32\\evil.dll = 1,,");
  replace("%12%\\viostor.sys", "%12%\\..\\viostor.sys");
  ASSERT_OK_AND_ASSIGN(const InfText text, ParseInfText(bytes));
  ASSERT_OK_AND_ASSIGN(const DriverInf inf, ReadDriverInf(text, Windows(17763, true, "x86_64")));
  EXPECT_THAT(inf.files, ElementsAre("evil.dll", "viostor.sys")) << "beside the .inf or nowhere";
}

}  // namespace
}  // namespace godwit::convert::windows
