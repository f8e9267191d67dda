#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/errors.h"
#include "cli/output.h"
#include "cli/plan/fleet_state.h"
#include "cli/plan/plan_apply.h"
#include "cli/plan/plan_diff.h"
#include "cli/plan/plan_export.h"
#include "cli/plan/plan_file.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

struct Compared {
  FleetState state;
  std::vector<Change> changes;
};

// Reads the file, the fleet, and the settings that the file speaks of.
absl::StatusOr<Compared> Compare(Context& context, const std::string& path) {
  YamlFile file(path == "-" ? "standard input" : path);
  ASSIGN_OR_RETURN(const std::string text, ReadPlanText(path));
  ASSIGN_OR_RETURN(const PlanFile plan, ParsePlan(file, text));
  Compared out;
  ASSIGN_OR_RETURN(out.state, ReadFleet(context));
  ASSIGN_OR_RETURN(const ResolvedPlan resolved, Resolve(file, plan, out.state));
  for (const ResolvedApplication& application : resolved.applications) {
    for (const auto& [server, settings] : application.servers) {
      if (!settings.launch_fields.empty()) {
        RETURN_IF_ERROR(ReadLaunchSettings(context, server, out.state));
      }
      if (!settings.replication_fields.empty()) {
        RETURN_IF_ERROR(ReadReplicationSettings(context, server, out.state));
      }
    }
  }
  out.changes = Diff(plan, resolved, out.state);
  return out;
}

void PrintLines(Context& context, const Change& change) {
  if (context.json()) return;
  for (const std::string& line : change.lines) context.out() << line << std::endl;
}

// What there is to say when the lines were printed; all of them as JSON.
void PrintSummary(Context& context, const std::vector<Change>& changes, const char* what) {
  nlohmann::json lines = nlohmann::json::array();
  for (const Change& change : changes) {
    for (const std::string& line : change.lines) lines.push_back(line);
  }
  if (context.json()) {
    nlohmann::json out;
    out["changes"] = lines;
    context.out() << out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  } else if (lines.empty()) {
    context.out() << "no changes" << std::endl;
  } else {
    context.out() << lines.size() << (lines.size() == 1 ? " change " : " changes ") << what
                  << std::endl;
  }
}

Command DiffCommand() {
  return {.words = "diff",
          .arguments = "FILE",
          .purpose = "what `apply FILE` would change; ends with 0 (nothing), 2 (something) or 1",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            const absl::StatusOr<Compared> compared = Compare(context, arguments[0]);
            // 2 says that there are differences: a wrong file must end otherwise.
            if (absl::IsInvalidArgument(compared.status())) {
              return OperationFailed(compared.status().message());
            }
            RETURN_IF_ERROR(compared);
            for (const Change& change : compared->changes) PrintLines(context, change);
            PrintSummary(context, compared->changes, "to make");
            return compared->changes.empty() ? absl::OkStatus() : Differs();
          }};
}

Command ApplyCommand() {
  return {.words = "apply",
          .arguments = "FILE",
          .purpose = "makes waves, applications, servers and settings as a plan file says",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const Compared compared, Compare(context, arguments[0]));
            std::size_t made = 0;
            const absl::Status applied =
                ApplyChanges(context, compared.state, compared.changes, [&](const Change& change) {
                  ++made;
                  PrintLines(context, change);
                });
            if (!applied.ok()) {
              return Annotate(applied, absl::StrCat(made, " of ", compared.changes.size(),
                                                    " steps were made; `apply` again goes on"));
            }
            PrintSummary(context, compared.changes, "made");
            return absl::OkStatus();
          }};
}

Command ExportCommand() {
  return {.words = "export-plan",
          .purpose = "waves, applications, servers and settings as they are, as a plan file",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(FleetState state, ReadFleet(context));
            for (const auto& server : state.servers) {
              if (server.application().empty()) continue;
              RETURN_IF_ERROR(ReadLaunchSettings(context, server.name(), state));
              RETURN_IF_ERROR(ReadReplicationSettings(context, server.name(), state));
            }
            context.out() << ExportPlan(state);
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> PlanCommands() { return {DiffCommand(), ApplyCommand(), ExportCommand()}; }

}  // namespace godwit::cli
