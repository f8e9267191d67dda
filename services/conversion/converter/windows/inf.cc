#include "services/conversion/converter/windows/inf.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kMaxIds = 512;
constexpr std::size_t kMaxFiles = 64;
constexpr std::size_t kMaxServiceValues = 128;

const char* ArchitectureSuffix(const Version& version) {
  return version.architecture == "x86_64" ? "amd64"
         : version.architecture == "i386" ? "x86"
                                          : "arm64";
}

std::string At(const InfLine& line, std::size_t i) {
  return i < line.values.size() ? line.values[i] : "";
}

std::uint32_t Number(const std::string& text, std::uint32_t fallback) {
  std::uint32_t number = 0;
  if (absl::StartsWithIgnoreCase(text, "0x")) {
    return absl::SimpleHexAtoi(text, &number) ? number : fallback;
  }
  return absl::SimpleAtoi(text, &number) ? number : fallback;
}

// Name of a file without folders or what could lead to one; "" when it is none.
std::string FileName(absl::string_view text) {
  const std::size_t slash = text.find_last_of("\\/");
  if (slash != absl::string_view::npos) text = text.substr(slash + 1);
  if (text.empty() || text == "." || text == ".." || text.size() > 255) return "";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_isalnum(byte) && c != '.' && c != '_' && c != '-' && c != ' ') return "";
  }
  return std::string(text);
}

bool IsServiceName(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

// The section "name" for this system: with the decoration of its architecture, of any, or none.
std::string Decorated(const InfText& text, const std::string& name, const std::string& tail,
                      const Version& version) {
  for (const std::string& suffix :
       {absl::StrCat(".NT", ArchitectureSuffix(version)), std::string(".NT"), std::string()}) {
    if (text.Has(absl::StrCat(name, suffix, tail))) return absl::StrCat(name, suffix, tail);
  }
  return "";
}

// Sections of models that fit best, over all manufacturers.
std::vector<std::string> ModelSections(const InfText& text, const Version& version) {
  std::vector<std::string> sections;
  for (const InfLine& line : text.Section("manufacturer")) {
    const std::string name = line.values.empty() ? line.key : line.values[0];
    std::string best;
    std::int64_t best_rank = -1;
    for (std::size_t i = 1; i < line.values.size(); ++i) {
      const auto rank = RankDecoration(line.values[i], version);
      if (rank && *rank > best_rank) {
        best_rank = *rank;
        best = absl::StrCat(name, ".", line.values[i]);
      }
    }
    // Without decoration it is for 32-bit systems.
    if (best.empty() && line.values.size() <= 1 && version.architecture == "i386") best = name;
    if (!best.empty()) sections.push_back(best);
  }
  return sections;
}

std::vector<InfServiceValue> ServiceValues(const InfText& text, const std::string& sections) {
  std::vector<InfServiceValue> values;
  for (const absl::string_view name : absl::StrSplit(sections, ',')) {
    for (const InfLine& line : text.Section(absl::StripAsciiWhitespace(name))) {
      if (!absl::EqualsIgnoreCase(At(line, 0), "HKR") || values.size() >= kMaxServiceValues)
        continue;
      const std::uint32_t flags = Number(At(line, 3), 0);
      constexpr std::uint32_t kKeyOnly = 0x10, kDelete = 0x4;
      if ((flags & kDelete) != 0 || (flags & kKeyOnly) != 0) continue;
      InfServiceValue value{.subkey = At(line, 1), .name = At(line, 2)};
      switch (flags & 0xffff0001u) {
        case 0x00000000:
          value.type = 1;
          break;
        case 0x00010000:
          value.type = 7;
          break;
        case 0x00020000:
          value.type = 2;
          break;
        case 0x00000001:
          value.type = 3;
          break;
        case 0x00010001:
          value.type = 4;
          break;
        default:
          continue;
      }
      for (std::size_t i = 4; i < line.values.size(); ++i) value.data.push_back(line.values[i]);
      values.push_back(std::move(value));
    }
  }
  return values;
}

std::string Joined(const InfText& text, const std::string& section, absl::string_view key) {
  std::string all;
  for (const InfLine& line : text.Section(section)) {
    if (!absl::EqualsIgnoreCase(line.key, key)) continue;
    for (const std::string& value : line.values)
      absl::StrAppend(&all, all.empty() ? "" : ",", value);
  }
  return all;
}

std::optional<InfService> ReadService(const InfText& text, const std::string& install,
                                      const Version& version) {
  const std::string section = Decorated(text, install, ".Services", version);
  for (const InfLine& line : text.Section(section)) {
    constexpr std::uint32_t kOfTheDevice = 2;
    if (!absl::EqualsIgnoreCase(line.key, "AddService") || line.values.size() < 3) continue;
    if ((Number(At(line, 1), 0) & kOfTheDevice) == 0 || !IsServiceName(line.values[0])) continue;
    const std::string& values = line.values[2];
    InfService service{.name = line.values[0],
                       .type = Number(text.Value(values, "ServiceType"), 1),
                       .start = Number(text.Value(values, "StartType"), 3),
                       .error_control = Number(text.Value(values, "ErrorControl"), 1),
                       .binary = FileName(text.Value(values, "ServiceBinary")),
                       .group = text.Value(values, "LoadOrderGroup"),
                       .values = ServiceValues(text, Joined(text, values, "AddReg"))};
    if (!service.binary.empty()) return service;
  }
  return std::nullopt;
}

void AddFile(const std::string& name, std::set<std::string>* files) {
  if (const std::string file = FileName(name); !file.empty() && files->size() < kMaxFiles) {
    files->insert(file);
  }
}

}  // namespace

bool DriverInf::IsStorage() const {
  return absl::EqualsIgnoreCase(class_name, "SCSIAdapter") ||
         absl::EqualsIgnoreCase(class_name, "HDC");
}

std::optional<std::int64_t> RankDecoration(const std::string& decoration, const Version& version) {
  // NT[architecture][.[major][.[minor][.[product type][.[suite][.[build]]]]]]
  std::vector<std::string> parts = absl::StrSplit(absl::AsciiStrToLower(decoration), '.');
  absl::string_view architecture = parts[0];
  if (!absl::ConsumePrefix(&architecture, "nt")) return std::nullopt;
  if (architecture.empty() ? version.architecture != "i386"
                           : architecture != ArchitectureSuffix(version)) {
    return std::nullopt;
  }
  parts.resize(6);
  const auto number = [&](std::size_t i) {
    return static_cast<int>(Number(parts[i], 0) & 0xffffff);
  };
  const int major = number(1), minor = number(2), product = number(3), build = number(5);
  if (major > version.major || (major == version.major && minor > version.minor))
    return std::nullopt;
  if (major == version.major && minor == version.minor && build > version.build)
    return std::nullopt;
  if (product != 0 && (product == 1) == version.server) return std::nullopt;
  return ((std::int64_t{major} * 1000 + minor) << 32) + (std::int64_t{build} << 2) +
         (product != 0 ? 2 : 0) + (architecture.empty() ? 0 : 1);
}

absl::StatusOr<DriverInf> ReadDriverInf(const InfText& text, const Version& version) {
  DriverInf inf{.class_name = text.Value("version", "Class"),
                .class_guid = absl::AsciiStrToUpper(text.Value("version", "ClassGuid")),
                .provider = text.Value("version", "Provider")};
  if (inf.class_guid.size() != 38) return absl::InvalidArgumentError("no ClassGuid of a device");
  for (const InfLine& line : text.Section("version")) {
    if (!absl::EqualsIgnoreCase(line.key, "DriverVer")) continue;
    inf.date = At(line, 0);
    inf.version = At(line, 1);
  }
  std::set<std::string> ids;
  for (const std::string& section : ModelSections(text, version)) {
    for (const InfLine& line : text.Section(section)) {
      for (std::size_t i = 1; i < line.values.size() && ids.size() < kMaxIds; ++i) {
        const std::string id = absl::AsciiStrToUpper(line.values[i]);
        if (id.empty() || id.size() > 200 || absl::StrContains(id, '/')) continue;
        if (ids.insert(id).second) inf.hardware_ids.push_back(id);
      }
      if (!inf.service && !line.values.empty()) {
        inf.service = ReadService(text, line.values[0], version);
      }
    }
  }
  if (inf.hardware_ids.empty()) {
    return absl::NotFoundError("it serves no device on this version of Windows");
  }
  std::set<std::string> files;
  for (const InfLine& line : text.Section("version")) {
    if (absl::StartsWithIgnoreCase(line.key, "CatalogFile")) AddFile(At(line, 0), &files);
  }
  for (const std::string& section : {absl::StrCat("SourceDisksFiles.", ArchitectureSuffix(version)),
                                     std::string("SourceDisksFiles")}) {
    for (const InfLine& line : text.Section(section)) AddFile(line.key, &files);
  }
  if (inf.service) AddFile(inf.service->binary, &files);
  inf.files.assign(files.begin(), files.end());
  return inf;
}

}  // namespace godwit::convert::windows
