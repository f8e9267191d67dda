// A server with a little to store beside others that send as fast as they can, on a slow disk.
#include <algorithm>
#include <atomic>

#include "tests/rpc/services/replication/worker/block_stream_fixture.h"
#include "tests/support/slow_store.h"

namespace godwit::worker {
namespace {

constexpr int kHeavy = 8;
constexpr absl::Duration kPerMebibyte = absl::Milliseconds(16);

std::string HeavyServer(int i) { return absl::StrCat("s-", std::string(16, '1'), i); }

class FairnessTest : public BlockStreamTest {
 protected:
  // How long it takes until a block of kServer is durable while the others send: the median.
  absl::Duration Latency(bool turns) {
    ::godwit::testing::SlowDisk disk(kPerMebibyte);
    ::godwit::testing::SlowStore slow(*store_, disk);
    GroupHost host(slow, leases_);
    BlockStreamService service(host, leases_, {.turns = turns},
                               [](const std::string&, std::int64_t, const store::PointFacts&) {});
    server_ = *rpc::Server::Start({.listen = "127.0.0.1:0",
                                   .tls = pki_.Issue("worker/w-0123456789abcdef0"),
                                   .traffic = rpc::Traffic::kData},
                                  {&service});
    std::vector<std::unique_ptr<Stream>> heavy;
    std::vector<std::thread> senders;
    std::atomic<bool> stop = false;
    for (int i = 0; i < kHeavy; ++i) {
      heavy.push_back(Open(HeavyServer(i)));
      senders.emplace_back([&stop, stream = heavy.back().get()] {
        const pb::AgentFrame frame = DataFrame(0, 'x', 8);
        while (!stop && stream->Send(frame)) {
        }
      });
    }
    auto light = Open(kServer);
    absl::SleepFor(absl::Milliseconds(300));  // what buffers hold is in, all of them wait
    std::vector<absl::Duration> took;
    for (int i = 0; i < 15; ++i) {
      const absl::Time from = absl::Now();
      light->Send(DataFrame(static_cast<std::uint64_t>(i), 'l'));
      Flush(*light);
      took.push_back(absl::Now() - from);
      absl::SleepFor(absl::Milliseconds(10));
    }
    stop = true;
    for (const auto& stream : heavy) stream->context.TryCancel();
    for (std::thread& sender : senders) sender.join();
    heavy.clear();
    light.reset();
    host.CloseAll();
    server_.reset();
    std::sort(took.begin(), took.end());
    return took[took.size() / 2];
  }

 private:
  std::unique_ptr<Stream> Open(const std::string& name) {
    pb::AgentFrame open = OpenFrame();
    open.mutable_open()->set_source_server(absl::StrCat("sourceServers/", name));
    auto stream = Connect(absl::StrCat("agent/", name));
    stream->stream->Write(open);
    EXPECT_TRUE(stream->Await([](const pb::WorkerFrame& frame) { return frame.has_opened(); })
                    .has_opened());
    return stream;
  }
};

TEST_F(FairnessTest, ALittleDoesNotWaitBehindAllThatOthersSend) {
  const worker::Lease lease = *leases_.Find(kServer);
  std::map<std::string, worker::Lease> leases = {{kServer, lease}};
  for (int i = 0; i < kHeavy; ++i) leases[HeavyServer(i)] = lease;
  leases_.Renew(RealClock().Monotonic(), absl::Minutes(10), leases);
  const absl::Duration with = Latency(/*turns=*/true);
  const absl::Duration without = Latency(/*turns=*/false);
  RecordProperty("with_turns_ms", static_cast<int>(absl::ToInt64Milliseconds(with)));
  RecordProperty("without_turns_ms", static_cast<int>(absl::ToInt64Milliseconds(without)));
  // Eight pieces of 8 ms each were before it in the disk's queue; with turns it is two.
  EXPECT_GT(without, absl::Milliseconds(50)) << "the disk is no bottleneck: nothing is shown";
  EXPECT_LT(with, without / 2) << with << " with turns, " << without << " without";
}

}  // namespace
}  // namespace godwit::worker
