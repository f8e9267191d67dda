// CSV files of strangers, as RFC 4180 has them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::registry {

struct CsvLimits {
  std::size_t bytes = 16u << 20;
  std::size_t records = 50'001;  // the heading is one
  std::size_t cells_of_record = 512;
  std::size_t cells = 2'000'000;
  std::size_t cell_bytes = 4096;
};

struct CsvRecord {
  std::int64_t number = 0;  // in the file, from 1; a cell may hold line ends
  std::vector<std::string> cells;
};

// Cells are data: nothing in them is taken for a formula or a command.
//
// Records end with CRLF or LF, the last one also with the end of the file; empty lines are passed
// over, but count. A byte order mark at the beginning is passed over. INVALID_ARGUMENT with the
// number of the record: a quote within or behind the text of a cell, one that is not closed, a
// lone carriage return, control characters but tab and, in quotes, line ends, anything that is not
// UTF-8, more than a limit.
// `wrong`, unless null, is the number of that record (0: the file as a whole, or nothing is wrong).
absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text,
                                                const CsvLimits& limits = {},
                                                std::int64_t* wrong = nullptr);

// A record with its CRLF; cells are quoted where they have to be. ParseCsv reads back the same
// cells, when they hold what it lets through and are not a single empty one.
void AppendCsv(const std::vector<std::string>& cells, std::string* out);

// Whether `text` is UTF-8 without control characters but tab and line ends.
bool IsCsvText(absl::string_view text);

}  // namespace godwit::registry
