#include "services/registry/domain/csv.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace godwit::registry {
namespace {

unsigned char At(absl::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// Length of the character at `i`; 0 when it is none, or a control character but tab, CR and LF.
std::size_t CharacterAt(absl::string_view text, std::size_t i) {
  const unsigned char first = At(text, i);
  if (first < 0x80) {
    const bool control = (first < 0x20 && first != '\t' && first != '\n' && first != '\r');
    return control || first == 0x7f ? 0 : 1;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || i + length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((At(text, i + k) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = At(text, i + 1);
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

class Reader {
 public:
  Reader(absl::string_view text, const CsvLimits& limits) : text_(text), limits_(limits) {}
  std::int64_t number() const { return number_; }

  absl::StatusOr<std::vector<CsvRecord>> Read() {
    if (text_.size() > limits_.bytes)
      return Wrong(absl::StrCat("more than ", limits_.bytes, " bytes"));
    absl::ConsumePrefix(&text_, "\xef\xbb\xbf");
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      ++number_;
      CsvRecord record{.number = number_};
      const absl::Status status = ReadRecord(&record.cells);
      if (!status.ok()) return status;
      if (record.cells.size() == 1 && record.cells[0].empty()) continue;
      if (records.size() == limits_.records) {
        return Wrong(absl::StrCat("more than ", limits_.records, " records"));
      }
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(number_ == 0 ? std::string(what)
                                                   : absl::StrCat("row ", number_, ": ", what));
  }

  absl::Status ReadRecord(std::vector<std::string>* cells) {
    while (true) {
      if (cells->size() == limits_.cells_of_record) {
        return Wrong(absl::StrCat("more than ", limits_.cells_of_record, " cells"));
      }
      if (++cells_ > limits_.cells)
        return Wrong(absl::StrCat("more than ", limits_.cells, " cells in the file"));
      cells->emplace_back();
      const bool quoted = at_ < text_.size() && text_[at_] == '"';
      const absl::Status status = quoted ? ReadQuoted(&cells->back()) : ReadPlain(&cells->back());
      if (!status.ok()) return status;
      if (at_ == text_.size()) return absl::OkStatus();
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (text_.substr(at_, 2) == "\r\n") {
        at_ += 2;
        return absl::OkStatus();
      }
      if (text_[at_] == '\n') {
        ++at_;
        return absl::OkStatus();
      }
      return Wrong(text_[at_] == '\r' ? "a carriage return without line feed"
                                      : "text behind the closing quote of a cell");
    }
  }

  // Appends the character at at_ and passes it.
  absl::Status Take(std::string* cell) {
    const std::size_t length = CharacterAt(text_, at_);
    if (length == 0) return Wrong("a control character, or bytes that are not UTF-8");
    if (cell->size() + length > limits_.cell_bytes) {
      return Wrong(absl::StrCat("a cell of more than ", limits_.cell_bytes, " bytes"));
    }
    cell->append(text_.data() + at_, length);
    at_ += length;
    return absl::OkStatus();
  }

  // Up to the comma, the line end or the end of the file.
  absl::Status ReadPlain(std::string* cell) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ',' || c == '\r' || c == '\n') break;
      if (c == '"') return Wrong("a quote within a cell that has none around it; double it");
      const absl::Status status = Take(cell);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(std::string* cell) {
    ++at_;
    while (at_ < text_.size()) {
      if (text_[at_] == '"') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '"') return absl::OkStatus();
      }
      const absl::Status status = Take(cell);
      if (!status.ok()) return status;
    }
    return Wrong("a quote that is not closed");
  }

  absl::string_view text_;
  const CsvLimits limits_;
  std::size_t at_ = 0, cells_ = 0;
  std::int64_t number_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ParseCsv(absl::string_view text, const CsvLimits& limits,
                                                std::int64_t* wrong) {
  Reader reader(text, limits);
  absl::StatusOr<std::vector<CsvRecord>> records = reader.Read();
  if (wrong != nullptr) *wrong = records.ok() ? 0 : reader.number();
  return records;
}

void AppendCsv(const std::vector<std::string>& cells, std::string* out) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out->push_back(',');
    if (cells[i].find_first_of(",\"\r\n") == std::string::npos) {
      out->append(cells[i]);
      continue;
    }
    out->push_back('"');
    for (const char c : cells[i]) {
      if (c == '"') out->push_back('"');
      out->push_back(c);
    }
    out->push_back('"');
  }
  out->append("\r\n");
}

bool IsCsvText(absl::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = CharacterAt(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

}  // namespace godwit::registry
