#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/launch_options.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/settings_json.h"
#include "cli/views/settings_view.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/image/formats.h"

namespace godwit::cli {
namespace {

using jobs::v1::BootProof;
using jobs::v1::LaunchSettings;
using registry::v1::SourceServerService;
using Texts = std::vector<std::string>;

struct Given {
  std::string target, profile, machine_name, boot_mode, disposition, right_sizing, memory,
      licensing;
  std::string test_network, cutover_network, console_text, json, disk_bus, licensing_note;
  std::string export_format;
  std::int64_t cpus = 0;
  bool copy_tags = false, copy_private_ip = false, quiesce = false, boot_agent = false,
       allow_unclean = false;
  Texts port_forwards, boot_tcp, boot_http, boot_commands, machine_tags;
  absl::Duration boot_timeout;

  void AddTo(Options& options);
  // Puts what was given on top of `settings`, as they are now; the paths that changed.
  absl::StatusOr<std::set<std::string>> Apply(const Options& options,
                                              LaunchSettings& settings) const;
  absl::Status ApplyWords(const Options& options, LaunchSettings& settings,
                          std::set<std::string>& paths) const;
  absl::Status ApplyProof(const Options& options, BootProof& proof) const;
};

void Given::AddTo(Options& options) {
  options.String("target", &target, "NAME", "launch target");
  options.String("profile", &profile, "NAME",
                 "conversion profile; `godwit conversion profiles` lists them");
  options.String("machine-name", &machine_name, "NAME", "name of the machine");
  options.String("boot-mode", &boot_mode, "MODE", "use-source, legacy-bios or uefi");
  options.String("disposition", &disposition, "WORD", "started or stopped");
  options.String("right-sizing", &right_sizing, "WORD", "none, basic or in-use");
  options.Int("cpus", &cpus, 0, 512, "virtual CPUs; 0: right-sizing chooses");
  options.String("memory", &memory, "SIZE", "memory; 0: right-sizing chooses");
  options.String("licensing", &licensing, "WORD", "byol or provided");
  options.String("disk-bus", &disk_bus, "BUS",
                 "virtio, virtio-scsi, nvme, ahci or pvscsi; empty: what the conversion chose");
  options.String("export-format", &export_format, image::ImageFormatNames(),
                 "what target export writes; empty: qcow2");
  options.String("licensing-note", &licensing_note, "TEXT", "kept with the machine");
  options.Strings("machine-tag", &machine_tags, "KEY=VALUE",
                  "tag of the machine; replaces them all; \"none\" removes them");
  options.Bool("copy-tags", &copy_tags, "carry the server's tags over");
  options.Bool("copy-private-ip", &copy_private_ip, "keep the source's private addresses");
  options.String("test-network", &test_network, "NETWORK", "isolated, user or bridge");
  options.String("cutover-network", &cutover_network, "NETWORK", "isolated, user or bridge");
  options.Strings("port-forward", &port_forwards, "GUEST[:HOST[:ADDRESS]]",
                  "replaces the list; \"none\" empties it");
  options.Duration("boot-timeout", &boot_timeout, "longest wait for the boot proof");
  options.String("boot-console-text", &console_text, "TEXT",
                 "must appear on the serial console; empty: no such check");
  options.Strings("boot-tcp", &boot_tcp, "PORT",
                  "guest port that must accept connections; \"none\" empties the list");
  options.Strings("boot-http", &boot_http, "PORT/PATH[,status=N][,contains=TEXT]",
                  "page that must be served; \"none\" empties the list");
  options.Bool("boot-agent", &boot_agent, "the QEMU guest agent must answer");
  options.Strings("boot-command", &boot_commands, "COMMAND",
                  "must succeed in the machine, run by its guest agent; \"none\" empties the list");
  options.Bool("quiesce", &quiesce,
               "run the source's quiesce hooks before the final cut of a cutover");
  options.Bool("windows-allow-unclean", &allow_unclean,
               "convert a Windows that was not shut down in order; its newest changes may be lost");
  options.String("json", &json, "FILE", "LaunchSettings as protobuf JSON; \"-\": standard input");
}

bool IsNone(const Texts& texts) { return texts == Texts{"none"}; }

absl::Status Given::ApplyWords(const Options& options, LaunchSettings& settings,
                               std::set<std::string>& paths) const {
  struct Word {
    const char* option;
    const char* field;
    const std::string& text;
  };
  const auto* type = LaunchSettings::descriptor();
  const auto* reflection = LaunchSettings::GetReflection();
  for (const Word& word :
       {Word{"target", "target", target}, Word{"profile", "profile", profile},
        Word{"machine-name", "machine_name", machine_name}, Word{"disk-bus", "disk_bus", disk_bus},
        Word{"export-format", "export_format", export_format},
        Word{"licensing-note", "licensing_note", licensing_note}}) {
    if (!options.Given(word.option)) continue;
    reflection->SetString(&settings, type->FindFieldByName(word.field), word.text);
    paths.insert(word.field);
  }
  for (const Word& word :
       {Word{"boot-mode", "boot_mode", boot_mode}, Word{"disposition", "disposition", disposition},
        Word{"right-sizing", "right_sizing", right_sizing},
        Word{"licensing", "licensing", licensing},
        Word{"test-network", "test_network", test_network},
        Word{"cutover-network", "cutover_network", cutover_network}}) {
    if (!options.Given(word.option)) continue;
    const auto* field = type->FindFieldByName(word.field);
    ASSIGN_OR_RETURN(const int value, ParseEnum(word.option, field->enum_type(), word.text));
    reflection->SetEnumValue(&settings, field, value);
    paths.insert(word.field);
  }
  return absl::OkStatus();
}

absl::Status Given::ApplyProof(const Options& options, BootProof& proof) const {
  if (options.Given("boot-timeout")) *proof.mutable_timeout() = FromDuration(boot_timeout);
  if (options.Given("boot-console-text")) proof.set_console_text(console_text);
  if (options.Given("boot-tcp")) {
    proof.clear_tcp_ports();
    for (const std::string& text : IsNone(boot_tcp) ? Texts() : boot_tcp) {
      ASSIGN_OR_RETURN(const int port, ParsePort("--boot-tcp", text));
      proof.add_tcp_ports(port);
    }
  }
  if (options.Given("boot-agent")) proof.set_guest_agent(boot_agent);
  if (options.Given("boot-command")) {
    proof.clear_commands();
    for (const std::string& text : IsNone(boot_commands) ? Texts() : boot_commands)
      proof.add_commands()->set_command(text);
  }
  if (options.Given("boot-http")) {
    proof.clear_http_checks();
    for (const std::string& text : IsNone(boot_http) ? Texts() : boot_http) {
      ASSIGN_OR_RETURN(*proof.add_http_checks(), ParseHttpCheck(text));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<std::string>> Given::Apply(const Options& options,
                                                   LaunchSettings& settings) const {
  std::set<std::string> paths;
  if (!json.empty()) {
    ASSIGN_OR_RETURN(paths, MergeJsonFile(json, settings));
  }
  RETURN_IF_ERROR(ApplyWords(options, settings, paths));
  const auto is_given = [&](absl::string_view option, const char* path) {
    if (options.Given(option)) paths.insert(path);
    return options.Given(option);
  };
  if (is_given("cpus", "cpu_count")) settings.set_cpu_count(static_cast<int>(cpus));
  if (is_given("memory", "memory_bytes")) {
    ASSIGN_OR_RETURN(const std::int64_t bytes, ParseBytes("memory", memory));
    settings.set_memory_bytes(bytes);
  }
  if (is_given("copy-tags", "copy_tags")) settings.set_copy_tags(copy_tags);
  if (is_given("copy-private-ip", "copy_private_ip")) settings.set_copy_private_ip(copy_private_ip);
  if (is_given("quiesce", "quiesce_source_on_cutover"))
    settings.set_quiesce_source_on_cutover(quiesce);
  if (is_given("windows-allow-unclean", "windows_allow_unclean"))
    settings.set_windows_allow_unclean(allow_unclean);
  if (is_given("port-forward", "port_forwards")) {
    settings.clear_port_forwards();
    for (const std::string& text : IsNone(port_forwards) ? Texts() : port_forwards) {
      ASSIGN_OR_RETURN(*settings.add_port_forwards(), ParsePortForward(text));
    }
  }
  if (is_given("machine-tag", "machine_tags")) {
    settings.clear_machine_tags();
    for (const std::string& text : IsNone(machine_tags) ? Texts() : machine_tags) {
      const std::size_t equals = text.find('=');
      if (equals == 0 || equals == std::string::npos)
        return absl::InvalidArgumentError(
            absl::StrCat("--machine-tag: ", text, " is no KEY=VALUE"));
      (*settings.mutable_machine_tags())[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (const char* option : {"boot-timeout", "boot-console-text", "boot-tcp", "boot-http",
                             "boot-agent", "boot-command"}) {
    is_given(option, "boot_proof");
  }
  if (paths.contains("boot_proof"))
    RETURN_IF_ERROR(ApplyProof(options, *settings.mutable_boot_proof()));
  return paths;
}

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
