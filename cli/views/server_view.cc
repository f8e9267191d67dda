#include "cli/views/server_view.h"

#include <map>
#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/format.h"

namespace godwit::cli {
namespace {

using registry::v1::LaunchRecord;
using registry::v1::SourceProperties;
using registry::v1::SourceServer;

std::string Since(absl::string_view state, const google::protobuf::Timestamp& time) {
  return time.seconds() == 0 ? std::string(state) : absl::StrCat(state, " since ", When(time));
}

std::string Hardware(const SourceProperties& properties) {
  std::vector<std::string> parts;
  int cores = 0;
  for (const auto& cpu : properties.cpus()) cores += cpu.core_count();
  if (cores > 0) {
    const std::string& model = properties.cpus(0).model_name();
    parts.push_back(absl::StrCat(cores, cores == 1 ? " CPU" : " CPUs",
                                 model.empty() ? "" : absl::StrCat(" (", model, ")")));
  }
  if (properties.ram_bytes() > 0)
    parts.push_back(absl::StrCat(Bytes(properties.ram_bytes()), " memory"));
  if (!properties.boot_mode().empty()) parts.push_back(properties.boot_mode());
  if (!properties.platform().empty()) parts.push_back(properties.platform());
  return absl::StrJoin(parts, ", ");
}

std::string MeasuredUse(const SourceProperties& properties) {
  if (!properties.has_use()) return "";
  const auto& use = properties.use();
  return absl::StrCat(
      absl::StrFormat(
          "%.2f cores in the mean, %.2f 95 %% of the time, at most %.2f; memory %s 95 %% "
          "of the time, at most %s; %d minutes since ",
          use.mean_cores(), use.p95_cores(), use.peak_cores(), Bytes(use.p95_memory_bytes()),
          Bytes(use.peak_memory_bytes()), use.sample_count()),
      When(use.start_time()));
}

std::string System(const registry::v1::OperatingSystem& os) {
  std::vector<std::string> parts;
  if (!os.full_string().empty()) parts.push_back(os.full_string());
  if (!os.kernel().empty()) parts.push_back(absl::StrCat("kernel ", os.kernel()));
  if (!os.architecture().empty()) parts.push_back(os.architecture());
  return absl::StrJoin(parts, ", ");
}

std::string Launch(const LaunchRecord& record) {
  if (record.job().empty()) return "";
  std::string out = absl::StrCat(ShortName(record.job()), " of ", When(record.initiate_time()));
  if (record.has_finalize_time())
    absl::StrAppend(&out, ", finalized ", When(record.finalize_time()));
  if (record.has_revert_time()) absl::StrAppend(&out, ", reverted ", When(record.revert_time()));
  return out;
}

void PrintDisks(const SourceProperties& properties, std::ostream& out) {
  if (properties.disks().empty()) return;
  out << "\nDisks of the source\n";
  Table table({"DEVICE", "SIZE", "BOOT", "REPLICATED", "TRACKER", "MODEL"});
  for (const auto& disk : properties.disks()) {
    table.Row({disk.device_name(), Bytes(disk.size_bytes()), disk.is_boot_disk() ? "yes" : "no",
               disk.replicated() ? "yes" : "no", disk.tracker().empty() ? "-" : disk.tracker(),
               disk.model().empty() ? "-" : disk.model()});
  }
  table.Print(out, "");
}

}  // namespace

std::string HostName(const SourceServer& server) {
  if (!server.properties().hostname().empty()) return server.properties().hostname();
  return server.user_provided_id().empty() ? "-" : server.user_provided_id();
}

std::string Endpoints(const jobs::v1::LaunchedMachine& machine) {
  const std::map<int, std::string> sorted(machine.endpoints().begin(), machine.endpoints().end());
  return absl::StrJoin(sorted, ", ", absl::PairFormatter(" -> "));
}

std::string Tags(const google::protobuf::Map<std::string, std::string>& tags) {
  const std::map<std::string, std::string> sorted(tags.begin(), tags.end());
  return absl::StrJoin(sorted, ", ", absl::PairFormatter("="));
}

void AddMachine(const jobs::v1::LaunchedMachine& machine, Fields& fields) {
  fields.Add("Machine", absl::StrCat(machine.machine_id(), " on ", machine.target(), " (",
                                     EnumWord(machine.purpose()), ", launched ",
                                     When(machine.launch_time()), ")"));
  fields.Add("First boot", absl::StrCat(EnumWord(machine.first_boot()),
                                        machine.accelerator().empty() ? "" : ", accelerator ",
                                        machine.accelerator()));
  fields.Add("Reached at", Endpoints(machine));
  fields.Add("Console log", machine.console_log());
  fields.Add("Folder", machine.folder());
  for (const std::string& proof : machine.proof()) fields.Add("Boot proof", proof);
}

void PrintServers(const registry::v1::ListSourceServersResponse& list, std::ostream& out) {
  Table table({"SERVER", "HOST", "STATE", "SINCE", "LAUNCH", "OPERATING SYSTEM"});
  for (const SourceServer& server : list.source_servers()) {
    const std::string& os = server.properties().os().full_string();
    table.Row(
        {ShortName(server.name()), HostName(server),
         absl::StrCat(EnumWord(server.lifecycle_state()), server.archived() ? " (archived)" : ""),
         When(server.state_time()), EnumWord(server.launch_status()), os.empty() ? "-" : os});
  }
  table.Print(out, "no servers");
}

void PrintServer(const SourceServer& server, std::ostream& out) {
  const SourceProperties& properties = server.properties();
  Fields fields;
  fields.Add("Server", ShortName(server.name()));
  fields.Add("Host name", properties.fqdn().empty() || properties.fqdn() == properties.hostname()
                              ? properties.hostname()
                              : absl::StrCat(properties.hostname(), " (", properties.fqdn(), ")"));
  fields.Add("Own id", server.user_provided_id());
  fields.Add("State", Since(absl::StrCat(EnumWord(server.lifecycle_state()),
                                         server.archived() ? " (archived)" : ""),
                            server.state_time()));
  fields.Add("Operating system", System(properties.os()));
  fields.Add("Hardware", Hardware(properties));
  fields.Add("Measured use", MeasuredUse(properties));
  for (const auto& nic : properties.network_interfaces()) {
    fields.Add("Network",
               absl::StrCat(nic.name(), " ", nic.mac_address(), nic.addresses().empty() ? "" : " ",
                            absl::StrJoin(nic.addresses(), ", ")));
  }
  fields.Add("Agent", properties.agent_version().empty()
                          ? ""
                          : absl::StrCat(properties.agent_version(), ", enrolled ",
                                         When(server.enroll_time())));
  fields.Add("Identity", server.identity_revoked() ? "revoked" : "");
  fields.Add("Application", server.application().empty() ? "" : ShortName(server.application()));
  fields.Add("Tags", Tags(server.tags()));
  fields.Add("Last test", Launch(server.last_test()));
  fields.Add("Last cutover", Launch(server.last_cutover()));
  if (server.launch_status() != 0) fields.Add("Launch", EnumWord(server.launch_status()));
  if (server.has_launched_machine()) AddMachine(server.launched_machine(), fields);
  fields.Print(out);
  PrintDisks(properties, out);
}

std::string ServerLine(const SourceServer& server) {
  const std::string host = HostName(server);
  return Plain(absl::StrCat(
      ShortName(server.name()), host == "-" ? "" : absl::StrCat(" (", host, ")"), ": ",
      EnumWord(server.lifecycle_state()), server.archived() ? ", archived" : "",
      server.launch_status() != 0 ? absl::StrCat(", launch ", EnumWord(server.launch_status()))
                                  : ""));
}

void PrintHistory(const registry::v1::ListServerHistoryResponse& history, std::ostream& out) {
  Table table({"TIME", "STATE", "EVENT", "BY"});
  for (const auto& entry : history.entries()) {
    table.Row({When(entry.time()), EnumWord(entry.lifecycle_state()), entry.event(),
               entry.principal().empty() ? "-" : entry.principal()});
  }
  table.Print(out, "no history");
}

}  // namespace godwit::cli
