#include "cli/views/preflight_view.h"

#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/fleet_view.h"

namespace godwit::cli {
namespace {

using conversion::v1::ConversionTask;
using conversion::v1::Finding;
using conversion::v1::Verdict;

std::string Outcome(const Verdict& verdict) {
  switch (verdict.outcome()) {
    case Verdict::BOOTS:
      return "will boot";
    case Verdict::DOES_NOT_BOOT:
      return "will not boot";
    default:
      return "not known yet";
  }
}

std::string Causes(const Verdict& verdict) {
  std::vector<std::string> causes;
  for (const Finding& cause : verdict.causes()) causes.push_back(cause.message());
  return causes.empty() ? "-" : absl::StrJoin(causes, "; ");
}

}  // namespace

void PrintPreflight(const ConversionTask& task, const std::string& server, const std::string& point,
                    std::ostream& out) {
  Fields fields;
  fields.Add("Server", server);
  fields.Add("Looked at", point.empty() ? "what has arrived so far; there is no point yet"
                                        : absl::StrCat("point ", ShortName(point)));
  fields.Print(out);
  out << "\n";
  Table verdicts({"PROFILE", "VERDICT", "BECAUSE"});
  for (const Verdict& verdict : task.verdicts()) {
    verdicts.Row({absl::StrCat(verdict.profile(),
                               verdict.profile() == task.target().profile() ? " (chosen)" : ""),
                  Outcome(verdict), Causes(verdict)});
  }
  verdicts.Print(out, "no verdicts: the system was not recognised");
  out << "\n";
  PrintTask(task, out);
}

std::string PreflightFailure(const ConversionTask& task) {
  std::vector<std::string> causes;
  const auto add = [&](const auto& findings) {
    for (const Finding& finding : findings) {
      if (finding.severity() != Finding::BLOCKER) continue;
      causes.push_back(finding.remedy().empty()
                           ? finding.message()
                           : absl::StrCat(finding.message(), " (", finding.remedy(), ")"));
    }
  };
  add(task.findings());
  for (const Verdict& verdict : task.verdicts()) {
    if (verdict.profile() == task.target().profile()) add(verdict.causes());
  }
  if (causes.empty()) return "";
  return absl::StrCat(
      task.unfinished() ? "it is not known yet whether it will boot on " : "it will not boot on ",
      task.target().profile(), ": ", absl::StrJoin(causes, "; "));
}

}  // namespace godwit::cli
