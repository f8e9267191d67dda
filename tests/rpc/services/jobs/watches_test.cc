// WatchJob and WatchWaveRun from a token: over streams that break, changes while nobody watched, an
// end, and a database that went back in time.
#include "godwit/jobs/v1/wave_run_service.grpc.pb.h"
#include "services/common/pg/connection.h"
#include "tests/rpc/services/jobs/jobs_fixture.h"

namespace godwit::testing {
namespace {

using jobs::v1::Job;
using jobs::v1::WaveRun;

// How to watch one kind of resource.
struct WatchedJob {
  using Message = Job;
  using Request = jobs::v1::WatchJobRequest;
  using Service = jobs::v1::JobService;
  static constexpr auto kWatch = &Service::Stub::WatchJob;
};
struct WatchedRun {
  using Message = WaveRun;
  using Request = jobs::v1::WatchWaveRunRequest;
  using Service = jobs::v1::WaveRunService;
  static constexpr auto kWatch = &Service::Stub::WatchWaveRun;
};

class WatchesTest : public JobsFixture {
 protected:
  void SetUp() override {
    JobsFixture::SetUp();
    process_ = StartJobs();
    Connect(process_);
  }
  static void Sql(const std::string& text) {
    ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(database_->conninfo()));
    ASSERT_OK(connection->Run(text));
  }

  template <typename Watched>
  struct Stream {
    Stream(const WatchesTest& test, const std::string& name, const std::string& since)
        : stub(Watched::Service::NewStub(rpc::Dial(absl::StrCat("127.0.0.1:", test.port_),
                                                   {.kind = rpc::PeerKind::kService, .id = "jobs"},
                                                   test.pki_.Issue("user/admin/ann")))) {
      rpc::SetTimeout(context, absl::Seconds(60));
      typename Watched::Request request;
      request.set_name(name);
      request.set_since(since);
      reader = ((*stub).*Watched::kWatch)(&context, request);
    }
    ~Stream() {
      if (!ended) context.TryCancel();
      if (!ended) reader->Finish();
    }
    // The etag of the next message; "": there is none.
    std::string Next() {
      typename Watched::Message message;
      return reader->Read(&message) ? message.etag() : "";
    }
    absl::Status End() {
      ended = true;
      return rpc::FromGrpc(reader->Finish());
    }
    std::unique_ptr<typename Watched::Service::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<typename Watched::Message>> reader;
    bool ended = false;
  };

  // `change` makes the next version, `end` the last one.
  template <typename Watched>
  void Check(const std::string& name, const std::string& change, const std::string& end,
             const std::string& back) {
    SCOPED_TRACE(name);
    std::string first, last;
    {
      Stream<Watched> watch(*this, name, "");
      first = watch.Next();
      ASSERT_NE(first, "");
      Sql(change);
      last = watch.Next();
      EXPECT_NE(last, first);
    }
    {
      // Nothing that was sent comes again: the first message is the next change.
      Stream<Watched> watch(*this, name, last);
      Sql(change);
      const std::string next = watch.Next();
      EXPECT_NE(next, "");
      EXPECT_NE(next, last);
      last = next;
    }
    Sql(change);
    Sql(change);
    {
      // What changed meanwhile comes once, as it is now: from an older token, too.
      Stream<Watched> watch(*this, name, last), older(*this, name, first);
      const std::string next = watch.Next();
      EXPECT_EQ(older.Next(), next);
      EXPECT_NE(next, last);
      Sql(change);
      last = watch.Next();
      EXPECT_NE(last, next) << "not the same again";
      EXPECT_EQ(older.Next(), last);
    }
    for (const char* wrong : {"-1", "x", "99999999999999999999"}) {
      Stream<Watched> watch(*this, name, wrong);
      EXPECT_EQ(watch.Next(), "");
      EXPECT_THAT(watch.End(), StatusIs(absl::StatusCode::kInvalidArgument, "since")) << wrong;
    }
    Sql(back);
    {
      Stream<Watched> watch(*this, name, last);
      EXPECT_EQ(watch.Next(), "");
      const absl::Status gone = watch.End();
      EXPECT_THAT(gone, StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
      EXPECT_EQ(rpc::GetInfo(gone).reason, "STATE_GONE");
    }
    std::string at_end;
    {
      Stream<Watched> watch(*this, name, "");
      EXPECT_EQ(watch.Next(), first);
      Sql(end);
      at_end = watch.Next();
      EXPECT_NE(at_end, "");
      EXPECT_EQ(watch.Next(), "") << "nothing follows the end";
      EXPECT_OK(watch.End());
    }
    {
      Stream<Watched> behind(*this, name, first);
      EXPECT_EQ(behind.Next(), at_end);
      EXPECT_EQ(behind.Next(), "");
      EXPECT_OK(behind.End());
      Stream<Watched> done(*this, name, at_end);
      EXPECT_EQ(done.Next(), "");
      EXPECT_OK(done.End());
    }
  }

  Process process_;
};

TEST_F(WatchesTest, GoOnFromTheirTokens) {
  // Neither has anything that a runner would take up.
  Sql("insert into jobs.job (job_id, request_id, request_hash, type, state, initiated_by)"
      " values ('job-00000000000000001', gen_random_uuid(), '', 1, 2, 'user/admin/ann');"
      "insert into jobs.wave_run (run_id, request_id, request_hash, kind, state, wave,"
      " initiated_by, options, due_at) values ('wr-00000000000000001', gen_random_uuid(), '', 1,"
      " 4, 'wave-00000000000000001', 'user/admin/ann', '{}', null)");
  Check<WatchedJob>("jobs/job-00000000000000001", "update jobs.job set version = version + 1",
                    "update jobs.job set version = version + 1, state = 4, end_time = now()",
                    "update jobs.job set version = 1");
  Check<WatchedRun>("waveRuns/wr-00000000000000001",
                    "update jobs.wave_run set version = version + 1",
                    "update jobs.wave_run set version = version + 1, state = 6, end_time = now()",
                    "update jobs.wave_run set version = 1");
}

}  // namespace
}  // namespace godwit::testing
