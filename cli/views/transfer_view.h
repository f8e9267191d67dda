// Imports, exports and connectors for people.
#pragma once

#include <iosfwd>

namespace godwit::registry::v1 {
class ExportTask;
class ImportTask;
class ListConnectorsResponse;
class ListExportsResponse;
class ListImportsResponse;
class ListTransferErrorsResponse;
}  // namespace godwit::registry::v1

namespace godwit::cli {

void PrintImport(const registry::v1::ImportTask& task, std::ostream& out);
void PrintExport(const registry::v1::ExportTask& task, std::ostream& out);
void PrintImports(const registry::v1::ListImportsResponse& list, std::ostream& out);
void PrintExports(const registry::v1::ListExportsResponse& list, std::ostream& out);
void PrintTransferErrors(const registry::v1::ListTransferErrorsResponse& list, std::ostream& out);
void PrintConnectors(const registry::v1::ListConnectorsResponse& list, std::ostream& out);

}  // namespace godwit::cli
