// servers verify, servers verifications, verify-report.
#include <cstdlib>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/common/rpc/signed_report.h"
#include "tests/rpc/cli/fake_installation.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using replication::v1::Verification;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kServer[] = "s-00000000000000001";
constexpr char kId[] = "11111111-1111-4111-8111-111111111111";

std::string Text(const std::string& type = "godwit verification report", int format = 1) {
  const std::string now =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  return absl::StrCat(
      R"({"type": ")", type, R"(", "format": )", format,
      R"(, "server": "sourceServers/s-00000000000000001", "verification": "sourceServers/x/verifications/)",
      kId,
      R"(", "compare_start_time": "2024-05-01T12:00:07Z", "compare_end_time": "2024-05-01T12:10:07Z",
      "end_time": ")",
      now,
      R"(", "disks": [{"id": "d-00000000000000001", "device_name": "/dev/sda", "size_bytes": 4294967296}],
      "compared_bytes": 4294967296, "total_bytes": 4294967296, "difference_count": 2, "differences": [],
      "point": {"name": "sourceServers/x/points/p-00000000000000001", "epoch": 5,
      "cut_time": "2024-05-01T12:11:07Z", "consistency": "CRASH_CONSISTENT", "root_hash": "00ff"},
      "coordinator_version": "1.2.3"})");
}

class VerificationCliTest : public ::testing::Test {
 protected:
  Ran Do(std::vector<std::string> arguments) { return Godwit(fake_.Options(std::move(arguments))); }
  // Without any service.
  Ran Check(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"verify-report", file_});
    return Godwit(std::move(arguments));
  }
  void Write(const std::string& content) { ASSERT_OK(WriteFileAtomically(file_, content)); }
  std::string Signed(const std::string& text) {
    const auto file = rpc::SignReport(text, fake_.pki().Issue("service/replication"));
    EXPECT_OK(file);
    return file.ok() ? *file : "";
  }
  static Verification In(Verification::State state) {
    Verification out;
    out.set_name(absl::StrCat("sourceServers/", kServer, "/verifications/", kId));
    out.set_state(state);
    out.set_compared_bytes(1 << 30);
    out.set_total_bytes(std::int64_t{4} << 30);
    return out;
  }

  testing::FakeInstallation fake_;
  const std::string file_ = absl::StrCat(fake_.dir(), "/report.json");
  const std::string ca_ = absl::StrCat(fake_.dir(), "/ca.crt");
};

TEST_F(VerificationCliTest, WaitsAndKeepsTheReport) {
  Verification done = In(Verification::SUCCEEDED);
  done.set_root_hash("00ff");
  done.set_report(Signed(Text()));
  fake_.replication.verifications = {In(Verification::WAITING), In(Verification::COMPARING), done};
  const Ran ran = Do({"servers", "verify", kServer, "--wait", "--report", file_});
  EXPECT_EQ(ran.exit_code, kDone) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("verification COMPARING: 1.0 GiB of 4.0 GiB (25%)"));
  EXPECT_THAT(ran.err, Not(HasSubstr("warning")));
  EXPECT_THAT(ran.out, HasSubstr("Root hash:"));
  EXPECT_EQ(*ReadFile(file_), done.report());
}

TEST_F(VerificationCliTest, DifferencesAreSaidPlainly) {
  Verification done = In(Verification::SUCCEEDED);
  auto& row = *done.add_differences();
  row.set_disk_id("d-00000000000000001");
  row.set_offset_bytes(65536);
  row.set_cause(replication::v1::Difference::STAGING_DAMAGED);
  done.set_difference_count(2);
  fake_.replication.verifications = {done};
  const Ran ran = Do({"servers", "verify", kServer, "--wait"});
  EXPECT_EQ(ran.exit_code, kDone);
  EXPECT_THAT(ran.out, HasSubstr("2 blocks differed and were sent again"));
  EXPECT_THAT(ran.out, HasSubstr("STAGING_DAMAGED"));
  EXPECT_THAT(ran.err, HasSubstr("warning: the replica was not what the source has"));
}

TEST_F(VerificationCliTest, AFailureEndsWithOne) {
  Verification failed = In(Verification::FAILED);
  failed.set_error_message("no point: disk on fire");
  fake_.replication.verifications = {failed};
  const Ran ran = Do({"servers", "verify", kServer, "--wait", "--report", file_});
  EXPECT_EQ(ran.exit_code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("disk on fire"));
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(VerificationCliTest, WithoutWaitingItSaysHowToGoOn) {
  fake_.replication.verifications = {In(Verification::WAITING)};
  const Ran ran = Do({"servers", "verify", kServer});
  EXPECT_EQ(ran.exit_code, kDone);
  EXPECT_THAT(ran.out, HasSubstr(absl::StrCat("godwit servers verifications ", kServer, " ", kId)));
  EXPECT_THAT(Do({"servers", "verify", kServer, "--output", "json"}).out, HasSubstr("\"WAITING\""));
  EXPECT_EQ(Do({"servers", "verify", kServer, "--report", file_}).exit_code, kUsage);
  EXPECT_EQ(fake_.replication.request_ids.size(), 2u);
  const Ran over = Do({"servers", "verify", kServer, "--wait", "--timeout", "100ms"});
  EXPECT_EQ(over.exit_code, kTimedOut);
  EXPECT_THAT(over.err, HasSubstr("is WAITING after 100ms; it goes on"));
}

TEST_F(VerificationCliTest, ListsAndShowsOne) {
  Verification done = In(Verification::SUCCEEDED);
  done.set_report("the report");
  fake_.replication.verifications = {done};
  EXPECT_THAT(Do({"servers", "verifications", kServer}).out, HasSubstr("1.0 GiB of 4.0 GiB"));
  EXPECT_THAT(Do({"servers", "verifications", kServer, "--output", "json"}).out,
              HasSubstr("\"verifications\": ["));
  EXPECT_EQ(Do({"servers", "verifications", kServer, kId, "--report", file_}).exit_code, kDone);
  EXPECT_EQ(*ReadFile(file_), "the report");
  EXPECT_EQ(Do({"servers", "verifications", kServer, "--report", file_}).exit_code, kUsage);
  const std::string other = absl::StrReplaceAll(kId, {{"1", "2"}});
  EXPECT_EQ(Do({"servers", "verifications", kServer, other}).exit_code, kNotFound);
  fake_.replication.verifications = {In(Verification::COMPARING)};
  const Ran early = Do({"servers", "verifications", kServer, kId, "--report", file_});
  EXPECT_EQ(early.exit_code, kFailed);
  EXPECT_THAT(early.err, HasSubstr("is COMPARING: it has no report"));
}

TEST_F(VerificationCliTest, ServersGetShowsWhatWasFound) {
  registry::v1::SourceServer server;
  server.set_name(absl::StrCat("sourceServers/", kServer));
  fake_.registry.servers = {server};
  EXPECT_THAT(Do({"servers", "get", kServer}).out, HasSubstr("not yet"));
  fake_.replication.replication.mutable_verified_time()->set_seconds(1714564807);
  fake_.replication.replication.set_difference_count(3);
  fake_.replication.replication.add_differences()->set_disk_id("d-00000000000000007");
  const Ran ran = Do({"servers", "get", kServer});
  EXPECT_THAT(ran.out, HasSubstr("2024-05-01 12:00:07Z"));
  EXPECT_THAT(ran.out, HasSubstr("3 blocks of the replica not as"));
  EXPECT_THAT(ran.out, HasSubstr("d-00000000000000007"));
}

TEST_F(VerificationCliTest, AReportIsCheckedWithoutAnyService) {
  Write(Signed(Text()));
  const Ran ran = Check({"--ca", ca_});
  EXPECT_EQ(ran.exit_code, kDone) << ran.err;
  for (const char* part : {"service/replication", "4.0 GiB of 4.0 GiB", "p-00000000000000001",
                           "CRASH_CONSISTENT", "/dev/sda", "00ff", "2 blocks differed"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_EQ(Check({"--tls-dir", fake_.dir(), "--root-hash", "00FF"}).exit_code, kDone);
  const Ran json = Check({"--ca", ca_, "--output", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"root_hash\": \"00ff\""));
  EXPECT_THAT(json.out, HasSubstr("\"signer\": \"service/replication\""));
}

TEST_F(VerificationCliTest, WhatIsWrongWithAReportIsSaid) {
  const auto refused = [&](const std::string& why, std::vector<std::string> arguments) {
    const Ran ran = Check(std::move(arguments));
    EXPECT_EQ(ran.exit_code, kFailed) << why;
    EXPECT_THAT(ran.err, HasSubstr(why));
    EXPECT_EQ(ran.out, "");
  };
  const std::string good = Signed(Text());
  Write(good);
  refused("is of root hash 00ff, not of 00fe", {"--ca", ca_, "--root-hash", "00fe"});
  const testing::TestPki other;
  other.Write("user/admin/eve", fake_.dir() + "/other");
  refused("not of this CA", {"--ca", fake_.dir() + "/other/ca.crt"});
  Write(absl::StrReplaceAll(
      good, {{absl::Base64Escape(Text().substr(0, 30)),
              absl::Base64Escape(Text("Godwit verification report").substr(0, 30))}}));
  refused("was changed", {"--ca", ca_});
  Write(good.substr(0, good.size() / 2));
  refused("not a signed report", {"--ca", ca_});
  Write(*rpc::SignReport(Text(), fake_.pki().Issue("worker/w-00000000000000001")));
  refused("signed by worker/w-00000000000000001", {"--ca", ca_});
  // Signed by the coordinator, but something else.
  Write(Signed(Text("something else")));
  refused("of format 1", {"--ca", ca_});
  Write(Signed(Text("godwit verification report", 2)));
  refused("of format 1", {"--ca", ca_});
  Write(Signed(absl::StrReplaceAll(Text(), {{"\"root_hash\"", "\"hash\""}})));
  refused("\"root_hash\" is not right", {"--ca", ca_});
  Write(Signed(absl::StrReplaceAll(Text(), {{"\"epoch\": 5", "\"epoch\": -5"}})));
  refused("\"epoch\" is not right", {"--ca", ca_});

  EXPECT_EQ(Check({}).exit_code, kUsage) << "whose CA?";
  std::filesystem::remove(file_);
  EXPECT_EQ(Check({"--ca", ca_}).exit_code, kNotFound);
}

// docs/verification.md says how to check a report without Godwit: that recipe is run here.
TEST_F(VerificationCliTest, TheRecipeOfTheDocsAgrees) {
  ASSERT_OK_AND_ASSIGN(const std::string docs,
                       ReadFile(absl::StrCat(GODWIT_SOURCE_DIR, "/docs/verification.md")));
  const std::size_t end = docs.rfind("```\n");
  const std::size_t begin = docs.rfind("```\n", end - 1) + 4;
  const std::string recipe = docs.substr(begin, end - begin);
  ASSERT_THAT(recipe, HasSubstr("openssl dgst"));
  ASSERT_OK(WriteFileAtomically(fake_.dir() + "/recipe", recipe));
  // What it prints; "failed" at the end when a step failed.
  const auto run = [&] {
    const std::string command =
        absl::StrCat("cd '", fake_.dir(), "' && sh -e recipe > printed 2>&1 || echo failed >> '",
                     fake_.dir(), "/printed'");
    EXPECT_EQ(std::system(command.c_str()), 0);
    return ReadFile(fake_.dir() + "/printed").value_or("");
  };
  Write(Signed(Text()));
  const std::string printed = run();
  EXPECT_THAT(printed, HasSubstr("Verified OK"));
  EXPECT_THAT(printed, HasSubstr("chain.pem: OK"));
  EXPECT_THAT(printed, HasSubstr("URI:spiffe://godwit/service/replication"));
  EXPECT_THAT(printed, HasSubstr("\"root_hash\": \"00ff\""));
  EXPECT_THAT(printed, Not(HasSubstr("failed")));
  // A changed text, and another installation's signature.
  Write(absl::StrReplaceAll(Signed(Text()), {{"\"report\": \"eyJ", "\"report\": \"IHt"}}));
  EXPECT_THAT(run(), HasSubstr("failed"));
  const testing::TestPki other;
  Write(*rpc::SignReport(Text(), other.Issue("service/replication")));
  EXPECT_THAT(run(), HasSubstr("failed"));
}

}  // namespace
}  // namespace godwit::cli
