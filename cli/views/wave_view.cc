#include "cli/views/wave_view.h"

#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/format.h"
#include "cli/output.h"

namespace godwit::cli {
namespace {

using jobs::v1::PlanFinding;
using jobs::v1::PlannedGroup;
using jobs::v1::PlannedServer;
using jobs::v1::WaveRun;
using jobs::v1::WaveRunGroup;
using jobs::v1::WaveRunServer;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

void PrintFindings(const PlannedServer& server, Table& table) {
  const std::string id = ShortName(server.source_server());
  if (server.already_done()) {
    table.Row({id, OrDash(server.hostname()), "done", "nothing to do: it is there already"});
  } else if (server.findings().empty()) {
    table.Row({id, OrDash(server.hostname()), "ready", "-"});
  }
  bool first = true;
  for (const PlanFinding& finding : server.findings()) {
    const bool blocks = finding.severity() == PlanFinding::BLOCKER;
    table.Row({first ? id : "", first ? OrDash(server.hostname()) : "",
               blocks ? "BLOCKED" : "warning",
               absl::StrCat(finding.message(), " (", finding.reason(), ")")});
    first = false;
  }
}

struct Figures {
  int all = 0, done = 0, under_way = 0, failed = 0;
};
Figures Count(const WaveRun& run) {
  Figures figures;
  for (const WaveRunGroup& group : run.groups()) {
    for (const WaveRunServer& server : group.servers()) {
      ++figures.all;
      switch (server.state()) {
        case WaveRunServer::STARTING:
        case WaveRunServer::LAUNCHING:
        case WaveRunServer::REMOVING:
        case WaveRunServer::PROVEN:
          ++figures.under_way;
          break;
        case WaveRunServer::FAILED:
          ++figures.failed;
          break;
        case WaveRunServer::WAITING:
          break;
        default:
          ++figures.done;
      }
    }
  }
  return figures;
}

// What an operator can do now.
std::string Hint(const WaveRun& run) {
  const std::string name = ShortName(run.name());
  if (run.state() == WaveRun::WAITING_FOR_APPROVAL) {
    return absl::StrCat("go on with: godwit waves approve ", name);
  }
  if (run.state() == WaveRun::STOPPED) {
    return absl::StrCat("go on with: godwit waves resume ", name,
                        " --retry (tries what failed again), without --retry (goes on without "
                        "it), or: godwit waves cancel ",
                        name);
  }
  return "";
}

}  // namespace

void PrintWavePlan(const jobs::v1::WaveRunPlan& plan, std::ostream& out) {
  Fields fields;
  fields.Add("Wave", absl::StrCat(plan.wave_display_name(), " (", ShortName(plan.wave()), ")"));
  fields.Add("Kind", EnumWord(plan.kind()));
  fields.Add("At once", absl::StrCat(plan.options().max_parallel_servers(), " servers"));
  fields.Add("Stops after", absl::StrCat(plan.options().stop_after_failed_count(), " failed"));
  for (const PlanFinding& finding : plan.findings()) {
    fields.Add(finding.severity() == PlanFinding::BLOCKER ? "BLOCKED" : "Warning",
               absl::StrCat(finding.message(), " (", finding.reason(), ")"));
  }
  fields.Print(out);
  int number = 0;
  for (const PlannedGroup& group : plan.groups()) {
    out << "\n"
        << ++number << ". " << Plain(group.display_name()) << " (" << Plain(group.placement())
        << ")" << (group.needs_approval() ? ", waits for approval" : "");
    if (group.check_count() > 0) out << ", " << group.check_count() << " checks";
    out << "\n";
    Table table({"SERVER", "HOST", "", "WHAT IS IN THE WAY"});
    for (const PlannedServer& server : group.servers()) PrintFindings(server, table);
    table.Print(out, "no servers");
  }
}

void PrintWaveRun(const WaveRun& run, std::ostream& out) {
  Fields fields;
  fields.Add("Run", ShortName(run.name()));
  fields.Add("Kind", EnumWord(run.kind()));
  fields.Add("Wave", absl::StrCat(run.wave_display_name(), " (", ShortName(run.wave()), ")"));
  fields.Add("State", EnumWord(run.state()));
  fields.Add("Why", run.state_reason());
  fields.Add("By", run.initiated_by());
  fields.Add("Created", When(run.create_time()));
  if (run.has_end_time()) {
    fields.Add("Ended",
               absl::StrCat(When(run.end_time()), " (took ",
                            Span(ToTime(run.end_time()) - ToTime(run.create_time())), ")"));
  }
  fields.Add("Servers", WaveNow(run));
  fields.Print(out);
  for (const WaveRunGroup& group : run.groups()) {
    out << "\n" << Plain(group.display_name()) << "  " << EnumWord(group.state());
    if (!group.state_reason().empty()) out << "  " << Plain(group.state_reason());
    if (!group.approved_by().empty()) out << "  approved by " << Plain(group.approved_by());
    out << "\n";
    Table table({"SERVER", "HOST", "STATE", "JOB", "TRY", "REASON"});
    for (const WaveRunServer& server : group.servers()) {
      table.Row({ShortName(server.source_server()), OrDash(server.hostname()),
                 absl::StrCat(EnumWord(server.state()), server.left_behind() ? " (left)" : ""),
                 ShortName(server.job()), absl::StrCat(server.attempt_count()),
                 OrDash(server.reason())});
    }
    table.Print(out, "no servers");
  }
  if (const std::string hint = Hint(run); !hint.empty()) out << "\n" << hint << "\n";
}

void PrintWaveRuns(const jobs::v1::ListWaveRunsResponse& list, std::ostream& out) {
  Table table({"RUN", "WAVE", "KIND", "STATE", "CREATED", "BY", "WHY"});
  for (const WaveRun& run : list.wave_runs()) {
    table.Row({ShortName(run.name()), run.wave_display_name(), EnumWord(run.kind()),
               EnumWord(run.state()), When(run.create_time()), OrDash(run.initiated_by()),
               OrDash(run.state_reason())});
  }
  table.Print(out, "no wave runs");
}

std::string WaveEventLine(const jobs::v1::WaveRunEvent& event) {
  std::string line = absl::StrFormat("%s  %-16s", When(event.time()), EnumWord(event.type()));
  for (const std::string& name : {event.application(), event.source_server()}) {
    if (!name.empty()) absl::StrAppend(&line, "  ", ShortName(name));
  }
  if (!event.message().empty()) absl::StrAppend(&line, "  ", event.message());
  return Plain(line.substr(0, line.find_last_not_of(' ') + 1));
}

bool Ended(const WaveRun& run) { return run.state() >= WaveRun::SUCCEEDED; }

double WaveFraction(const WaveRun& run) {
  const Figures figures = Count(run);
  return figures.all == 0 ? -1 : static_cast<double>(figures.done) / figures.all;
}

std::string WaveNow(const WaveRun& run) {
  const Figures figures = Count(run);
  std::string out = absl::StrCat(figures.done, " of ", figures.all, " servers done");
  if (figures.under_way > 0) absl::StrAppend(&out, ", ", figures.under_way, " under way");
  if (figures.failed > 0) absl::StrAppend(&out, ", ", figures.failed, " failed");
  const auto present =
      std::find_if(run.groups().begin(), run.groups().end(), [](const WaveRunGroup& group) {
        return group.state() == WaveRunGroup::RUNNING || group.state() == WaveRunGroup::CHECKING;
      });
  if (present != run.groups().end()) absl::StrAppend(&out, "; ", present->display_name());
  return out;
}

}  // namespace godwit::cli
