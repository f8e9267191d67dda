// Inventory files: what is read is within the limits, is written back the same, and every row is
// either wrong or names something.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "services/common/base/check.h"
#include "services/registry/domain/csv.h"
#include "services/registry/domain/inventory.h"

namespace {

using namespace godwit::registry;

constexpr CsvLimits kLimits = {
    .bytes = 4096, .records = 64, .cells_of_record = 32, .cells = 512, .cell_bytes = 256};

void CheckInventory(const std::vector<CsvRecord>& records) {
  const auto inventory =
      ReadInventory(records, {.account = "1", .is_launch_setting = [](absl::string_view name) {
                                return absl::StartsWith(name, "godwit:launch:");
                              }});
  if (!inventory.ok()) {
    GODWIT_CHECK(!inventory.status().message().empty());
    return;
  }
  GODWIT_CHECK(inventory->size() + 1 == records.size());
  for (const InventoryRow& row : *inventory) {
    const bool names = !row.wave.empty() || !row.application.empty() || !row.server.empty();
    GODWIT_CHECK(names == row.fault.empty());
    for (const Mention* mention : {&row.wave, &row.application, &row.server}) {
      GODWIT_CHECK(!mention->empty() || mention->values.empty());
      for (const auto& [column, value] : mention->values) GODWIT_CHECK(!value.empty());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  std::int64_t wrong = -1;
  const auto records = ParseCsv(text, kLimits, &wrong);
  if (!records.ok()) {
    GODWIT_CHECK(wrong >= 0 && !records.status().message().empty());
    return 0;
  }
  GODWIT_CHECK(wrong == 0 && records->size() <= kLimits.records);
  std::string again;
  for (const CsvRecord& record : *records) {
    GODWIT_CHECK(record.cells.size() <= kLimits.cells_of_record);
    for (const std::string& cell : record.cells) {
      GODWIT_CHECK(cell.size() <= kLimits.cell_bytes && IsCsvText(cell));
    }
    AppendCsv(record.cells, &again);
  }
  if (!absl::StartsWith(again, "\xef\xbb\xbf")) {
    const auto back = ParseCsv(again);
    GODWIT_CHECK(back.ok() && back->size() == records->size());
    for (std::size_t i = 0; i < back->size(); ++i) {
      GODWIT_CHECK((*back)[i].cells == (*records)[i].cells);
    }
  }
  CheckInventory(*records);
  return 0;
}
