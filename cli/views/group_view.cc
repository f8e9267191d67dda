#include "cli/views/group_view.h"

#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/server_view.h"

namespace godwit::cli {
namespace {

using registry::v1::Application;
using registry::v1::GroupStatus;
using registry::v1::Wave;

std::string HealthWord(const GroupStatus& status) {
  std::string word = EnumWord(status.health());
  if (status.health() == GroupStatus::HEALTH_UNSPECIFIED) return word;
  if (status.stalled_count() > 0) absl::StrAppend(&word, ", ", status.stalled_count(), " stalled");
  if (status.lagging_count() > 0) absl::StrAppend(&word, ", ", status.lagging_count(), " lagging");
  return word;
}

std::string ProgressWord(const GroupStatus& status) {
  return absl::StrCat(EnumWord(status.progress()), ", ", status.cut_over_count(), "/",
                      status.server_count(), " cut over");
}

std::string Mark(bool archived) { return archived ? "archived" : "-"; }

template <typename Message>
void AddCommon(const Message& group, Fields* fields) {
  const GroupStatus& status = group.status();
  fields->Add("Id", ShortName(group.name()));
  fields->Add("Name", group.display_name());
  fields->Add("Description", group.description());
  fields->Add("Archived", group.archived() ? "yes" : "");
  fields->Add("Health", HealthWord(status));
  fields->Add("Progress", ProgressWord(status));
  fields->Add("Began to replicate", status.has_replication_start_time()
                                        ? When(status.replication_start_time())
                                        : std::string());
  fields->Add("Tags", Tags(group.tags()));
  fields->Add("Created", When(group.create_time()));
  fields->Add("Last change", When(status.update_time()));
}

}  // namespace

void PrintGroups(const registry::v1::ListApplicationsResponse& list, std::ostream& out) {
  Table table({"APPLICATION", "NAME", "WAVE", "SERVERS", "HEALTH", "PROGRESS", "ARCHIVED"});
  for (const Application& application : list.applications()) {
    table.Row({ShortName(application.name()), application.display_name(),
               ShortName(application.wave()), absl::StrCat(application.status().server_count()),
               HealthWord(application.status()), ProgressWord(application.status()),
               Mark(application.archived())});
  }
  table.Print(out, "no applications");
}

void PrintGroups(const registry::v1::ListWavesResponse& list, std::ostream& out) {
  Table table({"WAVE", "NAME", "APPLICATIONS", "SERVERS", "HEALTH", "PROGRESS", "ARCHIVED"});
  for (const Wave& wave : list.waves()) {
    table.Row({ShortName(wave.name()), wave.display_name(),
               absl::StrCat(wave.status().application_count()),
               absl::StrCat(wave.status().server_count()), HealthWord(wave.status()),
               ProgressWord(wave.status()), Mark(wave.archived())});
  }
  table.Print(out, "no waves");
}

void PrintGroup(const Application& application, std::ostream& out) {
  Fields fields;
  AddCommon(application, &fields);
  fields.Add("Wave", ShortName(application.wave()));
  fields.Print(out);
}

void PrintGroup(const Wave& wave, std::ostream& out) {
  Fields fields;
  AddCommon(wave, &fields);
  fields.Add("Applications", absl::StrCat(wave.status().application_count()));
  fields.Print(out);
}

}  // namespace godwit::cli
