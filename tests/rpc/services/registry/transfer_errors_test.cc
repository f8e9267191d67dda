// What of an import or export cannot be done, and who is told.
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/rpc/services/registry/transfers_fixture.h"

namespace godwit::registry {
namespace {

TEST_F(TransferTest, RowsThatCannotBeDone) {
  ASSERT_OK(Import(ImportOf("mgn:app:name,mgn:server:user-provided-id\nShop,web-1\n")));
  const std::string app = Applications().applications(0).name();
  // Another one of the same name.
  pb::CreateApplicationRequest create;
  create.set_request_id(NewUuid());
  create.mutable_application()->set_display_name("Twin");
  ASSERT_OK(Call(*fleet_, &Fleet::CreateApplication, create));
  create.set_request_id(NewUuid());
  ASSERT_OK(Call(*fleet_, &Fleet::CreateApplication, create));
  const std::string server =
      AllServers().source_servers(0).name().substr(sizeof "sourceServers/" - 1);

  ASSERT_OK_AND_ASSIGN(const pb::ImportTask task,
                       Import(ImportOf(absl::StrCat(
                           "mgn:app:id,mgn:app:name,mgn:server:id,mgn:server:user-provided-id,"
                           "mgn:launch:boot-mode,godwit:launch:cpu-count,mgn:app:tag:k\n",
                           ",Good,,new-1,,,\n",              // 2
                           "app-00000000000000000,,,,,,\n",  // 3: none
                           ",Twin,,,,,\n",                   // 4: two of them
                           ",,", server, ",other,,,\n",      // 5: has another user-provided id
                           ",,,new-2,uefi,,\n",              // 6: no such word
                           ",Never made,,new-3,,513,\n",     // 7: too many processors
                           "short\n",                        // 8
                           ",Good,,,,,", std::string(300, 'x'), "\n",  // 9: too long for a tag
                           ",,,new-4,,,\n"))));                        // 10
  EXPECT_EQ(task.state(), pb::ImportTask::FAILED);
  EXPECT_EQ(task.done_row_count(), 9);
  EXPECT_EQ(task.error_count(), 7);
  EXPECT_EQ(task.servers().created_count(), 2);
  const auto errors = ErrorsOf(task.name());
  ASSERT_EQ(errors.size(), 7u);
  const auto expect = [&](int index, int row, pb::TransferError::Type type, const char* text) {
    EXPECT_EQ(errors[index].row_number(), row);
    EXPECT_EQ(errors[index].type(), type) << errors[index].message();
    EXPECT_THAT(errors[index].message(), ::testing::HasSubstr(text));
  };
  expect(0, 3, pb::TransferError::PROCESSING_ERROR, "applications/app-00000000000000000");
  expect(1, 4, pb::TransferError::PROCESSING_ERROR, "mgn:app:id");
  expect(2, 5, pb::TransferError::PROCESSING_ERROR, "cannot be changed");
  EXPECT_EQ(errors[2].source_server(), "sourceServers/" + server);
  expect(3, 6, pb::TransferError::VALIDATION_ERROR, "UEFI");
  expect(4, 7, pb::TransferError::VALIDATION_ERROR, "cpu_count");
  expect(5, 8, pb::TransferError::VALIDATION_ERROR, "cells");
  expect(6, 9, pb::TransferError::VALIDATION_ERROR, "256");
  // Nothing of a row that failed remains.
  const auto left = Applications();
  for (const auto& application : left.applications()) {
    EXPECT_NE(application.display_name(), "Never made");
  }
  EXPECT_EQ(Get("sourceServers/" + server).application(), app);

  // Files that are wrong as a whole change nothing.
  for (const auto& [content, row, text] :
       {std::tuple<const char*, int, const char*>{"mgn:app:name\n\"A\n", 2, "not closed"},
        {"mgn:app:nmae\nA\n", 1, "mgn:app:nmae"},
        {"\n", 1, "no heading"}}) {
    ASSERT_OK_AND_ASSIGN(const pb::ImportTask failed, Import(ImportOf(content)));
    EXPECT_EQ(failed.state(), pb::ImportTask::FAILED);
    const auto why = ErrorsOf(failed.name());
    ASSERT_EQ(why.size(), 1u);
    EXPECT_EQ(why[0].row_number(), row) << content;
    EXPECT_THAT(why[0].message(), ::testing::HasSubstr(text));
  }

  // Values that an import would take for something else are left out of an export and told of.
  pb::UpdateSourceServerRequest update;
  update.mutable_source_server()->set_name("sourceServers/" + server);
  (*update.mutable_source_server()->mutable_tags())["trap"] = "[DELETE_TAG]";
  update.mutable_update_mask()->add_paths("tags");
  ASSERT_OK(Call(*servers_, &Servers::UpdateSourceServer, update));
  pb::StartExportRequest request;
  request.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const pb::ExportTask trapped, Export(request));
  EXPECT_EQ(trapped.error_count(), 1);
  pb::ListTransferErrorsRequest list;
  list.set_name(trapped.name());
  ASSERT_OK_AND_ASSIGN(const auto missing, Call(*transfers_, &Transfers::ListExportErrors, list));
  EXPECT_EQ(missing.errors(0).source_server(), "sourceServers/" + server);
}

}  // namespace
}  // namespace godwit::registry
