#include "services/registry/rpc/export_inventory.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/csv.h"
#include "services/registry/domain/inventory.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/launch_columns.h"
#include "services/registry/storage/group_store.h"
#include "services/registry/storage/inventory_store.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

using storage::Group;
using storage::GroupKind;

constexpr int kPage = 500;
constexpr std::size_t kMostErrors = 1000;

using Cells = std::map<std::string, std::string>;  // by column

// The order of columns: of the place, of waves, applications, servers, launches; in each the id,
// the name, the description, the tags, the rest.
std::tuple<int, int, std::string> OrderOf(const std::string& column) {
  constexpr const char* kGroups[] = {"mgn:account-id", "mgn:region",  "mgn:wave:",     "mgn:app:",
                                     "mgn:server:",    "mgn:launch:", "godwit:launch:"};
  int group = 0;
  for (const char* prefix : kGroups) {
    if (absl::StartsWith(column, prefix)) break;
    ++group;
  }
  int place = 4;
  for (const InventoryKind kind :
       {InventoryKind::kWave, InventoryKind::kApplication, InventoryKind::kServer}) {
    if (column == IdColumn(kind)) place = 0;
    if (column == NameColumn(kind)) place = 1;
    if (column == DescriptionColumn(kind)) place = 2;
    if (absl::StartsWith(column, TagPrefix(kind))) place = 3;
  }
  return {group, place, column};
}

class Exporter {
 public:
  Exporter(pg::Connection& connection, const storage::Transfer& options)
      : connection_(connection), options_(options) {}

  absl::StatusOr<ExportedInventory> Run() {
    RETURN_IF_ERROR(ReadGroups(GroupKind::kWave, &waves_, &wave_order_));
    RETURN_IF_ERROR(ReadGroups(GroupKind::kApplication, &applications_, &application_order_));
    RETURN_IF_ERROR(AddServers());
    for (const std::string& id : application_order_) {
      if (shown_.contains(id)) continue;
      Cells row;
      RETURN_IF_ERROR(PutApplication(id, &row));
      Add(std::move(row));
    }
    for (const std::string& id : wave_order_) {
      if (shown_.contains(id)) continue;
      Cells row;
      RETURN_IF_ERROR(PutGroup(InventoryKind::kWave, waves_.at(id), &row));
      Add(std::move(row));
    }
    out_.waves = static_cast<std::int64_t>(waves_.size());
    out_.applications = static_cast<std::int64_t>(applications_.size());
    RETURN_IF_ERROR(Write());
    return std::move(out_);
  }

 private:
  absl::Status ReadGroups(GroupKind kind, std::map<std::string, Group>* into,
                          std::vector<std::string>* order) {
    std::map<std::string, int> names;
    storage::GroupQuery query{.after_time = absl::UnixEpoch(), .limit = kPage};
    while (true) {
      ASSIGN_OR_RETURN(const std::vector<Group> page,
                       storage::ListGroups(connection_, kind, query));
      for (const Group& group : page) {
        if (++names[group.display_name] == 2 && options_.without_ids) {
          Fault({.message =
                     absl::StrCat("several ", kind == GroupKind::kWave ? "waves" : "applications",
                                  " have the name \"", group.display_name,
                                  "\": without ids the file makes them one")});
        }
        into->emplace(group.id, group);
        order->push_back(group.id);
      }
      if (page.size() < kPage) return absl::OkStatus();
      query.after_time = page.back().create_time;
      query.after_id = page.back().id;
    }
  }

  absl::Status AddServers() {
    storage::ServerQuery query{.after_time = absl::UnixEpoch(), .limit = kPage};
    while (true) {
      ASSIGN_OR_RETURN(const std::vector<SourceServer> page,
                       storage::ListServers(connection_, query));
      std::vector<std::string> ids;
      for (const SourceServer& server : page) ids.push_back(server.id);
      ASSIGN_OR_RETURN(const storage::Notes notes, storage::NotesOf(connection_, ids));
      for (const SourceServer& server : page) {
        const auto found = notes.find(server.id);
        RETURN_IF_ERROR(AddServer(server, found == notes.end() ? Cells() : found->second));
      }
      if (page.size() < kPage) return absl::OkStatus();
      query.after_time = page.back().create_time;
      query.after_id = page.back().id;
    }
  }

  absl::Status AddServer(const SourceServer& server, const Cells& notes) {
    about_ = {.server = server.id};
    if (options_.without_ids && server.user_provided_id.empty()) {
      Fault({.message = "has no user-provided id, by which another installation would know it"});
      about_ = {};
      return absl::OkStatus();
    }
    ++out_.servers;
    Cells row;
    if (!options_.without_ids) row[IdColumn(InventoryKind::kServer)] = server.id;
    Put(kUserProvidedIdColumn, server.user_provided_id, &row);
    RETURN_IF_ERROR(PutTags(server.tags, TagPrefix(InventoryKind::kServer), &row));
    jobs_pb::LaunchSettings settings;
    RETURN_IF_ERROR(FromJson(server.launch_settings, &settings));
    for (const auto& [column, cell] : LaunchColumns(settings)) Put(column, cell, &row);
    for (const auto& [key, value] : settings.machine_tags()) {
      PutTag(absl::StrCat(kMachineTagPrefix, key), value, &row);
    }
    for (const auto& [column, value] : notes) Put(column, value, &row);
    pb::ServerNotes own;
    RETURN_IF_ERROR(FromJson(server.notes, &own));
    Put(kFqdnColumn, own.action_fqdn(), &row);
    Put(kPlatformColumn, own.platform(), &row);
    RETURN_IF_ERROR(PutApplication(server.application, &row));
    about_ = {};
    Add(std::move(row));
    return absl::OkStatus();
  }

  // With its wave. An archived one is not in the file.
  absl::Status PutApplication(const std::string& id, Cells* row) {
    const auto found = applications_.find(id);
    if (found == applications_.end()) return absl::OkStatus();
    RETURN_IF_ERROR(PutGroup(InventoryKind::kApplication, found->second, row));
    const auto wave = waves_.find(found->second.wave);
    if (wave == waves_.end()) return absl::OkStatus();
    return PutGroup(InventoryKind::kWave, wave->second, row);
  }

  absl::Status PutGroup(InventoryKind kind, const Group& group, Cells* row) {
    if (!options_.without_ids) (*row)[IdColumn(kind)] = group.id;
    Put(NameColumn(kind), group.display_name, row);
    if (!shown_.insert(group.id).second) return absl::OkStatus();
    Put(DescriptionColumn(kind), group.description, row);
    return PutTags(group.tags, TagPrefix(kind), row);
  }

  absl::Status PutTags(const std::string& json, const std::string& prefix, Cells* row) {
    Tags tags;
    RETURN_IF_ERROR(TagsFromJson(json, &tags));
    for (const auto& [key, value] : tags) PutTag(prefix + key, value, row);
    return absl::OkStatus();
  }

  // An empty cell would say nothing of the tag.
  void PutTag(const std::string& column, const std::string& value, Cells* row) {
    if (value.empty()) {
      (*row)[column] = kResetValue;
    } else {
      Put(column, value, row);
    }
  }

  void Put(const std::string& column, const std::string& value, Cells* row) {
    if (value.empty()) return;
    if (value == kResetValue || value == kDeleteTag || !IsCsvText(value) || !IsCsvText(column)) {
      Fault(
          {.message = absl::StrCat(column, ": an import would not take its value for what it is")});
      return;
    }
    (*row)[column] = value;
  }

  void Fault(storage::TransferError error) {
    if (out_.errors.size() >= kMostErrors) return;
    error.processing = true;
    error.server = about_.server;
    error.row_number = static_cast<std::int64_t>(rows_.size()) + 2;
    out_.errors.push_back(std::move(error));
  }

  void Add(Cells row) {
    if (!options_.account.empty()) row[kAccountColumn] = options_.account;
    if (!options_.region.empty()) row[kRegionColumn] = options_.region;
    for (const auto& [column, cell] : row) columns_.insert(column);
    rows_.push_back(std::move(row));
  }

  absl::Status Write() {
    // A file without servers has a heading all the same.
    columns_.insert({NameColumn(InventoryKind::kWave), NameColumn(InventoryKind::kApplication),
                     kUserProvidedIdColumn});
    std::vector<std::string> heading(columns_.begin(), columns_.end());
    std::sort(heading.begin(), heading.end(),
              [](const std::string& a, const std::string& b) { return OrderOf(a) < OrderOf(b); });
    const CsvLimits limits;
    if (heading.size() > limits.cells_of_record || rows_.size() + 1 > limits.records ||
        heading.size() * (rows_.size() + 1) > limits.cells) {
      return TooLarge(absl::StrCat(rows_.size(), " rows of ", heading.size(), " columns"));
    }
    AppendCsv(heading, &out_.content);
    for (const Cells& row : rows_) {
      std::vector<std::string> cells;
      for (const std::string& column : heading) {
        const auto found = row.find(column);
        cells.push_back(found == row.end() ? "" : found->second);
      }
      AppendCsv(cells, &out_.content);
      if (out_.content.size() > limits.bytes) {
        return TooLarge(absl::StrCat("more than ", limits.bytes, " bytes"));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status TooLarge(const std::string& what) {
    return absl::OutOfRangeError(absl::StrCat("the file would have ", what,
                                              ", more than an import takes; archive what is done"));
  }

  pg::Connection& connection_;
  const storage::Transfer& options_;
  std::map<std::string, Group> waves_, applications_;
  std::vector<std::string> wave_order_, application_order_;  // oldest first
  std::set<std::string> shown_;  // groups whose own columns are in a row already
  std::set<std::string> columns_;
  std::vector<Cells> rows_;
  storage::TransferError about_;
  ExportedInventory out_;
};

}  // namespace

absl::StatusOr<ExportedInventory> ExportInventory(pg::Connection& connection,
                                                  const storage::Transfer& options) {
  return Exporter(connection, options).Run();
}

}  // namespace godwit::registry
