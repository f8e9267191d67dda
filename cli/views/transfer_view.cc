#include "cli/views/transfer_view.h"

#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/output.h"
#include "godwit/registry/v1/connector_service.pb.h"
#include "godwit/registry/v1/transfer_service.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::ChangeCount;
using registry::v1::ExportTask;
using registry::v1::ImportTask;

std::string Changes(const ChangeCount& count) {
  return absl::StrCat(count.created_count(), " new, ", count.modified_count(), " changed");
}

template <typename Task>
std::string FileOf(const Task& task) {
  return task.has_file() ? absl::StrCat(task.file().bucket(), "/", task.file().key()) : "-";
}

}  // namespace

void PrintImport(const ImportTask& task, std::ostream& out) {
  Fields fields;
  fields.Add("import", ShortName(task.name()));
  fields.Add("state", EnumWord(task.state()));
  fields.Add("rows", absl::StrCat(task.done_row_count(), " of ", task.row_count()));
  fields.Add("waves", Changes(task.waves()));
  fields.Add("applications", Changes(task.applications()));
  fields.Add("servers", Changes(task.servers()));
  fields.Add("errors", absl::StrCat(task.error_count()));
  fields.Print(out);
}

void PrintExport(const ExportTask& task, std::ostream& out) {
  out << ShortName(task.name()) << ": " << task.wave_count() << " waves, "
      << task.application_count() << " applications, " << task.server_count() << " servers, "
      << Bytes(task.content_bytes()) << "\n";
}

void PrintImports(const registry::v1::ListImportsResponse& list, std::ostream& out) {
  Table table({"IMPORT", "STARTED", "STATE", "ROWS", "ERRORS", "FILE", "BY"});
  for (const ImportTask& task : list.imports()) {
    table.Row({ShortName(task.name()), When(task.create_time()), EnumWord(task.state()),
               absl::StrCat(task.done_row_count(), "/", task.row_count()),
               absl::StrCat(task.error_count()), FileOf(task), task.principal()});
  }
  table.Print(out, "no imports");
}

void PrintExports(const registry::v1::ListExportsResponse& list, std::ostream& out) {
  Table table({"EXPORT", "STARTED", "STATE", "SERVERS", "SIZE", "ERRORS", "FILE", "BY"});
  for (const ExportTask& task : list.exports()) {
    table.Row({ShortName(task.name()), When(task.create_time()), EnumWord(task.state()),
               absl::StrCat(task.server_count()), Bytes(task.content_bytes()),
               absl::StrCat(task.error_count()), FileOf(task), task.principal()});
  }
  table.Print(out, "no exports");
}

void PrintTransferErrors(const registry::v1::ListTransferErrorsResponse& list, std::ostream& out) {
  Table table({"ROW", "KIND", "ABOUT", "ERROR"});
  for (const auto& error : list.errors()) {
    const std::string& about = !error.source_server().empty() ? error.source_server()
                               : !error.application().empty() ? error.application()
                                                              : error.wave();
    table.Row({error.row_number() == 0 ? "-" : absl::StrCat(error.row_number()),
               EnumWord(error.type()), ShortName(about), error.message()});
  }
  table.Print(out, "no errors");
}

void PrintConnectors(const registry::v1::ListConnectorsResponse& list, std::ostream& out) {
  Table table({"CONNECTOR", "NAME", "INSTANCE", "MADE"});
  for (const auto& connector : list.connectors()) {
    table.Row({ShortName(connector.name()), connector.display_name(), connector.instance_id(),
               When(connector.create_time())});
  }
  table.Print(out, "no connectors");
}

}  // namespace godwit::cli
