#include "cli/views/group_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace godwit::cli {
namespace {

using registry::v1::GroupStatus;
using ::testing::HasSubstr;
using ::testing::Not;

GroupStatus Status() {
  GroupStatus status;
  status.set_health(GroupStatus::ERROR);
  status.set_progress(GroupStatus::IN_PROGRESS);
  status.set_server_count(5);
  status.set_application_count(2);
  status.set_cut_over_count(3);
  status.set_stalled_count(1);
  status.set_lagging_count(2);
  return status;
}

TEST(GroupView, Applications) {
  registry::v1::ListApplicationsResponse list;
  auto& application = *list.add_applications();
  application.set_name("applications/app-0123456789abcdef0");
  application.set_display_name("shop\x1b[2J");
  application.set_wave("waves/wave-0123456789abcdef1");
  *application.mutable_status() = Status();
  std::ostringstream out;
  PrintGroups(list, out);
  EXPECT_THAT(out.str(), HasSubstr("app-0123456789abcdef0"));
  EXPECT_THAT(out.str(), HasSubstr("wave-0123456789abcdef1"));
  EXPECT_THAT(out.str(), HasSubstr("ERROR, 1 stalled, 2 lagging"));
  EXPECT_THAT(out.str(), HasSubstr("IN_PROGRESS, 3/5 cut over"));
  EXPECT_THAT(out.str(), Not(HasSubstr("\x1b")));
  std::ostringstream one;
  PrintGroup(application, one);
  EXPECT_THAT(one.str(), HasSubstr("wave-0123456789abcdef1"));
  EXPECT_THAT(one.str(), Not(HasSubstr("Description")));
  std::ostringstream none;
  PrintGroups(registry::v1::ListApplicationsResponse(), none);
  EXPECT_EQ(none.str(), "no applications\n");
}

TEST(GroupView, Waves) {
  registry::v1::ListWavesResponse list;
  auto& wave = *list.add_waves();
  wave.set_name("waves/wave-0123456789abcdef1");
  wave.set_display_name("First");
  wave.set_archived(true);
  *wave.mutable_status() = Status();
  wave.mutable_status()->clear_health();
  std::ostringstream out;
  PrintGroups(list, out);
  EXPECT_THAT(out.str(), HasSubstr("archived"));
  std::ostringstream one;
  PrintGroup(wave, one);
  EXPECT_THAT(one.str(), HasSubstr("Applications"));
}

}  // namespace
}  // namespace godwit::cli
