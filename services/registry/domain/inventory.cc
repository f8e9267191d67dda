#include "services/registry/domain/inventory.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMostRow = 64u << 10;  // bytes of the cells of one row

struct KindInfo {
  const char* prefix;     // of columns
  const char* id_prefix;  // of ids
  const char* name;       // column that identifies besides the id
};
constexpr KindInfo kKinds[] = {{"mgn:wave:", "wave-", "name"},
                               {"mgn:app:", "app-", "name"},
                               {"mgn:server:", "s-", "user-provided-id"}};
const KindInfo& InfoOf(InventoryKind kind) { return kKinds[static_cast<int>(kind)]; }

bool IsNumber(absl::string_view text) {
  if (text.empty() || text.size() > 3) return false;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return true;
}

// "N:subnet-id", "N:private-ip:M" and so on.
bool IsNicColumn(absl::string_view rest) {
  const std::vector<absl::string_view> parts = absl::StrSplit(rest, ':');
  if (parts.size() < 2 || !IsNumber(parts[0])) return false;
  if (parts.size() == 2) return parts[1] == "network-interface-id" || parts[1] == "subnet-id";
  return parts.size() == 3 && IsNumber(parts[2]) &&
         (parts[1] == "private-ip" || parts[1] == "security-group-id");
}

// The resource that a column is about; none for the account and the region.
std::optional<InventoryKind> KindOf(absl::string_view column) {
  if (column == kAccountColumn || column == kRegionColumn) return std::nullopt;
  if (absl::StartsWith(column, PrefixOf(InventoryKind::kWave))) return InventoryKind::kWave;
  if (absl::StartsWith(column, PrefixOf(InventoryKind::kApplication))) {
    return InventoryKind::kApplication;
  }
  return InventoryKind::kServer;
}

bool IsTag(InventoryKind kind, absl::string_view column) {
  return absl::StartsWith(column, TagPrefix(kind)) || absl::StartsWith(column, kMachineTagPrefix);
}

bool IsKnown(absl::string_view column, const InventoryOptions& options) {
  if (column == kAccountColumn || column == kRegionColumn) return true;
  if (column == kPlatformColumn || column == kFqdnColumn) return true;
  for (const InventoryKind kind :
       {InventoryKind::kWave, InventoryKind::kApplication, InventoryKind::kServer}) {
    if (column == IdColumn(kind) || column == NameColumn(kind)) return true;
    if (kind != InventoryKind::kServer && column == DescriptionColumn(kind)) return true;
    if (absl::StartsWith(column, TagPrefix(kind)) && column.size() > TagPrefix(kind).size()) {
      return true;
    }
  }
  if (absl::StartsWith(column, kMachineTagPrefix)) {
    return column.size() > sizeof kMachineTagPrefix - 1;
  }
  return options.is_launch_setting(column) || IsNoteColumn(column);
}

absl::Status CheckHeading(const std::vector<std::string>& heading,
                          const InventoryOptions& options) {
  std::set<std::string> seen;
  for (const std::string& column : heading) {
    const std::string shown = column.substr(0, 128);
    if (absl::StartsWith(column, "mgn:replication:")) {
      return absl::InvalidArgumentError(
          absl::StrCat("column \"", shown, "\": replication settings are not imported"));
    }
    if (absl::StartsWith(column, "mgn:launch:post-actions:")) {
      return absl::InvalidArgumentError(
          absl::StrCat("column \"", shown, "\": post-launch actions are not imported"));
    }
    if (!IsKnown(column, options)) {
      return absl::InvalidArgumentError(
          absl::StrCat("column \"", shown, "\" is none of an inventory (docs/inventory.md)"));
    }
    if (!seen.insert(column).second) {
      return absl::InvalidArgumentError(absl::StrCat("column \"", shown, "\" is there twice"));
    }
  }
  return absl::OkStatus();
}

// Takes the rows one after the other and remembers what they said.
class Reader {
 public:
  Reader(const std::vector<std::string>& heading, const InventoryOptions& options)
      : heading_(heading), options_(options) {}

  InventoryRow Read(const CsvRecord& record) {
    InventoryRow row{.number = record.number};
    absl::Status status = Sort(record, &row);
    if (status.ok()) status = Check(row);
    if (status.ok()) {
      Remember(row);
    } else {
      row = {.number = record.number, .fault = std::string(status.message())};
    }
    return row;
  }

 private:
  // What the rows so far said of one resource.
  struct Known {
    std::map<std::string, std::string> values;  // with the name
    std::string parent;                         // key of its group
  };

  static std::string KeyOf(InventoryKind kind, const Mention& said) {
    if (said.empty()) return "";
    return said.id.empty() ? absl::StrCat(PrefixOf(kind), "n", said.name)
                           : absl::StrCat(PrefixOf(kind), "i", said.id);
  }

  static Mention& MentionOf(InventoryKind kind, InventoryRow* row) {
    return kind == InventoryKind::kWave          ? row->wave
           : kind == InventoryKind::kApplication ? row->application
                                                 : row->server;
  }

  // The cells of the row by what they are about.
  absl::Status Sort(const CsvRecord& record, InventoryRow* row) const {
    if (record.cells.size() != heading_.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has ", record.cells.size(), " cells where the heading has ", heading_.size()));
    }
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < heading_.size(); ++i) {
      const std::string& cell = record.cells[i];
      if (cell.empty()) continue;
      bytes += cell.size();
      RETURN_IF_ERROR(SortCell(heading_[i], cell, row));
    }
    if (bytes <= kMostRow) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("has more than ", kMostRow, " bytes"));
  }

  absl::Status SortCell(const std::string& column, const std::string& cell,
                        InventoryRow* row) const {
    const std::optional<InventoryKind> kind = KindOf(column);
    if (!kind) {
      const std::string& wanted = column == kAccountColumn ? options_.account : options_.region;
      if (wanted.empty() || cell == wanted) return absl::OkStatus();
      return absl::InvalidArgumentError(
          absl::StrCat(column, ": is \"", cell.substr(0, 64), "\"; this is ", wanted));
    }
    Mention& mention = MentionOf(*kind, row);
    const bool id = column == IdColumn(*kind), name = column == NameColumn(*kind);
    if ((id || name) && (cell == kResetValue || cell == kDeleteTag)) {
      return absl::InvalidArgumentError(absl::StrCat(column, ": cannot be reset"));
    }
    if (cell == kDeleteTag && !IsTag(*kind, column)) {
      return absl::InvalidArgumentError(absl::StrCat(column, ": is no tag"));
    }
    (id ? mention.id : name ? mention.name : mention.values[column]) = cell;
    return absl::OkStatus();
  }

  absl::Status Check(const InventoryRow& row) const {
    RETURN_IF_ERROR(CheckMention(InventoryKind::kWave, row.wave));
    RETURN_IF_ERROR(CheckMention(InventoryKind::kApplication, row.application));
    RETURN_IF_ERROR(CheckMention(InventoryKind::kServer, row.server));
    if (row.wave.empty() && row.application.empty() && row.server.empty()) {
      return absl::InvalidArgumentError("names no wave, no application and no server");
    }
    if (!row.wave.empty() && !row.server.empty() && row.application.empty()) {
      return absl::InvalidArgumentError(
          "a wave and a server in one row need the application between them: mgn:app:name");
    }
    const std::string wave = KeyOf(InventoryKind::kWave, row.wave);
    const std::string application = KeyOf(InventoryKind::kApplication, row.application);
    if (SaidOtherwise(application, wave)) {
      return absl::InvalidArgumentError("an earlier row puts this application into another wave");
    }
    if (SaidOtherwise(KeyOf(InventoryKind::kServer, row.server), application)) {
      return absl::InvalidArgumentError("an earlier row puts this server into another application");
    }
    return absl::OkStatus();
  }

  // It is identified, and no earlier row gave it other values.
  absl::Status CheckMention(InventoryKind kind, const Mention& said) const {
    if (said.empty()) {
      if (said.values.empty()) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat(said.values.begin()->first, " needs ",
                                                     NameColumn(kind), " or ", IdColumn(kind),
                                                     " in the same row"));
    }
    if (!said.id.empty()) {
      RETURN_IF_ERROR(CheckId(IdColumn(kind), InfoOf(kind).id_prefix, said.id));
    }
    const auto known = known_.find(KeyOf(kind, said));
    if (known == known_.end()) return absl::OkStatus();
    for (const auto& [column, value] : ValuesOf(kind, said)) {
      const auto before = known->second.values.find(column);
      if (before != known->second.values.end() && before->second != value) {
        return absl::InvalidArgumentError(
            absl::StrCat(column, ": an earlier row has another value"));
      }
    }
    return absl::OkStatus();
  }

  static std::map<std::string, std::string> ValuesOf(InventoryKind kind, const Mention& said) {
    std::map<std::string, std::string> values = said.values;
    if (!said.name.empty()) values[NameColumn(kind)] = said.name;
    return values;
  }

  bool SaidOtherwise(const std::string& member, const std::string& group) const {
    if (member.empty() || group.empty()) return false;
    const auto known = known_.find(member);
    return known != known_.end() && !known->second.parent.empty() && known->second.parent != group;
  }

  void Remember(const InventoryRow& row) {
    std::string group;
    for (const auto& [kind, said] : {std::pair{InventoryKind::kWave, &row.wave},
                                     {InventoryKind::kApplication, &row.application},
                                     {InventoryKind::kServer, &row.server}}) {
      const std::string key = KeyOf(kind, *said);
      if (!key.empty()) {
        Known& known = known_[key];
        known.values.merge(ValuesOf(kind, *said));
        if (!group.empty()) known.parent = group;
      }
      group = key;
    }
  }

  const std::vector<std::string>& heading_;
  const InventoryOptions& options_;
  std::map<std::string, Known> known_;
};

}  // namespace

const char* PrefixOf(InventoryKind kind) { return InfoOf(kind).prefix; }
std::string IdColumn(InventoryKind kind) { return absl::StrCat(PrefixOf(kind), "id"); }
std::string NameColumn(InventoryKind kind) {
  return absl::StrCat(PrefixOf(kind), InfoOf(kind).name);
}
std::string DescriptionColumn(InventoryKind kind) {
  return absl::StrCat(PrefixOf(kind), "description");
}
std::string TagPrefix(InventoryKind kind) { return absl::StrCat(PrefixOf(kind), "tag:"); }

bool IsNoteColumn(absl::string_view name) {
  if (name.size() > 300) return false;
  if (!absl::ConsumePrefix(&name, "mgn:launch:")) return false;
  if (absl::ConsumePrefix(&name, "nic:")) return IsNicColumn(name);
  if (absl::ConsumePrefix(&name, "volume:")) {
    return absl::ConsumeSuffix(&name, ":type") && !name.empty();
  }
  return name == "iam-instance-profile:name" || name == "instance-type" || name == "map-tag-key" ||
         name == "map-tag-value" || name == "map-tagging" || name == "placement:host-id" ||
         name == "placement:tenancy";
}

absl::StatusOr<std::vector<InventoryRow>> ReadInventory(const std::vector<CsvRecord>& records,
                                                        const InventoryOptions& options) {
  if (records.empty()) return absl::InvalidArgumentError("the file has no heading");
  const std::vector<std::string>& heading = records[0].cells;
  RETURN_IF_ERROR(CheckHeading(heading, options));
  Reader reader(heading, options);
  std::vector<InventoryRow> rows;
  for (std::size_t i = 1; i < records.size(); ++i) rows.push_back(reader.Read(records[i]));
  return rows;
}

}  // namespace godwit::registry
