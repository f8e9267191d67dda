// The server itself, over plain sockets: what slow, hostile and many clients can do to it.
#include "services/gateway/http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/gateway/http/worker_pool.h"

namespace godwit::gateway {
namespace {

// A client that sends what it is told to, byte by byte if need be.
class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  void Send(absl::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // All that comes until the server ends the connection, or nothing comes for `patience`.
  std::string Receive(absl::Duration patience = absl::Seconds(5)) {
    std::string all;
    char buffer[4096];
    for (;;) {
      pollfd waiting = {.fd = fd_.get(), .events = POLLIN};
      if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) <= 0) return all;
      const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) {
        ended_ = true;
        return all;
      }
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
  bool ended() const { return ended_; }

 private:
  Fd fd_;
  bool connected_ = false, ended_ = false;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void StartServer(ServerLimits limits) {
    auto server = HttpServer::Start(
        {.listen = "127.0.0.1:0",
         .limits = limits,
         .handle =
             [this](Request request, std::function<void(Response)> answer) {
               ++handled_;
               if (request.head.path() == "/file") {
                 answer({.file = file_, .file_bytes = file_bytes_});
                 return;
               }
               if (request.head.path() != "/slow") {
                 answer({.body = absl::StrCat(request.head.target, "|", request.body.size())});
                 return;
               }
               pool_.Submit([answer = std::move(answer)] {
                 absl::SleepFor(absl::Seconds(1));
                 answer({.body = "slow answer"});
               });
             },
         .refuse =
             [](const HeadFault& fault, const std::string&) {
               return Response{.status = fault.status, .body = fault.message};
             }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Exchange(absl::string_view text) {
    Client client(server_->port());
    client.Send(text);
    return client.Receive(absl::Seconds(5));
  }
  static std::string Get(absl::string_view path, absl::string_view more = "") {
    return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: h\r\n", more, "\r\n");
  }
  bool Serves() {
    return absl::StartsWith(Exchange(Get("/ok", "Connection: close\r\n")), "HTTP/1.1 200 OK\r\n");
  }

  WorkerPool pool_{2, 8};
  std::atomic<int> handled_ = 0;
  std::shared_ptr<const Fd> file_;
  std::int64_t file_bytes_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesOneAfterTheOther) {
  StartServer({});
  Client client(server_->port());
  // Sent ahead of the answers, the last in pieces.
  client.Send(absl::StrCat(Get("/a"), "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz",
                           "POST /c HTTP/1.1\r\nHost: h\r\nConnection: cl"));
  absl::SleepFor(absl::Milliseconds(20));
  client.Send("ose\r\nContent-Length: 200000\r\n\r\n");
  client.Send(std::string(200'000, 'x'));
  const std::string all = client.Receive();
  EXPECT_TRUE(client.ended());
  EXPECT_LT(all.find("/a|0"), all.find("/b|3"));
  EXPECT_LT(all.find("/b|3"), all.find("/c|200000"));
  EXPECT_NE(all.find("/c|200000"), std::string::npos);
  EXPECT_EQ(handled_, 3);
}

// More than a piece, and more than the socket takes at once; a file that became shorter ends the
// connection.
TEST_F(HttpServerTest, SendsFiles) {
  StartServer({});
  std::string content;
  while (content.size() < 3'000'000) absl::StrAppend(&content, "line ", content.size(), "\n");
  std::FILE* const made = std::tmpfile();
  ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), made), content.size());
  std::fflush(made);
  file_ = std::make_shared<Fd>(dup(fileno(made)));
  std::fclose(made);
  file_bytes_ = static_cast<std::int64_t>(content.size());
  Client client(server_->port());
  client.Send(Get("/file") + Get("/next", "Connection: close\r\n"));
  const std::string all = client.Receive();
  const std::size_t body = all.find("\r\n\r\n") + 4;
  EXPECT_NE(all.find(absl::StrCat("Content-Length: ", content.size())), std::string::npos);
  ASSERT_GT(all.size(), body + content.size());
  EXPECT_TRUE(all.compare(body, content.size(), content) == 0);
  EXPECT_TRUE(absl::EndsWith(all, "/next|0"));
  file_bytes_ += 1;
  Client shorter(server_->port());
  shorter.Send(Get("/file") + Get("/next", "Connection: close\r\n"));
  EXPECT_FALSE(absl::EndsWith(shorter.Receive(), "/next|0"));
  EXPECT_TRUE(shorter.ended());
}

TEST_F(HttpServerTest, ContinuesWhereAsked) {
  StartServer({});
  Client client(server_->port());
  client.Send("POST /b HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.Receive(absl::Milliseconds(300)), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("xyz");
  EXPECT_TRUE(absl::EndsWith(client.Receive(absl::Milliseconds(300)), "/b|3"));
}

TEST_F(HttpServerTest, RefusesAndEnds) {
  StartServer({});
  const std::pair<std::string, const char*> kCases[] = {
      {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
      {Get("/x", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), "HTTP/1.1 400 "},
      {Get("/x", "Transfer-Encoding: chunked\r\n"), "HTTP/1.1 411 "},
      {Get("/x", "Content-Length: 1048577\r\n") + std::string(2 << 20, 'x'), "HTTP/1.1 413 "},
      {Get("/x", absl::StrCat("A: ", std::string(20'000, 'a'), "\r\n")), "HTTP/1.1 431 "},
      {std::string(20'000, 'a'), "HTTP/1.1 431 "}};
  for (const auto& [text, answer] : kCases) {
    const std::string got = Exchange(text + Get("/next"));
    EXPECT_TRUE(absl::StartsWith(got, answer)) << got;
    EXPECT_TRUE(absl::StrContains(got, "Connection: close")) << got;
    EXPECT_EQ(got.find("HTTP/1.1", 1), std::string::npos) << "one answer alone: " << got;
  }
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(server_->counts().malformed, 6u);
  EXPECT_TRUE(Serves());
}

TEST_F(HttpServerTest, SlowClientsAreHarmless) {
  StartServer({.request = absl::Milliseconds(600), .idle = absl::Milliseconds(900)});
  std::vector<std::unique_ptr<Client>> heads, bodies, silent;
  for (int i = 0; i < 60; ++i) {
    heads.push_back(std::make_unique<Client>(server_->port()));
    heads.back()->Send("POST /x HTTP/1.1\r\nHos");
    bodies.push_back(std::make_unique<Client>(server_->port()));
    bodies.back()->Send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome");
    silent.push_back(std::make_unique<Client>(server_->port()));
  }
  const absl::Time start = absl::Now();
  EXPECT_TRUE(Serves());
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(300));
  // Drops of a request do not buy it time.
  for (int i = 0; i < 4; ++i) {
    absl::SleepFor(absl::Milliseconds(200));
    heads[0]->Send("t");
  }
  for (auto& client : heads) {
    EXPECT_TRUE(absl::StartsWith(client->Receive(), "HTTP/1.1 408 "));
  }
  for (auto& client : bodies) {
    EXPECT_TRUE(absl::StartsWith(client->Receive(), "HTTP/1.1 408 "));
  }
  for (auto& client : silent) {
    EXPECT_EQ(client->Receive(), "");
    EXPECT_TRUE(client->ended());
  }
  EXPECT_EQ(server_->counts().timed_out, 120u);
  EXPECT_EQ(handled_, 1);
}

TEST_F(HttpServerTest, ConnectionsAndBodiesAreBounded) {
  StartServer({.connections_of_address = 5, .body_bytes = 100'000});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(std::make_unique<Client>(server_->port()));
  clients[0]->Send(Get("/a"));
  EXPECT_TRUE(absl::StartsWith(clients[0]->Receive(absl::Milliseconds(200)), "HTTP/1.1 200"));
  Client sixth(server_->port());
  EXPECT_EQ(sixth.Receive(), "");
  EXPECT_TRUE(sixth.ended());
  EXPECT_EQ(server_->counts().refused, 1u);
  clients[1]->Send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n");
  clients[1]->Send(std::string(200'000, 'x'));
  EXPECT_TRUE(absl::StartsWith(clients[1]->Receive(), "HTTP/1.1 503"));
  clients.clear();
  while (server_->counts().connections > 0) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_TRUE(Serves());
}

TEST_F(HttpServerTest, StopLetsRunningRequestsFinish) {
  StartServer({});
  Client running(server_->port()), idle(server_->port());
  running.Send(Get("/slow"));
  while (handled_ < 1) absl::SleepFor(absl::Milliseconds(5));
  const absl::Time start = absl::Now();
  server_->Stop(absl::Seconds(10));
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  const std::string answer = running.Receive();
  EXPECT_TRUE(absl::EndsWith(answer, "slow answer")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "Connection: close")) << answer;
  EXPECT_EQ(idle.Receive(), "");
  EXPECT_FALSE(Client(server_->port()).connected());
}

TEST_F(HttpServerTest, StopCutsWhatTakesTooLong) {
  StartServer({});
  Client running(server_->port());
  running.Send(Get("/slow"));
  while (handled_ < 1) absl::SleepFor(absl::Milliseconds(5));
  const absl::Time start = absl::Now();
  server_->Stop(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(800));
  pool_.Stop();
}

TEST(WorkerPool, IsBounded) {
  WorkerPool pool(1, 2);
  std::atomic<bool> go = false;
  std::atomic<int> done = 0;
  const auto work = [&] {
    while (!go) absl::SleepFor(absl::Milliseconds(1));
    ++done;
  };
  ASSERT_TRUE(pool.Submit(work));
  while (pool.waiting() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(pool.Submit(work));
  EXPECT_TRUE(pool.Submit(work));
  EXPECT_FALSE(pool.Submit(work));
  go = true;
  pool.Stop();
  EXPECT_EQ(done, 3);
  EXPECT_FALSE(pool.Submit(work));
}

}  // namespace
}  // namespace godwit::gateway
