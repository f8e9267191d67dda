#include "cli/commands/template_changes.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/call.h"
#include "cli/launch_settings_options.h"
#include "cli/names.h"
#include "cli/replication_settings_options.h"
#include "cli/settings_json.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/settings.grpc.pb.h"
#include "services/common/base/ids.h"

namespace godwit::cli {
namespace {

using registry::v1::SettingsTemplate;
using registry::v1::SettingsTemplateService;
using Paths = std::set<std::string>;

// What both commands take.
struct Given {
  ReplicationSettingsOptions replication;
  LaunchSettingsOptions launch;
  std::vector<std::string> tags;
  std::string json, from;

  void AddTo(Options& options) {
    replication.AddTo(options);
    launch.AddTo(options);
    options.Strings("tag", &tags, "K=V", "tag that new servers get; \"K-\" takes it out");
    options.String("json", &json, "FILE",
                   "SettingsTemplate as protobuf JSON, as `templates get --output json` prints it; "
                   "\"-\": standard input");
  }
  // Puts what was given on top of `wanted`; the paths that changed.
  absl::StatusOr<Paths> Apply(const Options& options, SettingsTemplate& wanted) const;
};

absl::StatusOr<Paths> Given::Apply(const Options& options, SettingsTemplate& wanted) const {
  Paths paths;
  if (!json.empty()) {
    const std::string name = wanted.name();
    ASSIGN_OR_RETURN(paths, MergeJsonFile(json, wanted));
    // Whose JSON it was; an etag in it is the one that must still be true.
    wanted.set_name(name);
    paths.erase("name");
    paths.erase("etag");
  }
  Paths of_replication, of_launch;
  RETURN_IF_ERROR(replication.Apply(options, *wanted.mutable_replication(), of_replication));
  RETURN_IF_ERROR(launch.Apply(options, *wanted.mutable_launch(), of_launch));
  if (!of_replication.empty()) paths.insert("replication");
  if (!of_launch.empty()) paths.insert("launch");
  RETURN_IF_ERROR(ChangeTags(tags, wanted.mutable_tags()));
  if (!tags.empty()) paths.insert("tags");
  return paths;
}

absl::StatusOr<SettingsTemplate> Read(Context& context, const std::string& name) {
  registry::v1::GetSettingsTemplateRequest request;
  request.set_name(name);
  return Call(context, &SettingsTemplateService::Stub::GetSettingsTemplate, request);
}

}  // namespace

Command CreateTemplate() {
  auto given = std::make_shared<Given>();
  return {.words = "templates create",
          .arguments = "TEMPLATE",
          .purpose = "for installation tokens to name: 1 to 64 of a-z, 0-9 and dash",
          .least = 1,
          .most = 1,
          .options =
              [given](Options& options) {
                options.String("from", &given->from, "TEMPLATE",
                               "begin with its settings and tags, instead of none");
                given->AddTo(options);
              },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::CreateSettingsTemplateRequest request;
            request.set_request_id(NewUuid());
            const std::string name = TemplateName(arguments[0]);
            request.set_template_id(std::string(absl::StripPrefix(name, TemplateName(""))));
            SettingsTemplate& wanted = *request.mutable_template_();
            if (!given->from.empty()) {
              ASSIGN_OR_RETURN(wanted, Read(context, TemplateName(given->from)));
              wanted.clear_replication_tags();
              wanted.clear_launch_tags();
            }
            RETURN_IF_ERROR(given->Apply(options, wanted).status());
            wanted.clear_name();
            wanted.clear_etag();
            ASSIGN_OR_RETURN(
                const SettingsTemplate made,
                Call(context, &SettingsTemplateService::Stub::CreateSettingsTemplate, request));
            return PrintTemplate(context, made);
          }};
}

Command UpdateTemplate() {
  auto given = std::make_shared<Given>();
  return {
      .words = "templates update",
      .arguments = "TEMPLATE",
      .purpose = "changes only what is given, for servers that enrol from then on",
      .least = 1,
      .most = 1,
      .options = [given](Options& options) { given->AddTo(options); },
      .run = [given](Context& context, const Options& options,
                     const Arguments& arguments) -> absl::Status {
        // What is wrong on the command line is said before anybody is asked.
        SettingsTemplate scratch;
        if (given->json.empty()) {
          ASSIGN_OR_RETURN(const Paths any, given->Apply(options, scratch));
          if (any.empty()) {
            return absl::InvalidArgumentError(
                "nothing to change: `godwit templates update --help` lists the options");
          }
        }
        // With the etag that was read: settings that somebody changes meanwhile stay.
        registry::v1::UpdateSettingsTemplateRequest request;
        ASSIGN_OR_RETURN(*request.mutable_template_(), Read(context, TemplateName(arguments[0])));
        ASSIGN_OR_RETURN(const Paths paths, given->Apply(options, *request.mutable_template_()));
        if (paths.empty()) return absl::InvalidArgumentError("--json: the object has no fields");
        for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
        ASSIGN_OR_RETURN(
            const SettingsTemplate changed,
            Call(context, &SettingsTemplateService::Stub::UpdateSettingsTemplate, request));
        return PrintTemplate(context, changed);
      }};
}

}  // namespace godwit::cli
