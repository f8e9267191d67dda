#include "services/jobs/targets/qemu/qmp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;

TEST(ParseQmp, KnowsEveryKindOfMessage) {
  EXPECT_EQ(ParseQmp(R"({"QMP":{"version":{}}})")->kind, QmpMessage::Kind::kGreeting);
  const auto answer = ParseQmp(R"({"return": {"running": true}})");
  EXPECT_EQ(answer->kind, QmpMessage::Kind::kReturn);
  EXPECT_EQ(answer->json, R"({"running":true})");
  const auto error = ParseQmp(R"({"error":{"class":"GenericError","desc":"no such disk"}})");
  EXPECT_EQ(error->kind, QmpMessage::Kind::kError);
  EXPECT_EQ(error->text, "GenericError: no such disk");
  const auto event = ParseQmp(R"({"event":"SHUTDOWN","data":{"guest":true},"timestamp":{}})");
  EXPECT_EQ(event->kind, QmpMessage::Kind::kEvent);
  EXPECT_EQ(event->text, "SHUTDOWN");
  EXPECT_EQ(event->json, R"({"guest":true})");
}

TEST(ParseQmp, RefusesEverythingElse) {
  for (const char* line : {"", "null", "[]", "{", "{}", "\"return\"", R"({"error":"text"})"}) {
    EXPECT_THAT(ParseQmp(line), StatusIs(absl::StatusCode::kInternal, "QMP")) << line;
  }
  EXPECT_FALSE(ParseQmp(std::string(100000, '[')).ok());
}

// One connection that is answered from a script: what is sent after each received line.
class Script {
 public:
  Script(const std::string& dir, std::vector<std::string> lines) {
    listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    const std::string path = dir + "/qmp.sock";
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    thread_ = std::thread([this, lines = std::move(lines)] {
      const int peer = accept(listener_, nullptr, nullptr);
      for (std::size_t i = 0; i < lines.size(); ++i) {
        char buffer[4096];
        if (i > 0 && read(peer, buffer, sizeof(buffer)) <= 0) break;
        if (send(peer, lines[i].data(), lines[i].size(), MSG_NOSIGNAL) < 0) break;
      }
      char rest;
      while (read(peer, &rest, 1) > 0) {
      }
      close(peer);
    });
  }
  ~Script() {
    thread_.join();
    close(listener_);
  }

 private:
  int listener_;
  std::thread thread_;
};

constexpr char kGreeting[] = "{\"QMP\":{}}\n";
constexpr char kEmpty[] = "{\"return\":{}}\n";

TEST(Qmp, SkipsEventsAndGivesTheAnswer) {
  const ::godwit::testing::TempDir dir;
  const Script script(
      dir.path(),
      {kGreeting, kEmpty, "{\"event\":\"RESUME\"}\r\n{\"event\":\"STOP\"}\n{\"return\":[1]}\n"});
  ASSERT_OK_AND_ASSIGN(Qmp qmp, Qmp::Connect(dir.path(), "qmp.sock", absl::Seconds(5)));
  EXPECT_EQ(qmp.peer_pid(), getpid());
  EXPECT_EQ(*qmp.Execute("query-status", "", absl::Seconds(5)), "[1]");
}

TEST(Qmp, AnErrorIsARefusalAndSilenceADeadline) {
  const ::godwit::testing::TempDir dir;
  const Script script(
      dir.path(),
      {kGreeting, kEmpty, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"what?\"}}\n",
       "{\"event\":\"STOP\"}\n"});
  ASSERT_OK_AND_ASSIGN(Qmp qmp, Qmp::Connect(dir.path(), "qmp.sock", absl::Seconds(5)));
  EXPECT_THAT(qmp.Execute("nonsense", "", absl::Seconds(5)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "what?"));
  EXPECT_THAT(qmp.Execute("query-status", "", absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "QMP"));
}

TEST(Qmp, AnEndlessLineIsRefused) {
  const ::godwit::testing::TempDir dir;
  const Script script(dir.path(), {std::string(3 << 20, 'x')});
  EXPECT_THAT(Qmp::Connect(dir.path(), "qmp.sock", absl::Seconds(5)).status(),
              StatusIs(absl::StatusCode::kInternal, "1 MiB"));
}

TEST(Qmp, NobodyListens) {
  const ::godwit::testing::TempDir dir;
  EXPECT_THAT(Qmp::Connect(dir.path(), "qmp.sock", absl::Seconds(5)).status(),
              StatusIs(absl::StatusCode::kUnavailable, "qmp.sock"));
}

}  // namespace
}  // namespace godwit::jobs
