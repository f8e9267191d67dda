// templates.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/commands/template_changes.h"
#include "cli/format.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/views/server_view.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/settings.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::SettingsTemplate;
using registry::v1::SettingsTemplateService;

Command List() {
  return {.words = "templates list",
          .purpose = "what new servers start with: \"default\", or what their token names",
          .run = [](Context& context, const Options&, const Arguments&) -> absl::Status {
            ASSIGN_OR_RETURN(
                const auto list,
                CallAllPages(context, &SettingsTemplateService::Stub::ListSettingsTemplates,
                             registry::v1::ListSettingsTemplatesRequest()));
            if (context.json()) return PrintJson(context, list);
            Table table({"TEMPLATE", "TARGET", "ACTIONS", "TAGS OF SERVERS"});
            for (const SettingsTemplate& one : list.templates()) {
              const std::string& target = one.launch().target();
              table.Row({ShortName(one.name()), target.empty() ? "qemu" : target,
                         absl::StrCat(one.launch().post_launch_actions_size()),
                         one.tags().empty() ? "-" : Tags(one.tags())});
            }
            table.Print(context.out(), "there are none");
            return absl::OkStatus();
          }};
}

Command Get() {
  return {.words = "templates get",
          .arguments = "TEMPLATE",
          .purpose = "the settings that a template holds",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::GetSettingsTemplateRequest request;
            request.set_name(TemplateName(arguments[0]));
            ASSIGN_OR_RETURN(
                const SettingsTemplate one,
                Call(context, &SettingsTemplateService::Stub::GetSettingsTemplate, request));
            return PrintTemplate(context, one);
          }};
}

Command Delete() {
  return {.words = "templates delete",
          .arguments = "TEMPLATE",
          .purpose = "servers keep what they have of it",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteSettingsTemplateRequest request;
            request.set_name(TemplateName(arguments[0]));
            ASSIGN_OR_RETURN(
                const auto gone,
                Call(context, &SettingsTemplateService::Stub::DeleteSettingsTemplate, request));
            if (context.json()) return PrintJson(context, gone);
            context.out() << Plain(arguments[0]) << " deleted" << std::endl;
            return absl::OkStatus();
          }};
}

}  // namespace

std::vector<Command> TemplateCommands() {
  return {List(), Get(), CreateTemplate(), UpdateTemplate(), Delete()};
}

}  // namespace godwit::cli
