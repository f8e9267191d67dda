#include "cli/views/fleet_view.h"

#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"
#include "cli/output.h"
#include "cli/views/server_view.h"

namespace godwit::cli {
namespace {

using conversion::v1::ConversionTask;
using registry::v1::Token;

std::string Took(const ConversionTask& task) {
  if (!task.has_start_time() || !task.has_end_time()) return "-";
  return Span(ToTime(task.end_time()) - ToTime(task.start_time()));
}

std::string TokenState(const Token& token, absl::Time now) {
  if (token.revoked()) return "revoked";
  if (ToTime(token.expire_time()) <= now) return "expired";
  return token.use_count() >= token.max_uses() ? "used up" : "valid";
}

// "default", "databases", or of two: "databases + lct-...".
std::string TemplatesOf(const Token& token) {
  const auto short_name = [](const std::string& name) {
    return name.empty() ? std::string("default") : ShortName(name);
  };
  const std::string replication = short_name(token.replication_template());
  const std::string launch = short_name(token.launch_template());
  return replication == launch ? launch : absl::StrCat(replication, " + ", launch);
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

void PrintInspection(const conversion::v1::Inspection& inspection, std::ostream& out) {
  Fields fields;
  fields.Add("System", absl::StrCat(inspection.full_string(), ", ", inspection.architecture(), ", ",
                                    inspection.boot_mode()));
  fields.Add("Boot loader", inspection.boot_loader());
  fields.Add("Initramfs tool", inspection.initramfs_tool());
  for (const auto& kernel : inspection.kernels()) {
    fields.Add(
        kernel.is_default() ? "Kernel (default)" : "Kernel",
        absl::StrCat(kernel.release(), kernel.missing_modules().empty() ? "" : ", initramfs lacks ",
                     absl::StrJoin(kernel.missing_modules(), " ")));
  }
  fields.Print(out);
}

}  // namespace

void PrintNewToken(const Token& token, const std::string& enrollment, std::ostream& out) {
  Fields fields;
  fields.Add("Token", token.secret());
  fields.Add("CA pin", token.ca_pin());
  fields.Add("Name", ShortName(token.name()));
  fields.Add("Valid until", When(token.expire_time()));
  fields.Add("Uses", absl::StrCat(token.max_uses()));
  fields.Add("Template", TemplatesOf(token));
  fields.Print(out);
  out << "\nThe token is shown only now. On the source, as root, with the token in a file that "
         "only root can read:\n"
      << "  godwit-agent install --registry "
      << (enrollment.empty() ? "HOST:PORT" : Plain(enrollment)) << " --token-file FILE --ca-pin "
      << Plain(token.ca_pin()) << "\n";
  if (enrollment.empty()) out << "HOST:PORT is the registry's enrolment port (--enrollment).\n";
}

void PrintTokens(const registry::v1::ListTokensResponse& list, absl::Time now, std::ostream& out) {
  Table table({"TOKEN", "STATE", "USES", "CREATED", "EXPIRES", "TEMPLATE", "DESCRIPTION", "TAGS"});
  for (const Token& token : list.tokens()) {
    table.Row({ShortName(token.name()), TokenState(token, now),
               absl::StrCat(token.use_count(), "/", token.max_uses()), When(token.create_time()),
               When(token.expire_time()), TemplatesOf(token), OrDash(token.description()),
               OrDash(Tags(token.tags()))});
  }
  table.Print(out, "no tokens");
}

void PrintTasks(const conversion::v1::ListTasksResponse& list, std::ostream& out) {
  Table table({"TASK", "STATE", "MODE", "PROFILE", "CREATED", "TOOK", "CHANGES", "SYSTEM"});
  for (const ConversionTask& task : list.tasks()) {
    table.Row({ShortName(task.name()), EnumWord(task.state()), EnumWord(task.mode()),
               OrDash(task.target().profile()), When(task.create_time()), Took(task),
               absl::StrCat(task.changes_size()), OrDash(task.inspection().full_string())});
  }
  table.Print(out, "no conversion tasks");
}

void PrintTask(const ConversionTask& task, std::ostream& out) {
  Fields fields;
  fields.Add("Task", ShortName(task.name()));
  fields.Add("State", EnumWord(task.state()));
  fields.Add("Error", task.error().message());
  fields.Add("Mode", EnumWord(task.mode()));
  fields.Add("Profile", task.target().profile());
  fields.Add("Created", When(task.create_time()));
  fields.Add("Took", Took(task));
  fields.Add("Tries", absl::StrCat(task.attempt_count()));
  fields.Add("Appliance", task.appliance_version());
  fields.Print(out);
  if (task.has_inspection()) PrintInspection(task.inspection(), out);
  if (!task.findings().empty()) {
    out << "\nFindings\n";
    Table findings({"SEVERITY", "REASON", "MESSAGE", "REMEDY"});
    for (const auto& finding : task.findings()) {
      findings.Row({EnumWord(finding.severity()), finding.reason(), finding.message(),
                    OrDash(finding.remedy())});
    }
    findings.Print(out, "");
  }
  if (!task.changes().empty()) {
    out << "\nChanges\n";
    Table changes({"STEP", "PATH", "WHAT"});
    for (const auto& change : task.changes())
      changes.Row({change.step(), change.path(), change.summary()});
    changes.Print(out, "");
  }
  if (task.state() == ConversionTask::FAILED && !task.console_tail().empty()) {
    out << "\nLast lines of the appliance's console\n";
    for (std::size_t begin = 0; begin < task.console_tail().size();) {
      const std::size_t end =
          std::min(task.console_tail().find('\n', begin), task.console_tail().size());
      out << "  " << Plain(task.console_tail().substr(begin, end - begin)) << "\n";
      begin = end + 1;
    }
  }
}

void PrintProfiles(const conversion::v1::ListProfilesResponse& list, std::ostream& out) {
  Table table({"PROFILE", "DISK", "NETWORK", "DESCRIPTION"});
  for (const auto& profile : list.profiles()) {
    table.Row(
        {profile.name(), profile.disk_bus(), profile.nic_model(), OrDash(profile.description())});
  }
  table.Print(out, "no profiles");
}

}  // namespace godwit::cli
