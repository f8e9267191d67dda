// Ready and alive are two things, and systemd is told the truth.
#include "services/common/rpc/lifeline.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/rpc/health.h"
#include "tests/support/notify_socket.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::NotifySocket;
using ::godwit::testing::TestPki;
namespace pb = ::godwit::jobs::v1;

// A service whose only thread can be held.
class Held final : public pb::JobService::Service {
 public:
  grpc::Status GetJob(grpc::ServerContext*, const pb::GetJobRequest*, pb::Job*) override {
    entered_.Notify();
    release_.WaitForNotification();
    return grpc::Status::OK;
  }
  absl::Notification entered_, release_;
};

class LifelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        server_,
        Server::Start({.listen = "127.0.0.1:0", .tls = pki_.Issue("service/jobs")}, {&service_}));
    channel_ = Dial(absl::StrCat("127.0.0.1:", server_->port()), *ParsePrincipal("service/jobs"),
                    pki_.Issue("user/viewer/alice"));
  }
  void TearDown() override { unsetenv("WATCHDOG_USEC"); }
  // 1 SERVING, 2 NOT_SERVING, -1 no answer.
  int Health(const std::string& service) {
    const absl::StatusOr<bool> serving = IsServing(channel_, service, absl::Seconds(10));
    return !serving.ok() ? -1 : *serving ? 1 : 2;
  }
  bool Becomes(const std::string& service, int health) {
    for (int i = 0; i < 100 && Health(service) != health; ++i)
      absl::SleepFor(absl::Milliseconds(50));
    return Health(service) == health;
  }

  TestPki pki_;
  Held service_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(LifelineTest, NotReadyIsStillAlive) {
  std::atomic<bool> database{true};
  Lifeline lifeline(
      {server_.get()},
      {.ready = [&] { return database ? absl::OkStatus() : absl::UnavailableError("away"); },
       .interval = absl::Milliseconds(20)});
  EXPECT_EQ(Health(""), 1);
  database = false;
  EXPECT_TRUE(Becomes("", 2));
  EXPECT_EQ(Health(kLiveService), 1);
  EXPECT_FALSE(lifeline.ready());
  database = true;
  EXPECT_TRUE(Becomes("", 1));
  lifeline.Stop();
  EXPECT_EQ(Health(""), 2);
  EXPECT_FALSE(lifeline.ready());
}

TEST_F(LifelineTest, StartsWithoutADatabase) {
  Lifeline lifeline({server_.get()}, {.ready = [] { return absl::UnavailableError("away"); }});
  EXPECT_EQ(Health(""), 2);
  EXPECT_EQ(Health(kLiveService), 1);
}

TEST_F(LifelineTest, AServerThatIsBusyAnswersItself) {
  EXPECT_OK(server_->AskItself(absl::Seconds(5)));
  std::thread caller([&] {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    pb::Job job;
    pb::JobService::NewStub(channel_)->GetJob(&context, pb::GetJobRequest(), &job);
  });
  service_.entered_.WaitForNotification();
  EXPECT_OK(server_->AskItself(absl::Seconds(5)));
  service_.release_.Notify();
  caller.join();
}

TEST_F(LifelineTest, SystemdHearsOfIt) {
  NotifySocket systemd;
  setenv("WATCHDOG_USEC", "150000", 1);
  std::vector<std::string> heard;
  {
    Lifeline lifeline({server_.get()}, {});
    do {
      heard.push_back(systemd.Hear(true));
    } while (std::count(heard.begin(), heard.end(), "WATCHDOG=1") < 3 && !heard.back().empty());
  }
  do {
    heard.push_back(systemd.Hear(false));
  } while (!heard.back().empty());
  EXPECT_GE(std::count(heard.begin(), heard.end(), "WATCHDOG=1"), 3);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "READY=1"), 1);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "STOPPING=1"), 1);
}

}  // namespace
}  // namespace godwit::rpc
