#include "services/conversion/service/domain/profiles.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxText = 1000;
constexpr std::size_t kMaxWord = 64;
constexpr std::size_t kMaxWords = 64;

// Reads the fields of one file; the first thing that is wrong is kept.
class Reader {
 public:
  Reader(const json& object, const std::string& source) : object_(object), source_(source) {}

  std::string Text(const char* field, bool required, std::size_t most = kMaxText) {
    const auto found = Find(field);
    if (found == object_.end()) {
      if (required) Wrong(field, "is required");
      return "";
    }
    if (!found->is_string()) {
      Wrong(field, "must be a text");
      return "";
    }
    const std::string text = found->get<std::string>();
    if (required && text.empty()) Wrong(field, "is empty");
    if (text.size() > most) Wrong(field, absl::StrCat("longer than ", most, " bytes"));
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20) Wrong(field, "must be one line");
    }
    return text;
  }

  // Letters, digits and `more`.
  std::string Word(const char* field, bool required, absl::string_view more = "-_.") {
    const std::string word = Text(field, required, kMaxWord);
    CheckWord(field, word, more);
    return word;
  }

  std::vector<std::string> Words(const char* field, absl::string_view more = "-_.") {
    std::vector<std::string> words;
    const auto found = Find(field);
    if (found == object_.end()) return words;
    if (!found->is_array() || found->size() > kMaxWords) {
      Wrong(field, absl::StrCat("must be a list of at most ", kMaxWords, " texts"));
      return words;
    }
    for (const json& item : *found) {
      if (!item.is_string() || item.get<std::string>().empty() ||
          item.get<std::string>().size() > kMaxWord) {
        Wrong(field, absl::StrCat("must be a list of texts of 1 to ", kMaxWord, " bytes"));
        return words;
      }
      words.push_back(item.get<std::string>());
      CheckWord(field, words.back(), more);
    }
    return words;
  }

  // A name that is not in `known` is most likely a slip of the pen.
  void OneOf(const char* field, const std::string& word, const std::set<std::string>& known) {
    if (status_.ok() && !known.contains(word)) {
      Wrong(field, absl::StrCat("\"", word, "\" is none of ", absl::StrJoin(known, ", ")));
    }
  }

  void Wrong(absl::string_view field, absl::string_view why) {
    if (status_.ok())
      status_ = absl::InvalidArgumentError(absl::StrCat(source_, ": ", field, ": ", why));
  }

  absl::Status Finish() {
    for (const auto& item : object_.items()) {
      if (!asked_.contains(item.key())) Wrong(item.key(), "unknown field");
    }
    return status_;
  }

 private:
  json::const_iterator Find(const char* field) {
    asked_.insert(field);
    return object_.find(field);
  }

  void CheckWord(const char* field, const std::string& word, absl::string_view more) {
    for (const char c : word) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
          more.find(c) == absl::string_view::npos) {
        Wrong(field, absl::StrCat("\"", word, "\": only letters, digits and ", more));
        return;
      }
    }
  }

  const json& object_;
  const std::string& source_;
  std::set<std::string> asked_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Profile> ParseProfile(const std::string& text, const std::string& source) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object())
    return absl::InvalidArgumentError(absl::StrCat(source, ": not a JSON object"));
  Reader reader(object, source);
  Profile profile{.name = reader.Word("name", true, "-_"),
                  .description = reader.Text("description", true),
                  .aliases = reader.Words("aliases", "-_"),
                  .disk_bus = reader.Word("disk_bus", true),
                  .nic_model = reader.Word("nic_model", true),
                  .hypervisor = reader.Word("hypervisor", false),
                  .notes = reader.Text("notes", false),
                  .firmware = reader.Words("firmware"),
                  .linux_modules = reader.Words("linux_modules", "-_"),
                  .windows_services = reader.Words("windows_services", "-_"),
                  // They land in the guest's boot menu: nothing that means something there.
                  .kernel_arguments = reader.Words("kernel_arguments", "-_.=,:/@+"),
                  .source = source};
  reader.OneOf("disk_bus", profile.disk_bus,
               {"virtio", "virtio-scsi", "nvme", "ahci", "pvscsi", "ide", "hyperv"});
  reader.OneOf("nic_model", profile.nic_model,
               {"virtio", "e1000", "e1000e", "vmxnet3", "ena", "hyperv"});
  reader.OneOf("hypervisor", profile.hypervisor, {"", "kvm", "vmware", "hyperv", "xen"});
  if (profile.firmware.empty()) reader.Wrong("firmware", "at least one of bios and uefi is needed");
  for (const std::string& kind : profile.firmware) reader.OneOf("firmware", kind, {"bios", "uefi"});
  if (profile.firmware.size() > 2 ||
      (profile.firmware.size() == 2 && profile.firmware[0] == profile.firmware[1])) {
    reader.Wrong("firmware", "each kind once");
  }
  RETURN_IF_ERROR(reader.Finish());
  return profile;
}

absl::Status Profiles::Add(Profile profile) {
  std::vector<std::string> names = profile.aliases;
  names.push_back(profile.name);
  for (const std::string& name : names) {
    for (const Profile& other : profiles_) {
      if (other.name != name &&
          std::find(other.aliases.begin(), other.aliases.end(), name) == other.aliases.end())
        continue;
      return absl::AlreadyExistsError(absl::StrCat(
          profile.source, ": name: \"", name, "\" is taken by ", other.name, " of ", other.source));
    }
  }
  const auto after = [&](const Profile& other) { return profile.name < other.name; };
  profiles_.insert(std::find_if(profiles_.begin(), profiles_.end(), after), std::move(profile));
  return absl::OkStatus();
}

const Profile* Profiles::Find(absl::string_view name) const {
  if (name.empty()) name = kDefaultProfile;
  for (const Profile& profile : profiles_) {
    if (profile.name == name ||
        std::find(profile.aliases.begin(), profile.aliases.end(), name) != profile.aliases.end())
      return &profile;
  }
  return nullptr;
}

}  // namespace godwit::conversion
