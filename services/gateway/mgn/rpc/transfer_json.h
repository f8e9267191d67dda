// Imports and exports as the MGN API shows them.
#pragma once

#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"

namespace godwit::registry::v1 {
class ExportTask;
class ImportTask;
class TransferError;
}  // namespace godwit::registry::v1

namespace godwit::gateway::mgn {

nlohmann::json ImportTaskJson(const registry::v1::ImportTask& task, const Place& place);
nlohmann::json ExportTaskJson(const registry::v1::ExportTask& task, const Place& place);
nlohmann::json ImportErrorJson(const registry::v1::TransferError& error);
nlohmann::json ExportErrorJson(const registry::v1::TransferError& error);

}  // namespace godwit::gateway::mgn
