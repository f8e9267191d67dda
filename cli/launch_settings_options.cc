#include "cli/launch_settings_options.h"

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/launch_options.h"
#include "services/common/base/status_macros.h"
#include "services/common/image/formats.h"

namespace godwit::cli {

using jobs::v1::BootProof;
using jobs::v1::LaunchSettings;

namespace {

bool IsNone(const std::vector<std::string>& texts) {
  return texts == std::vector<std::string>{"none"};
}

}  // namespace

void LaunchSettingsOptions::AddTo(Options& options) {
  options.String("target", &target_, "NAME", "launch target");
  options.String("profile", &profile_, "NAME",
                 "conversion profile; `godwit conversion profiles` lists them");
  options.String("machine-name", &machine_name_, "NAME", "name of the machine");
  options.String("boot-mode", &boot_mode_, "MODE", "use-source, legacy-bios or uefi");
  options.String("disposition", &disposition_, "WORD", "started or stopped");
  options.String("right-sizing", &right_sizing_, "WORD", "none, basic or in-use");
  options.Int("cpus", &cpus_, 0, 512, "virtual CPUs; 0: right-sizing chooses");
  options.String("memory", &memory_, "SIZE", "memory; 0: right-sizing chooses");
  options.String("licensing", &licensing_, "WORD", "byol or provided");
  options.String("disk-bus", &disk_bus_, "BUS",
                 "virtio, virtio-scsi, nvme, ahci or pvscsi; empty: what the conversion chose");
  options.String("export-format", &export_format_, image::ImageFormatNames(),
                 "what target export writes; empty: qcow2");
  options.String("licensing-note", &licensing_note_, "TEXT", "kept with the machine");
  options.Strings("machine-tag", &machine_tags_, "KEY=VALUE",
                  "tag of the machine; replaces them all; \"none\" removes them");
  options.Bool("copy-tags", &copy_tags_, "carry the server's tags over");
  options.Bool("copy-private-ip", &copy_private_ip_, "keep the source's private addresses");
  options.String("test-network", &test_network_, "NETWORK", "isolated, user or bridge");
  options.String("cutover-network", &cutover_network_, "NETWORK", "isolated, user or bridge");
  options.Strings("port-forward", &port_forwards_, "GUEST[:HOST[:ADDRESS]]",
                  "replaces the list; \"none\" empties it");
  options.Duration("boot-timeout", &boot_timeout_, "longest wait for the boot proof");
  options.String("boot-console-text", &console_text_, "TEXT",
                 "must appear on the serial console; empty: no such check");
  options.Strings("boot-tcp", &boot_tcp_, "PORT",
                  "guest port that must accept connections; \"none\" empties the list");
  options.Strings("boot-http", &boot_http_, "PORT/PATH[,status=N][,contains=TEXT]",
                  "page that must be served; \"none\" empties the list");
  options.Bool("boot-agent", &boot_agent_, "the QEMU guest agent must answer");
  options.Strings("boot-command", &boot_commands_, "COMMAND",
                  "must succeed in the machine, run by its guest agent; \"none\" empties the list");
  options.Bool("quiesce", &quiesce_,
               "run the source's quiesce hooks before the final cut of a cutover");
  options.Bool("windows-allow-unclean", &allow_unclean_,
               "convert a Windows that was not shut down in order; its newest changes may be lost");
}

absl::Status LaunchSettingsOptions::ApplyWords(const Options& options, LaunchSettings& settings,
                                               std::set<std::string>& paths) const {
  struct Word {
    const char* option;
    const char* field;
    const std::string& text;
  };
  const auto* type = LaunchSettings::descriptor();
  const auto* reflection = LaunchSettings::GetReflection();
  for (const Word& word : {Word{"target", "target", target_}, Word{"profile", "profile", profile_},
                           Word{"machine-name", "machine_name", machine_name_},
                           Word{"disk-bus", "disk_bus", disk_bus_},
                           Word{"export-format", "export_format", export_format_},
                           Word{"licensing-note", "licensing_note", licensing_note_}}) {
    if (!options.Given(word.option)) continue;
    reflection->SetString(&settings, type->FindFieldByName(word.field), word.text);
    paths.insert(word.field);
  }
  for (const Word& word : {Word{"boot-mode", "boot_mode", boot_mode_},
                           Word{"disposition", "disposition", disposition_},
                           Word{"right-sizing", "right_sizing", right_sizing_},
                           Word{"licensing", "licensing", licensing_},
                           Word{"test-network", "test_network", test_network_},
                           Word{"cutover-network", "cutover_network", cutover_network_}}) {
    if (!options.Given(word.option)) continue;
    const auto* field = type->FindFieldByName(word.field);
    ASSIGN_OR_RETURN(const int value, ParseEnum(word.option, field->enum_type(), word.text));
    reflection->SetEnumValue(&settings, field, value);
    paths.insert(word.field);
  }
  return absl::OkStatus();
}

absl::Status LaunchSettingsOptions::ApplyProof(const Options& options, BootProof& proof) const {
  if (options.Given("boot-timeout")) *proof.mutable_timeout() = FromDuration(boot_timeout_);
  if (options.Given("boot-console-text")) proof.set_console_text(console_text_);
  if (options.Given("boot-tcp")) {
    proof.clear_tcp_ports();
    for (const std::string& text : IsNone(boot_tcp_) ? Texts() : boot_tcp_) {
      ASSIGN_OR_RETURN(const int port, ParsePort("--boot-tcp", text));
      proof.add_tcp_ports(port);
    }
  }
  if (options.Given("boot-agent")) proof.set_guest_agent(boot_agent_);
  if (options.Given("boot-command")) {
    proof.clear_commands();
    for (const std::string& text : IsNone(boot_commands_) ? Texts() : boot_commands_)
      proof.add_commands()->set_command(text);
  }
  if (options.Given("boot-http")) {
    proof.clear_http_checks();
    for (const std::string& text : IsNone(boot_http_) ? Texts() : boot_http_) {
      ASSIGN_OR_RETURN(*proof.add_http_checks(), ParseHttpCheck(text));
    }
  }
  return absl::OkStatus();
}

absl::Status LaunchSettingsOptions::Apply(const Options& options, LaunchSettings& settings,
                                          std::set<std::string>& paths) const {
  RETURN_IF_ERROR(ApplyWords(options, settings, paths));
  const auto is_given = [&](absl::string_view option, const char* path) {
    if (options.Given(option)) paths.insert(path);
    return options.Given(option);
  };
  if (is_given("cpus", "cpu_count")) settings.set_cpu_count(static_cast<int>(cpus_));
  if (is_given("memory", "memory_bytes")) {
    ASSIGN_OR_RETURN(const std::int64_t bytes, ParseBytes("memory", memory_));
    settings.set_memory_bytes(bytes);
  }
  if (is_given("copy-tags", "copy_tags")) settings.set_copy_tags(copy_tags_);
  if (is_given("copy-private-ip", "copy_private_ip"))
    settings.set_copy_private_ip(copy_private_ip_);
  if (is_given("quiesce", "quiesce_source_on_cutover"))
    settings.set_quiesce_source_on_cutover(quiesce_);
  if (is_given("windows-allow-unclean", "windows_allow_unclean"))
    settings.set_windows_allow_unclean(allow_unclean_);
  if (is_given("port-forward", "port_forwards")) {
    settings.clear_port_forwards();
    for (const std::string& text : IsNone(port_forwards_) ? Texts() : port_forwards_) {
      ASSIGN_OR_RETURN(*settings.add_port_forwards(), ParsePortForward(text));
    }
  }
  if (is_given("machine-tag", "machine_tags")) {
    settings.clear_machine_tags();
    for (const std::string& text : IsNone(machine_tags_) ? Texts() : machine_tags_) {
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
  return absl::OkStatus();
}

}  // namespace godwit::cli
