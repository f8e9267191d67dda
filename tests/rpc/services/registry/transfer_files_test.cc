// Where inventories come from and go to: requests, and the transfer folder.
#include <filesystem>

#include "services/common/base/file.h"
#include "tests/rpc/services/registry/transfers_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

class TransferFilesTest : public TransferTest {
 protected:
  static pb::StartImportRequest File(const std::string& bucket, const std::string& key) {
    pb::StartImportRequest from;
    from.set_request_id(NewUuid());
    from.mutable_file()->set_bucket(bucket);
    from.mutable_file()->set_key(key);
    return from;
  }
  void Refused(const pb::StartImportRequest& request, absl::StatusCode code, const char* text) {
    EXPECT_THAT(Call(*transfers_, &Transfers::StartImport, request), StatusIs(code, text));
  }
};

TEST_F(TransferFilesTest, OnlyThoseOfTheFolder) {
  using absl::StatusCode;
  Refused(ImportOf(""), StatusCode::kInvalidArgument, "content");
  Refused(ImportOf(std::string(4'000'001, 'x')), StatusCode::kInvalidArgument, "4000000");
  pb::StartImportRequest request = ImportOf("mgn:app:name\n");
  request.set_request_id("1");
  Refused(request, StatusCode::kInvalidArgument, "request_id");
  Refused(File("..", "x.csv"), StatusCode::kInvalidArgument, "file.bucket");
  Refused(File("bucket", "../x.csv"), StatusCode::kInvalidArgument, "file.key");
  Refused(File("bucket", "none.csv"), StatusCode::kNotFound, "none.csv");
  std::filesystem::create_symlink("/etc/passwd", *folder_ / "transfer/bucket/link.csv");
  Refused(File("bucket", "link.csv"), StatusCode::kFailedPrecondition, "link");

  ASSERT_OK(WriteFileAtomically(*folder_ / "transfer/bucket/in.csv", "mgn:app:name\nFiled\n"));
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask from_file, Import(File("bucket", "in.csv")));
  EXPECT_EQ(from_file.applications().created_count(), 1);
  EXPECT_EQ(from_file.file().key(), "in.csv");
  pb::StartExportRequest to_file;
  to_file.set_request_id(NewUuid());
  *to_file.mutable_file() = File("bucket", "deep/out.csv").file();
  ASSERT_OK_AND_ASSIGN(const pb::ExportTask exported, Export(to_file));
  EXPECT_EQ(exported.state(), pb::ImportTask::SUCCEEDED);
  EXPECT_EQ(ReadFile(*folder_ / "transfer/bucket/deep/out.csv").value_or(""), ExportContent(false));

  // Without a folder.
  installation_->config.transfer_dir = "";
  ASSERT_OK(StartRegistry());
  SetUp();
  Refused(File("bucket", "in.csv"), StatusCode::kFailedPrecondition, "--transfer-dir");
}

TEST_F(TransferFilesTest, ListsAreNewestFirstByNamesInPages) {
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask older, Import(ImportOf("mgn:app:name\nOne\n")));
  ASSERT_OK_AND_ASSIGN(const pb::ImportTask newer, Import(ImportOf("mgn:app:name\nTwo\n")));
  pb::ListTransfersRequest imports;
  imports.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto newest, Call(*transfers_, &Transfers::ListImports, imports));
  ASSERT_EQ(newest.imports_size(), 1);
  EXPECT_EQ(newest.imports(0).name(), newer.name());
  imports.set_page_token(newest.next_page_token());
  ASSERT_OK_AND_ASSIGN(const auto next, Call(*transfers_, &Transfers::ListImports, imports));
  ASSERT_EQ(next.imports_size(), 1);
  EXPECT_EQ(next.imports(0).name(), older.name());
  pb::ListTransfersRequest by_name;
  by_name.add_names(older.name());
  by_name.add_names("imports/import-00000000000000000");
  ASSERT_OK_AND_ASSIGN(const auto found, Call(*transfers_, &Transfers::ListImports, by_name));
  ASSERT_EQ(found.imports_size(), 1);
  EXPECT_EQ(found.imports(0).name(), older.name());
}

}  // namespace
}  // namespace godwit::registry
