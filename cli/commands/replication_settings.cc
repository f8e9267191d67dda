#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/call.h"
#include "cli/command.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/replication_settings_options.h"
#include "cli/settings_json.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::ReplicationSettings;
using registry::v1::SourceServerService;

struct Given {
  ReplicationSettingsOptions settings;
  std::string json;

  void AddTo(Options& options) {
    settings.AddTo(options);
    options.String("json", &json, "FILE",
                   "ReplicationSettings as protobuf JSON; \"-\": standard input");
  }
  // Puts what was given into `wanted`; the paths that changed.
  absl::StatusOr<std::set<std::string>> Apply(const Options& options,
                                              ReplicationSettings& wanted) const {
    std::set<std::string> paths;
    if (!json.empty()) {
      ASSIGN_OR_RETURN(paths, MergeJsonFile(json, wanted));
    }
    RETURN_IF_ERROR(settings.Apply(options, wanted, paths));
    return paths;
  }
};

absl::Status Print(Context& context, const ReplicationSettings& settings) {
  if (context.json()) return PrintJson(context, settings);
  PrintReplicationSettings(settings, context.out());
  return absl::OkStatus();
}

Command Get() {
  return {.words = "replication settings get",
          .arguments = "SERVER",
          .purpose = "how a server is replicated",
          .least = 1,
          .most = 1,
          .run = [](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
            registry::v1::GetSettingsRequest request;
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const ReplicationSettings settings,
                Call(context, &SourceServerService::Stub::GetReplicationSettings, request));
            return Print(context, settings);
          }};
}

Command Set() {
  auto given = std::make_shared<Given>();
  return {.words = "replication settings set",
          .arguments = "SERVER",
          .purpose = "changes only what is given",
          .least = 1,
          .most = 1,
          .options = [given](Options& options) { given->AddTo(options); },
          .run = [given](Context& context, const Options& options,
                         const Arguments& arguments) -> absl::Status {
            registry::v1::UpdateReplicationSettingsRequest request;
            ASSIGN_OR_RETURN(const std::set<std::string> paths,
                             given->Apply(options, *request.mutable_settings()));
            if (paths.empty()) {
              return absl::InvalidArgumentError(
                  "nothing to change: `godwit replication settings set --help` lists the options");
            }
            for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
            ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(context, arguments[0]));
            ASSIGN_OR_RETURN(
                const ReplicationSettings settings,
                Call(context, &SourceServerService::Stub::UpdateReplicationSettings, request));
            return Print(context, settings);
          }};
}

}  // namespace

std::vector<Command> ReplicationSettingsCommands() { return {Get(), Set()}; }

}  // namespace godwit::cli
