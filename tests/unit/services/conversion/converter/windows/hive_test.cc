// Hives: the wrapper's edits and their undoing, whether a hive is whole, and hives that lie.
#include "services/conversion/converter/windows/hive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/conversion/converter/windows/regf_header.h"
#include "services/conversion/converter/windows/text.h"
#include "tests/support/phony_windows.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::EmptyHive;
using ::godwit::testing::StatusIs;
using ::godwit::testing::WithSequence;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Hive, KeysAndValuesAreFoundInAnyCase) {
  ASSERT_OK_AND_ASSIGN(Hive hive, Hive::Open("SYSTEM", EmptyHive()));
  ASSERT_OK(hive.Set(R"(ControlSet001\Services\viostor)", "Start", RegDword(3)));
  ASSERT_OK(hive.Set(R"(ControlSet001\Services\viostor)", "Group", RegSz("SCSI miniport")));
  ASSERT_OK(hive.Set(R"(ControlSet001\Services\Größe €)", "", RegMultiSz({"a", "ü"})));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, hive.Serialize());
  ASSERT_OK_AND_ASSIGN(Hive again, Hive::Open("SYSTEM", bytes));
  EXPECT_EQ(again.GetDword(R"(controlset001\SERVICES\VioStor)", "START"), 3u);
  EXPECT_EQ(again.GetText(R"(ControlSet001\Services\viostor)", "group"), "SCSI miniport");
  EXPECT_THAT(again.Children(R"(ControlSet001\Services)"),
              ::testing::UnorderedElementsAre("viostor", "Größe €"));
  EXPECT_THAT(again.GetTexts(R"(ControlSet001\Services\Größe €)", ""), ElementsAre("a", "ü"));
  EXPECT_EQ(again.Get("Nowhere", "x"), std::nullopt);
  EXPECT_FALSE(again.HasKey(R"(ControlSet001\Nowhere)"));
}

TEST(Hive, SettingWhatIsThereIsNoEdit) {
  ASSERT_OK_AND_ASSIGN(Hive hive, Hive::Open("SYSTEM", EmptyHive()));
  ASSERT_OK(hive.Set("a\\b", "v", RegDword(1)));
  EXPECT_EQ(hive.edits().size(), 3u) << "two keys and a value";
  ASSERT_OK(hive.Set("A\\B", "V", RegDword(1)));
  ASSERT_OK(hive.Remove("a\\b", "none"));
  EXPECT_EQ(hive.edits().size(), 3u);
}

TEST(Hive, EditsCanBeTakenBack) {
  ASSERT_OK_AND_ASSIGN(Hive before, Hive::Open("SYSTEM", EmptyHive()));
  ASSERT_OK(before.Set("kept", "number", RegDword(7)));
  ASSERT_OK(before.Set("kept", "gone", RegSz("text")));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, before.Serialize());
  ASSERT_OK_AND_ASSIGN(Hive hive, Hive::Open("SYSTEM", bytes));
  ASSERT_OK(hive.Set("kept", "number", RegDword(8)));
  ASSERT_OK(hive.Remove("kept", "gone"));
  ASSERT_OK(hive.Set("made\\below", "new", RegSz("x")));
  const std::vector<RegistryEdit> edits = hive.edits();
  ASSERT_OK(hive.Undo(edits));
  EXPECT_EQ(hive.GetDword("kept", "number"), 7u);
  EXPECT_EQ(hive.GetText("kept", "gone"), "text");
  EXPECT_FALSE(hive.HasKey("made"));

  ASSERT_OK_AND_ASSIGN(Hive changed, Hive::Open("SYSTEM", bytes));
  ASSERT_OK(changed.Set("kept", "number", RegDword(8)));
  const std::vector<RegistryEdit> edit = changed.edits();
  ASSERT_OK(changed.Set("kept", "number", RegDword(9)));
  EXPECT_THAT(changed.Undo(edit), StatusIs(absl::StatusCode::kFailedPrecondition, "number"));
}

TEST(Hive, WhatIsDamagedIsAnErrorAndNeverMore) {
  EXPECT_FALSE(Hive::Open("SYSTEM", "").ok());
  EXPECT_FALSE(Hive::Open("SYSTEM", std::string(4096, 'x')).ok());
  EXPECT_THAT(Hive::Open("SYSTEM", std::string(Hive::kMaxBytes + 1, 'x')).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "MiB"));
  ASSERT_OK_AND_ASSIGN(Hive whole, Hive::Open("SYSTEM", EmptyHive()));
  for (int i = 0; i < 200; ++i) ASSERT_OK(whole.Set(absl::StrCat("k", i, "\\v"), "n", RegDword(1)));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, whole.Serialize());
  for (const std::size_t size : {5000u, 8192u, 9000u}) {
    (void)Hive::Open("SYSTEM", bytes.substr(0, size));
  }
  // Random damage: loops of subkeys, offsets out of the file, lengths beyond everything.
  const unsigned seed = 20;
  std::mt19937 random(seed);
  int opened = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i < 8; ++i) {
      const std::size_t at = 4096 + random() % (damaged.size() - 4100);
      const std::uint32_t word = random() % 3 == 0 ? 0xffffffff : random() % 16384;
      absl::little_endian::Store32(damaged.data() + at / 4 * 4, word);
    }
    absl::StatusOr<Hive> hive = Hive::Open("SYSTEM", damaged);
    if (!hive.ok()) continue;
    ++opened;
    (void)hive->Children("");
    (void)hive->Values("k1\\v");
    (void)hive->Set("k7\\v", "n", RegDword(2));
    (void)hive->Remove("k8\\v", "n");
    (void)hive->Set("new\\key", "n", RegSz("x"));
    (void)hive->Serialize();
  }
  EXPECT_GT(opened, 20) << "seed " << seed << ": the damage is not noticed at the door alone";
}

TEST(RegfHeader, AHiveThatWasBeingWrittenIsFoundOut) {
  const std::string hive = EmptyHive();
  EXPECT_OK(CheckHiveIsWhole("SYSTEM", hive, {}, {}));
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", WithSequence(hive, 8, 7), {}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "8 and 7"));
  std::string torn = hive;
  torn[100] ^= 1;
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", torn, {}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "written"));
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", hive.substr(0, 6000), {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "cut off"));
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", "regf", {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "not a registry"));
}

TEST(RegfHeader, ALogThatIsNewerThanTheHiveIsFoundOut) {
  const std::string hive = WithSequence(EmptyHive(), 20, 20);
  const auto log = [&](unsigned sequence) {
    return HiveLog{"SYSTEM.LOG1", WithSequence(EmptyHive(), sequence, sequence).substr(0, 4096)};
  };
  EXPECT_OK(CheckHiveIsWhole("SYSTEM", hive, log(20), log(19)));
  EXPECT_OK(CheckHiveIsWhole("SYSTEM", hive, {"SYSTEM.LOG1", std::string(4096, '\0')}, {}));
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", hive, {}, log(21)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "SYSTEM.LOG1"));
  // Since Windows 8.1 the header stays behind and the entries count.
  HiveLog entries = log(19);
  entries.head.replace(512, 4, "HvLE");
  absl::little_endian::Store32(entries.head.data() + 524, 22);
  EXPECT_THAT(CheckHiveIsWhole("SYSTEM", hive, entries, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "22"));
}

TEST(Text, GoesThroughUtf16AndBack) {
  for (const std::string text : {"", "plain", "Größe", "€", "😀 and more"}) {
    EXPECT_EQ(FromUtf16(ToUtf16(text)), text);
  }
  EXPECT_EQ(FromUtf16(absl::string_view("\x00\xd8", 2)), "\xef\xbf\xbd") << "half a pair";
  EXPECT_EQ(ToUtf16("\xff"), ToUtf16("\xef\xbf\xbd")) << "no UTF-8";
  EXPECT_EQ(FromUtf16("a"), "") << "half a unit";
}

}  // namespace
}  // namespace godwit::convert::windows
