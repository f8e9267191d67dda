// What others say of our LUKS headers: QEMU reads what lies behind them, cryptsetup describes them.
#include "services/common/crypt/luks_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/crypt/xts.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::crypt {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

class LuksHeaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const Secret key, RandomSecret(kXtsKeyBytes));
    ASSERT_OK_AND_ASSIGN(std::string image, MakeLuksHeader(key, Secret("correct horse")));
    ASSERT_EQ(image.size(), kLuksUsedBytes);
    image.resize(kLuksBytes + plain_.size());
    for (std::size_t i = 0; i < plain_.size(); ++i)
      plain_[i] = static_cast<char>(i / kSectorBytes + i % 7);
    ASSERT_OK_AND_ASSIGN(Xts xts, Xts::Make(key));
    ASSERT_OK(xts.Encrypt(0, kSectorBytes, reinterpret_cast<const std::uint8_t*>(plain_.data()),
                          reinterpret_cast<std::uint8_t*>(image.data()) + kLuksBytes,
                          plain_.size()));
    ASSERT_OK(WriteFileAtomically(dir_ / "image", image));
  }
  int Run(const std::vector<std::string>& command) {
    auto process = Process::Start({.command = command, .log = dir_ / "log"});
    if (!process.ok()) return -1;
    const auto status = process->Wait(absl::Seconds(60));
    output_ = process->Log();
    return status.ok() ? WEXITSTATUS(*status) : -1;
  }
  int Convert(const std::string& passphrase) {
    if (!WriteFileAtomically(dir_ / "secret", passphrase).ok()) return -1;
    return Run({"/usr/bin/qemu-img", "convert", "--object",
                absl::StrCat("secret,id=s0,file=", dir_ / "secret"), "--image-opts",
                absl::StrCat("driver=luks,key-secret=s0,file.filename=", dir_ / "image"), "-O",
                "raw", dir_ / "out"});
  }
  TempDir dir_;
  std::string plain_ = std::string(1 << 20, '\0'), output_;
};

TEST_F(LuksHeaderTest, QemuReadsThePayload) {
  ASSERT_EQ(Convert("correct horse"), 0) << output_;
  ASSERT_OK_AND_ASSIGN(const std::string out, ReadFile(dir_ / "out"));
  EXPECT_TRUE(out == plain_);
}

TEST_F(LuksHeaderTest, AnotherPassphraseOpensNothing) {
  EXPECT_NE(Convert("wrong horse"), 0);
  EXPECT_THAT(output_, HasSubstr("Invalid password"));
}

TEST_F(LuksHeaderTest, CryptsetupKnowsIt) {
  ASSERT_EQ(Run({"/usr/sbin/cryptsetup", "luksDump", dir_ / "image"}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("xts-plain64"));
  EXPECT_THAT(output_, HasSubstr("Key Slot 0: ENABLED"));
  EXPECT_THAT(output_, HasSubstr("Key Slot 7: DISABLED"));
  EXPECT_THAT(output_, HasSubstr("Payload offset:\t4096"));
}

TEST(Xts, AgreesWithIeee1619) {
  // XTS-AES-256, vector 10: data unit 0xff, plain text 00 01 02 ... ff twice.
  const auto hex = [](absl::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i < digits.size(); i += 2)
      out.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
    return out;
  };
  const Secret key(
      hex("2718281828459045235360287471352662497757247093699959574966967627"
          "3141592653589793238462643383279502884197169399375105820974944592"));
  std::string plain;
  for (int i = 0; i < 512; ++i) plain.push_back(static_cast<char>(i));
  std::string out(plain.size(), '\0');
  ASSERT_OK_AND_ASSIGN(Xts xts, Xts::Make(key));
  auto* const to = reinterpret_cast<std::uint8_t*>(out.data());
  ASSERT_OK(xts.Encrypt(0xff, kSectorBytes, reinterpret_cast<const std::uint8_t*>(plain.data()), to,
                        plain.size()));
  EXPECT_EQ(out.substr(0, 16), hex("1c3b3a102f770386e4836c99e370cf9b"));
  ASSERT_OK(xts.Decrypt(0xff, kSectorBytes, to, to, out.size()));
  EXPECT_EQ(out, plain);
}

TEST(Xts, UnitsNeedNotBeWhole) {
  ASSERT_OK_AND_ASSIGN(const Secret key, RandomSecret(kXtsKeyBytes));
  ASSERT_OK_AND_ASSIGN(Xts xts, Xts::Make(key));
  for (const std::size_t size : {16, 40, 511, 512 + 16, 1536 + 40}) {
    std::string plain(size, 'p'), out(size, '\0');
    auto* const to = reinterpret_cast<std::uint8_t*>(out.data());
    ASSERT_OK(xts.Encrypt(7, kSectorBytes, reinterpret_cast<const std::uint8_t*>(plain.data()), to,
                          size));
    EXPECT_THAT(out, Not(HasSubstr("pppp")));
    ASSERT_OK(xts.Decrypt(7, kSectorBytes, to, to, size));
    EXPECT_EQ(out, plain);
  }
}

}  // namespace
}  // namespace godwit::crypt
