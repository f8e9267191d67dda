// What the installer's addresses give away, and what they do not.
#include "services/gateway/install/installer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "services/gateway/sigv4/canonical.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::gateway {
namespace {

class InstallerTest : public ::testing::Test {
 protected:
  InstallerTest() {
    EXPECT_OK(MakeDirs(dir_ / "offered"));
    EXPECT_OK(WriteFileAtomically(dir_ / "ca.crt", "the CA"));
    Put("agent_1_amd64.deb", "package");
  }
  void Put(const std::string& name, const std::string& text) {
    EXPECT_OK(WriteFileAtomically(dir_ / "offered/" + name, text));
  }
  Response Get(const std::string& target, const std::string& host = "gateway.example:9443",
               const std::string& method = "GET") {
    Request request;
    request.head.method = method;
    request.head.target = target;
    request.head.headers = {{"host", host}};
    return installer_.Answer(request);
  }
  static std::string Content(const Response& response) {
    std::string text(static_cast<std::size_t>(response.file_bytes), '\0');
    EXPECT_EQ(pread(response.file->get(), text.data(), text.size(), 0), response.file_bytes);
    return text;
  }

  ::godwit::testing::TempDir dir_;
  Installer installer_{
      {.dir = dir_ / "offered", .ca_file = dir_ / "ca.crt", .enrollment = "registry.example:7000"}};
};

TEST_F(InstallerTest, KnowsItsAddresses) {
  EXPECT_TRUE(Installer::Wants("/install.sh"));
  EXPECT_TRUE(Installer::Wants("/install/x"));
  EXPECT_FALSE(Installer::Wants("/install"));
  EXPECT_FALSE(Installer::Wants("/InitializeService"));
}

TEST_F(InstallerTest, TheScriptSaysWhereItCameFrom) {
  const Response script = Get("/install.sh");
  EXPECT_EQ(script.status, 200);
  EXPECT_TRUE(absl::StartsWith(script.body, "#!/bin/sh\n"));
  EXPECT_TRUE(absl::StrContains(
      script.body, "gateway='https://gateway.example:9443' registry='registry.example:7000'"));
  EXPECT_TRUE(absl::EndsWith(script.body, "main \"$@\"\n"));
  EXPECT_TRUE(absl::StrContains(Get("/install.sh", "[::1]:9443").body, "https://[::1]:9443"));
  for (const char* host : {"", "a'; reboot; '", "a b", "a\nb", "$(reboot)", "a/b"}) {
    EXPECT_EQ(Get("/install.sh", host).status, 400) << host;
  }
}

TEST_F(InstallerTest, ListsWhatItGives) {
  Put("other.tar.gz", std::string(3 << 20, 'x'));
  const Response package = Get("/install/agent_1_amd64.deb");
  EXPECT_EQ(package.status, 200);
  EXPECT_EQ(Content(package), "package");
  EXPECT_EQ(Get("/install/SHA256SUMS").body, sigv4::HexSha256("package") + "  agent_1_amd64.deb\n" +
                                                 sigv4::HexSha256(std::string(3 << 20, 'x')) +
                                                 "  other.tar.gz\n");
  Put("agent_1_amd64.deb", "another");  // of the same size
  EXPECT_TRUE(absl::StrContains(Get("/install/SHA256SUMS").body, sigv4::HexSha256("another")));
  EXPECT_EQ(Content(package), "package") << "what is being sent stays as it was";
  EXPECT_EQ(Get("/install/ca.crt").body, "the CA");
}

TEST_F(InstallerTest, GivesNothingElse) {
  Put(".hidden", "x");
  ASSERT_EQ(symlink((dir_ / "ca.crt").c_str(), (dir_ / "offered/link").c_str()), 0);
  ASSERT_EQ(mkfifo((dir_ / "offered/fifo").c_str(), 0600), 0);
  EXPECT_OK(MakeDirs(dir_ / "offered/folder"));
  for (const char* name :
       {"", ".", "..", "../ca.crt", "folder", "folder/", "folder/../agent_1_amd64.deb", ".hidden",
        "link", "fifo", "none", "%2e%2e/ca.crt"}) {
    EXPECT_EQ(Get(std::string("/install/") + name).status, 404) << name;
  }
  EXPECT_EQ(Get("/install/SHA256SUMS").body, sigv4::HexSha256("package") + "  agent_1_amd64.deb\n");
  EXPECT_EQ(Get("/install.sh", "h", "POST").status, 405);
  Installer none({.ca_file = dir_ / "ca.crt"});
  Request request;
  request.head.method = "GET";
  for (const char* target : {"/install.sh", "/install/ca.crt", "/install/SHA256SUMS"}) {
    request.head.target = target;
    EXPECT_EQ(none.Answer(request).status, 404) << target;
  }
}

}  // namespace
}  // namespace godwit::gateway
