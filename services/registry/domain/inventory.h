// An inventory file: its columns, and what its rows say about waves, applications and servers.
// Pure. docs/inventory.md describes the format.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/registry/domain/csv.h"

namespace godwit::registry {

// Cells that are instructions: the value becomes empty, the tag goes.
inline constexpr char kResetValue[] = "[RESET_VALUE]";
inline constexpr char kDeleteTag[] = "[DELETE_TAG]";

// The columns that name things; the others are named by their prefix and a key.
inline constexpr char kAccountColumn[] = "mgn:account-id";
inline constexpr char kRegionColumn[] = "mgn:region";
inline constexpr char kUserProvidedIdColumn[] = "mgn:server:user-provided-id";
inline constexpr char kPlatformColumn[] = "mgn:server:platform";
inline constexpr char kFqdnColumn[] = "mgn:server:fqdn-for-action-framework";
inline constexpr char kMachineTagPrefix[] = "mgn:launch:tag:instance:";

enum class InventoryKind { kWave, kApplication, kServer };
// "mgn:wave:", "mgn:app:", "mgn:server:"
const char* PrefixOf(InventoryKind kind);
// PrefixOf + "id" and so on.
std::string IdColumn(InventoryKind kind);
std::string NameColumn(InventoryKind kind);  // of servers the user-provided id
std::string DescriptionColumn(InventoryKind kind);
std::string TagPrefix(InventoryKind kind);

// Columns with a meaning in AWS alone: kept with the server, without effect.
bool IsNoteColumn(absl::string_view name);

// One wave, application or server as one row describes it.
struct Mention {
  std::string id;    // "app-..."; empty: the name identifies it
  std::string name;  // or user-provided id; with an id what it is to become, or empty
  std::map<std::string, std::string> values;  // by column, without empty cells and what is above

  bool empty() const { return id.empty() && name.empty(); }
};

struct InventoryRow {
  std::int64_t number = 0;
  std::string fault;  // what is wrong with it; empty: nothing
  // An application belongs to the wave beside it, a server to the application.
  Mention wave, application, server;
};

struct InventoryOptions {
  std::string account, region;  // what rows must say when they say something; empty: anything
  // Whether a column is a launch setting (which the caller knows how to set).
  std::function<bool(absl::string_view)> is_launch_setting;
};

// INVALID_ARGUMENT: the heading is missing or names what cannot be imported. What is wrong with
// single rows is told with them: among others that an earlier row that is right says otherwise of
// the same wave, application or server. All rows below the heading, in their order.
absl::StatusOr<std::vector<InventoryRow>> ReadInventory(const std::vector<CsvRecord>& records,
                                                        const InventoryOptions& options);

}  // namespace godwit::registry
