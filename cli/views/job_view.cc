#include "cli/views/job_view.h"

#include <algorithm>
#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/server_view.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;
using jobs::v1::ParticipatingServer;

bool Over(const JobStep& step) {
  return step.state() == JobStep::SUCCEEDED || step.state() == JobStep::SKIPPED ||
         step.state() == JobStep::FAILED || step.state() == JobStep::UNDONE;
}

std::string Took(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  if (from.seconds() == 0 || to.seconds() == 0) return "-";
  return Span(ToTime(to) - ToTime(from));
}

std::string Amount(const JobStep& step) {
  if (step.total_bytes() <= 0) return step.done_bytes() > 0 ? Bytes(step.done_bytes()) : "";
  return absl::StrCat(Bytes(step.done_bytes()), " of ", Bytes(step.total_bytes()));
}

void PrintParticipant(const ParticipatingServer& server, std::ostream& out) {
  out << "\n";
  Fields fields;
  fields.Add("Server", ShortName(server.source_server()));
  fields.Add("Launch", EnumWord(server.launch_status()));
  fields.Add("Error", server.error().message());
  fields.Add("Point", server.point().empty() ? "" : ShortName(server.point()));
  if (server.has_machine()) AddMachine(server.machine(), fields);
  for (const auto& action : server.machine().actions()) {
    fields.Add("Action", absl::StrCat(action.action_id(), " ", EnumWord(action.state()),
                                      action.blocks_cutover() ? ", blocks the cutover" : "",
                                      action.message().empty() ? "" : ": ", action.message()));
  }
  for (const std::string& attempt : server.machine().network_attempts())
    fields.Add("Tried to reach", attempt);
  if (server.has_screenshot_time()) {
    fields.Add("Screen", absl::StrCat("kept ", When(server.screenshot_time()),
                                      "; `godwit jobs screenshot` writes it"));
  }
  if (server.has_quiesce_time() && server.has_proven_time()) {
    fields.Add("From the cut to the boot proof", Took(server.quiesce_time(), server.proven_time()));
  }
  fields.Print(out);
  if (server.steps().empty()) return;
  Table table({"STEP", "STATE", "TOOK", "AMOUNT", "TRIES", "MESSAGE"});
  for (const JobStep& step : server.steps()) {
    const std::string amount = Amount(step);
    table.Row({step.step(), EnumWord(step.state()), Took(step.start_time(), step.end_time()),
               amount.empty() ? "-" : amount, absl::StrCat(step.attempt_count()),
               step.message().empty() ? "-" : step.message()});
  }
  table.Print(out, "");
}

}  // namespace

bool Ended(const Job& job) {
  return job.state() == Job::SUCCEEDED || job.state() == Job::FAILED ||
         job.state() == Job::CANCELLED;
}

double JobFraction(const Job& job) {
  double done = 0;
  int steps = 0;
  for (const ParticipatingServer& server : job.servers()) {
    for (const JobStep& step : server.steps()) {
      ++steps;
      if (Over(step)) {
        done += 1;
      } else if (step.state() == JobStep::RUNNING && step.total_bytes() > 0) {
        done += std::clamp(
            static_cast<double>(step.done_bytes()) / static_cast<double>(step.total_bytes()), 0.0,
            1.0);
      }
    }
  }
  return steps == 0 ? -1 : done / steps;
}

std::string JobNow(const Job& job) {
  std::vector<std::string> parts;
  for (const ParticipatingServer& server : job.servers()) {
    for (const JobStep& step : server.steps()) {
      if (step.state() != JobStep::RUNNING) continue;
      const std::string amount = Amount(step);
      std::string text =
          job.servers_size() > 1 ? absl::StrCat(ShortName(server.source_server()), " ") : "";
      absl::StrAppend(&text, step.step(), amount.empty() ? "" : " ", amount,
                      step.message().empty() ? "" : ", ", step.message());
      parts.push_back(std::move(text));
    }
  }
  return absl::StrJoin(parts, "; ");
}

std::string JobFailure(const Job& job) {
  std::vector<std::string> parts;
  for (const ParticipatingServer& server : job.servers()) {
    if (!server.error().message().empty()) {
      parts.push_back(
          absl::StrCat(ShortName(server.source_server()), ": ", server.error().message()));
    }
  }
  if (parts.empty() && !job.error().message().empty()) parts.push_back(job.error().message());
  return absl::StrCat(ShortName(job.name()), " ", EnumWord(job.state()), parts.empty() ? "" : ": ",
                      absl::StrJoin(parts, "; "));
}

void PrintJobs(const jobs::v1::ListJobsResponse& list,
               const std::map<std::string, std::string>& hosts, std::ostream& out) {
  Table table({"JOB", "TYPE", "STATE", "CREATED", "TOOK", "SERVERS", "BY"});
  for (const Job& job : list.jobs()) {
    std::vector<std::string> servers;
    for (const ParticipatingServer& server : job.servers()) {
      const auto host = hosts.find(server.source_server());
      servers.push_back(host == hosts.end() || host->second.empty()
                            ? ShortName(server.source_server())
                            : host->second);
    }
    if (servers.size() > 3) {
      const std::size_t more = servers.size() - 3;
      servers.resize(3);
      servers.push_back(absl::StrCat("and ", more, " more"));
    }
    table.Row({ShortName(job.name()), EnumWord(job.type()), EnumWord(job.state()),
               When(job.create_time()), Took(job.start_time(), job.end_time()),
               absl::StrJoin(servers, ", "),
               job.initiated_by().empty() ? "-" : job.initiated_by()});
  }
  table.Print(out, "no jobs");
}

void PrintJob(const Job& job, std::ostream& out) {
  Fields fields;
  fields.Add("Job", ShortName(job.name()));
  fields.Add("Type", EnumWord(job.type()));
  fields.Add("State", EnumWord(job.state()));
  fields.Add("By", job.initiated_by());
  fields.Add("Created", When(job.create_time()));
  if (job.has_start_time()) fields.Add("Started", When(job.start_time()));
  if (job.has_end_time()) {
    fields.Add("Ended", absl::StrCat(When(job.end_time()), " (took ",
                                     Took(job.start_time(), job.end_time()), ")"));
  }
  fields.Add("Error", job.error().message());
  for (const std::string& warning : job.warnings()) fields.Add("Warning", warning);
  fields.Print(out);
  for (const ParticipatingServer& server : job.servers()) PrintParticipant(server, out);
}

std::string LogLine(const jobs::v1::JobLogItem& item) {
  std::string out = absl::StrFormat("%s  %-23s", When(item.time()), EnumWord(item.event()));
  if (!item.source_server().empty()) absl::StrAppend(&out, "  ", ShortName(item.source_server()));
  if (!item.message().empty()) absl::StrAppend(&out, "  ", item.message());
  out = Plain(out);
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

}  // namespace godwit::cli
