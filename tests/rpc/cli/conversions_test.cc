// conversions list, show, diff, undo.
#include "absl/strings/str_cat.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "tests/rpc/cli/fake_installation.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using conversion::v1::ConversionTask;
using ::testing::HasSubstr;

constexpr char kTask[] = "ct-00000000000000001";

// Keeps what was created, and ends it at the second look.
class FakeConversion final : public conversion::v1::ConversionService::Service {
 public:
  grpc::Status GetTask(grpc::ServerContext*, const conversion::v1::GetTaskRequest* request,
                       ConversionTask* response) override {
    *response = request->name() == absl::StrCat("conversionTasks/", kTask) ? first : made;
    return grpc::Status::OK;
  }
  grpc::Status CreateTask(grpc::ServerContext*, const conversion::v1::CreateTaskRequest* request,
                          ConversionTask* response) override {
    asked = *request;
    *response = made;
    response->set_state(ConversionTask::RUNNING);
    return grpc::Status::OK;
  }
  ConversionTask first, made;
  conversion::v1::CreateTaskRequest asked;
};

class ConversionsCliTest : public ::testing::Test {
 protected:
  ConversionsCliTest() {
    fake_.first.set_name(absl::StrCat("conversionTasks/", kTask));
    fake_.first.set_state(ConversionTask::SUCCEEDED);
    fake_.first.add_disks()->set_path("/clones/disk.qcow2");
    fake_.first.mutable_target()->set_profile("ec2-nvme");
    auto& change = *fake_.first.add_changes();
    change.set_step("fstab");
    change.set_path("/etc/fstab");
    fake_.made.set_name("conversionTasks/ct-00000000000000002");
    fake_.made.set_state(ConversionTask::SUCCEEDED);
    auto server = rpc::Server::Start(
        {.listen = "127.0.0.1:0", .tls = installation_.pki().Issue("service/conversion")},
        {&fake_});
    GODWIT_CHECK(server.ok());
    server_ = *std::move(server);
  }
  ~ConversionsCliTest() override { server_->Stop(); }
  Ran Do(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), absl::StrCat("--conversion=127.0.0.1:", server_->port()));
    return Godwit(installation_.Options(std::move(arguments)));
  }

  testing::FakeInstallation installation_;
  FakeConversion fake_;
  std::unique_ptr<rpc::Server> server_;
};

TEST_F(ConversionsCliTest, ShowsChangesAsATableAndAsJson) {
  EXPECT_THAT(Do({"conversions", "show", kTask}).out, HasSubstr("/etc/fstab"));
  EXPECT_THAT(Do({"conversions", "show", kTask, "--output", "json"}).out,
              HasSubstr("\"beforeSha256\""));
}

TEST_F(ConversionsCliTest, DiffAndUndoRunOnTheSameDisks) {
  fake_.made.set_diff("--- /etc/fstab\n-old\n+new\x1b[31m\n");
  const Ran diff = Do({"conversions", "diff", kTask});
  EXPECT_EQ(diff.exit_code, 0) << diff.err;
  EXPECT_THAT(diff.out, HasSubstr("-old\n+new"));
  EXPECT_EQ(diff.out.find('\x1b'), std::string::npos) << "a guest's text moves no cursor";
  EXPECT_EQ(fake_.asked.mode(), ConversionTask::DIFF);
  EXPECT_EQ(fake_.asked.disks(0).path(), "/clones/disk.qcow2");
  EXPECT_EQ(fake_.asked.target().profile(), "ec2-nvme");

  fake_.made.set_state(ConversionTask::FAILED);
  fake_.made.mutable_error()->set_code(9);
  fake_.made.mutable_error()->set_message("/etc/fstab was changed after the conversion");
  const Ran undo = Do({"conversions", "undo", kTask});
  EXPECT_NE(undo.exit_code, 0);
  EXPECT_THAT(undo.err, HasSubstr("/etc/fstab was changed"));
  EXPECT_EQ(fake_.asked.mode(), ConversionTask::UNDO);
}

}  // namespace
}  // namespace godwit::cli
