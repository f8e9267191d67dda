// scopes.
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/group_names.h"
#include "cli/output.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::Scope;
using registry::v1::ScopeService;

// "KEY" or "KEY=VALUE"; the key ends at the first "=".
void AddTag(const std::string& text, Scope* scope) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  registry::v1::TagSelector* tag = scope->add_tags();
  tag->set_key(parts.first);
  if (parts.first.size() != text.size()) tag->set_value(parts.second);
}

std::string TagsOf(const Scope& scope) {
  return absl::StrJoin(scope.tags(), " ", [](std::string* out, const auto& tag) {
    absl::StrAppend(out, tag.key(), tag.has_value() ? "=" : "", tag.value());
  });
}

Command Set() {
  struct Wanted {
    std::vector<std::string> applications, waves, tags;
    std::string description;
  };
  auto wanted = std::make_shared<Wanted>();
  return {.words = "scopes set",
          .arguments = "PRINCIPAL",
          .purpose = "limits an operator or viewer to applications, waves and servers by tag",
          .least = 1,
          .most = 1,
          .options =
              [wanted](Options& options) {
                options.Strings("application", &wanted->applications, "APP",
                                "with its servers; by id, name or display name");
                options.Strings("wave", &wanted->waves, "WAVE",
                                "with its applications and their servers");
                options.Strings("tag", &wanted->tags, "KEY[=VALUE]", "servers that have this tag");
                options.String("description", &wanted->description, "TEXT", "for people");
              },
          .run = [wanted](Context& context, const Options&,
                          const Arguments& arguments) -> absl::Status {
            registry::v1::SetScopeRequest request;
            request.set_request_id(NewUuid());
            Scope& scope = *request.mutable_scope();
            scope.set_principal(arguments[0]);
            for (const std::string& text : wanted->applications) {
              ASSIGN_OR_RETURN(*scope.add_applications(), AnyApplicationName(context, text));
            }
            for (const std::string& text : wanted->waves) {
              ASSIGN_OR_RETURN(*scope.add_waves(), WaveName(context, text));
            }
            for (const std::string& text : wanted->tags) AddTag(text, &scope);
            scope.set_description(wanted->description);
            ASSIGN_OR_RETURN(const Scope made,
                             Call(context, &ScopeService::Stub::SetScope, request));
            if (context.json()) return PrintJson(context, made);
            context.out() << Plain(made.principal()) << " is limited" << std::endl;
            return absl::OkStatus();
          }};
}

Command Remove() {
  return {.words = "scopes remove",
          .arguments = "PRINCIPAL",
          .purpose = "the user sees everything again",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::DeleteScopeRequest request;
            request.set_principal(arguments[0]);
            ASSIGN_OR_RETURN(const auto removed,
                             Call(context, &ScopeService::Stub::DeleteScope, request));
            if (context.json()) return PrintJson(context, removed);
            context.out() << Plain(request.principal()) << " is not limited any more" << std::endl;
            return absl::OkStatus();
          }};
}

Command List() {
  return {
      .words = "scopes list",
      .arguments = "[PRINCIPAL]",
      .purpose = "users who are limited, and to what",
      .most = 1,
      .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        registry::v1::ListScopesRequest request;
        if (!arguments.empty()) request.set_principal(arguments[0]);
        ASSIGN_OR_RETURN(const auto list,
                         CallAllPages(context, &ScopeService::Stub::ListScopes, request));
        if (context.json()) return PrintJson(context, list);
        Table table({"USER", "APPLICATIONS", "WAVES", "TAGS", "SINCE", "BY", "DESCRIPTION"});
        const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
        for (const Scope& scope : list.scopes()) {
          table.Row({scope.principal(), or_dash(absl::StrJoin(scope.applications(), " ")),
                     or_dash(absl::StrJoin(scope.waves(), " ")), or_dash(TagsOf(scope)),
                     When(scope.update_time()), scope.changed_by(), or_dash(scope.description())});
        }
        table.Print(context.out(), "nobody is limited");
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> ScopeCommands() { return {Set(), Remove(), List()}; }

}  // namespace godwit::cli
