#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "cli/call.h"
#include "cli/command.h"
#include "cli/launch_settings_options.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/settings_json.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using jobs::v1::LaunchSettings;
using registry::v1::SourceServerService;

struct Given {
  LaunchSettingsOptions settings;
  std::string json;

  void AddTo(Options& options) {
    settings.AddTo(options);
    options.String("json", &json, "FILE", "LaunchSettings as protobuf JSON; \"-\": standard input");
  }
  // Puts what was given on top of `wanted`; the paths that changed.
  absl::StatusOr<std::set<std::string>> Apply(const Options& options,
                                              LaunchSettings& wanted) const {
    std::set<std::string> paths;
    if (!json.empty()) {
      ASSIGN_OR_RETURN(paths, MergeJsonFile(json, wanted));
    }
    RETURN_IF_ERROR(settings.Apply(options, wanted, paths));
    return paths;
  }
};

absl::Status Print(Context& context, const LaunchSettings& settings) {
  if (context.json()) return PrintJson(context, settings);
  PrintLaunchSettings(settings, context.out());
  return absl::OkStatus();
}

absl::StatusOr<LaunchSettings> Read(Context& context, const std::string& server) {
  registry::v1::GetSettingsRequest request;
  request.set_name(server);
  return Call(context, &SourceServerService::Stub::GetLaunchSettings, request);
}

Command Get() {
  return {.words = "launch-settings get",
          .arguments = "SERVER",
          .purpose = "how a server is launched",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(const LaunchSettings settings, Read(context, server));
            return Print(context, settings);
          }};
}

Command Set() {
  auto given = std::make_shared<Given>();
  return {.words = "launch-settings set",
          .arguments = "SERVER",
          .purpose = "changes only what is given",
          .least = 1,
          .most = 1,
          .options = [given](Options& options) { given->AddTo(options); },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::UpdateLaunchSettingsRequest request;
            // What is wrong on the command line is said before anybody is asked.
            LaunchSettings scratch;
            if (given->json.empty()) {
              ASSIGN_OR_RETURN(const std::set<std::string> any, given->Apply(options, scratch));
              if (any.empty()) {
                return absl::InvalidArgumentError(
                    "nothing to change: `godwit launch-settings set --help` lists the options");
              }
            }
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(*request.mutable_settings(), Read(context, request.name()));
            ASSIGN_OR_RETURN(const std::set<std::string> paths,
                             given->Apply(options, *request.mutable_settings()));
            if (paths.empty())
              return absl::InvalidArgumentError("--json: the object has no fields");
            for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
            ASSIGN_OR_RETURN(
                const LaunchSettings settings,
                Call(context, &SourceServerService::Stub::UpdateLaunchSettings, request));
            return Print(context, settings);
          }};
}

}  // namespace

std::vector<Command> LaunchSettingsCommands() { return {Get(), Set()}; }

}  // namespace godwit::cli
