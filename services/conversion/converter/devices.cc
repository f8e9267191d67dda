#include "services/conversion/converter/devices.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/lvm_report.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxDisks = 26;
constexpr std::size_t kMaxVolumes = 256;
constexpr int kMaxRounds = 8;
constexpr std::size_t kMaxKey = 8192;
constexpr absl::Duration kPatience = absl::Minutes(3);

// No udev, no daemons, no copies of metadata, no list of allowed devices.
constexpr char kLvmConfig[] =
    "activation{udev_sync=0 udev_rules=0 monitoring=0} backup{backup=0 archive=0} "
    "global{use_lvmpolld=0} devices{use_devicesfile=0 scan_lvs=1}";

absl::StatusOr<ToolResult> Lvm(std::vector<std::string> words, bool capture = false) {
  words.insert(words.begin(), "lvm");
  words.insert(words.end(), {"--config", kLvmConfig});
  return RunTool(words, {.patience = kPatience, .capture = capture});
}

bool Done(const absl::StatusOr<ToolResult>& result) { return result.ok() && result->code == 0; }

std::string Why(const absl::StatusOr<ToolResult>& result) {
  return result.ok() ? absl::StrCat("status ", result->code)
                     : std::string(result.status().message());
}

void LoadModule(const std::string& name) { RunTool({"modprobe", name}).IgnoreError(); }

}  // namespace

void Devices::Problem(const std::string& severity, const std::string& reason,
                      const std::string& message, const std::string& remedy) {
  findings_->push_back({severity, reason, message, remedy});
}

void Devices::Add(std::vector<Volume> found) {
  for (Volume& volume : found) {
    if (volumes_.size() < kMaxVolumes) {
      volumes_.push_back(std::move(volume));
    } else if (complete_) {
      complete_ = false;
      Problem("WARNING", "TOO_MANY_VOLUMES",
              absl::StrCat("the disks hold more than ", kMaxVolumes, " volumes"),
              "further ones are not looked at");
    }
  }
}

absl::Status Devices::OpenDisks() {
  if (options_.source_disks.size() > kMaxDisks)
    return absl::InvalidArgumentError("more than 26 disks");
  for (std::size_t i = 0; i < options_.source_disks.size(); ++i) {
    const std::string name = absl::StrCat("vd", std::string(1, static_cast<char>('a' + i)));
    Volume like{.source_device = options_.source_disks[i], .kind = "disk"};
    like.disk = static_cast<int>(i);
    ASSIGN_OR_RETURN(std::vector<Volume> found, VolumesOfDisk(name, like, kMaxVolumes));
    Add(std::move(found));
  }
  return absl::OkStatus();
}

absl::Status Devices::Open(std::vector<Finding>* findings) {
  findings_ = findings;
  RETURN_IF_ERROR(OpenDisks());
  std::size_t from = 0;
  for (int round = 0; round < kMaxRounds && from < volumes_.size(); ++round) {
    const std::size_t next = volumes_.size();
    OpenArrays(from);
    OpenLuks(from);
    OpenVolumeGroups(from);
    from = next;
  }
  ReportMissingDisks();
  return absl::OkStatus();
}

void Devices::OpenArrays(std::size_t from) {
  const std::size_t end = volumes_.size();
  for (std::size_t i = from; i < end; ++i) {
    const Volume first = volumes_[i];
    if (first.type != "md" ||
        std::find(arrays_.begin(), arrays_.end(), first.uuid) != arrays_.end())
      continue;
    arrays_.push_back(first.uuid);
    if (arrays_.size() == 1) {
      LoadModule("md_mod");
      // An array writes its superblocks as soon as it starts, unless it starts read-only.
      const Fd start(open("/sys/module/md_mod/parameters/start_ro", O_WRONLY | O_CLOEXEC));
      if (options_.read_only && (!start.valid() || write(start.get(), "1", 1) != 1)) {
        complete_ = false;
        Problem("WARNING", "ARRAY_NOT_STARTED", "arrays cannot be started read-only",
                "a conversion starts them");
        return;
      }
    }
    const std::string name = absl::StrCat("md", 100 + arrays_.size());
    std::vector<std::string> command = {"mdadm",         "--assemble", "/dev/" + name,
                                        "--config=none", "--run",      "--auto=md"};
    if (options_.read_only) command.push_back("--readonly");
    Volume like{.kind = "md", .lies_on = {}};
    for (std::size_t j = 0; j < end; ++j) {
      if (volumes_[j].type != "md" || volumes_[j].uuid != first.uuid) continue;
      command.push_back(volumes_[j].device);
      like.lies_on.push_back(volumes_[j].source_device);
    }
    const auto started = RunTool(command, {.patience = kPatience});
    if (!Done(started)) {
      complete_ = false;
      Problem("WARNING", "ARRAY_NOT_STARTED",
              absl::StrCat("the array ", first.uuid, " (", first.label, ") on ",
                           absl::StrJoin(like.lies_on, ", "), " does not start: ", Why(started)),
              "replicate all of its disks");
      continue;
    }
    opened_.push_back({"md", "/dev/" + name});
    if (like.lies_on.size() < first.device_count) {
      Problem("WARNING", "DEGRADED_ARRAY",
              absl::StrCat("the array ", first.uuid, " (", first.label, ") has ",
                           like.lies_on.size(), " of ", first.device_count, " disks"),
              "it was started without redundancy; replicate all of its disks, or add one on the "
              "target");
    }
    // "host:name", as mdadm writes it.
    const std::string own(first.label.substr(first.label.rfind(':') + 1));
    const bool number = !own.empty() && own.find_first_not_of("0123456789") == std::string::npos;
    const std::string minor = first.minor >= 0 ? absl::StrCat(first.minor) : number ? own : "";
    like.source_device = !minor.empty() ? "/dev/md" + minor
                         : !own.empty() ? "/dev/md/" + own
                                        : absl::StrCat("/dev/md", 128 - arrays_.size());
    if (!minor.empty()) like.source_names = {"/dev/md/" + minor};
    like.source_names.push_back("/dev/disk/by-id/md-uuid-" + first.uuid);
    if (!first.label.empty()) like.source_names.push_back("/dev/disk/by-id/md-name-" + first.label);
    auto found = VolumesOfDisk(name, like, kMaxVolumes);
    if (found.ok()) Add(*std::move(found));
  }
}

void Devices::OpenLuks(std::size_t from) {
  const std::size_t end = volumes_.size();
  for (std::size_t i = from; i < end; ++i) {
    const Volume volume = volumes_[i];
    if (volume.type != "luks") continue;
    const bool plain = !volume.uuid.empty() && volume.uuid.find_first_not_of(
                                                   "0123456789abcdefABCDEF-") == std::string::npos;
    absl::StatusOr<std::string> key = absl::NotFoundError("");
    if (!options_.key_folder.empty() && plain)
      key = ReadFile(absl::StrCat(options_.key_folder, "/", volume.uuid, ".key"), kMaxKey);
    if (!key.ok() && !options_.key_folder.empty())
      key = ReadFile(options_.key_folder + "/default.key", kMaxKey);
    if (!key.ok()) {
      complete_ = false;
      Problem("BLOCKER", "NEEDS_KEY",
              absl::StrCat(volume.source_device, " is encrypted (LUKS, UUID ", volume.uuid, ")"),
              absl::StrCat("put its key into ", volume.uuid,
                           ".key in the folder --disk-keys of the conversion worker"));
      continue;
    }
    LoadModule("dm_mod");
    const std::string name = absl::StrCat("godwit-luks", opened_.size());
    std::vector<std::string> command = {"cryptsetup", "open", "--type", "luks", "--key-file=-"};
    if (options_.read_only) command.push_back("--readonly");
    command.insert(command.end(), {volume.device, name});
    const auto opened = RunTool(command, {.patience = kPatience, .input = *key});
    if (!Done(opened)) {
      complete_ = false;
      const bool wrong = opened.ok() && opened->code == 2;
      Problem("BLOCKER", wrong ? "WRONG_KEY" : "LUKS_NOT_OPENED",
              absl::StrCat(volume.source_device, " (LUKS, UUID ", volume.uuid,
                           ") does not open: ", wrong ? "the key does not fit" : Why(opened)),
              wrong ? absl::StrCat("put the right key into ", volume.uuid,
                                   ".key in the folder --disk-keys of the conversion worker")
                    : "the appliance may need more memory (--memory of the conversion worker)");
      continue;
    }
    opened_.push_back({"luks", name});
    Volume inside{.device = "/dev/mapper/" + name,
                  .source_device = "/dev/mapper/luks-" + volume.uuid,
                  .kind = "luks",
                  .lies_on = {volume.source_device}};
    if (Probe(&inside).ok()) Add({inside});
  }
}

void Devices::OpenVolumeGroups(std::size_t from) {
  const bool any = std::any_of(volumes_.begin() + static_cast<std::ptrdiff_t>(from), volumes_.end(),
                               [](const Volume& volume) { return volume.type == "lvm"; });
  if (!any) return;
  LoadModule("dm_mod");
  const auto activated = Lvm({"vgchange", "-ay"});
  if (opened_.empty() || opened_.back().kind != "lvm") opened_.push_back({"lvm", ""});
  const auto report =
      Lvm({"lvs", "--reportformat", "json", "-o", kLogicalVolumeColumns}, /*capture=*/true);
  if (!report.ok() || report->output.empty()) {
    complete_ = false;
    Problem("WARNING", "VOLUME_NOT_ACTIVE", absl::StrCat("LVM cannot be read: ", Why(report)),
            "look at the end of the appliance's console");
    return;
  }
  AddLogicalVolumes(report->output);
}

void Devices::AddLogicalVolumes(const std::string& report) {
  const auto found = ParseLogicalVolumes(report, kMaxVolumes);
  if (!found.ok()) return;
  for (const LogicalVolume& logical : *found) {
    const std::string mapper = "/dev/mapper/" + MapperName(logical.group, logical.name);
    const auto known = [&](const Volume& volume) { return volume.source_device == mapper; };
    if (std::any_of(volumes_.begin(), volumes_.end(), known)) continue;
    if (!logical.active) {
      // Parts of mirrors and pools are not for themselves.
      complete_ = false;
      Problem("WARNING", "VOLUME_NOT_ACTIVE",
              absl::StrCat("the logical volume ", logical.group, "/", logical.name, " (",
                           logical.segment_type, ") is not active",
                           logical.partial ? ": a disk of its group is missing" : ""),
              "what is on it is not looked at");
      continue;
    }
    Volume volume{.device = mapper, .source_device = mapper, .kind = "lvm"};
    volume.source_names = {absl::StrCat("/dev/", logical.group, "/", logical.name),
                           absl::StrCat("/dev/disk/by-id/dm-name-", mapper.substr(12))};
    for (const Volume& disk : volumes_) {
      if (disk.type == "lvm") volume.lies_on.push_back(disk.source_device);
    }
    if (Probe(&volume).ok()) Add({volume});
  }
}

void Devices::ReportMissingDisks() {
  const bool any = std::any_of(volumes_.begin(), volumes_.end(),
                               [](const Volume& volume) { return volume.type == "lvm"; });
  if (!any) return;
  const auto report =
      Lvm({"pvs", "--reportformat", "json", "-o", kPhysicalVolumeColumns}, /*capture=*/true);
  if (!report.ok()) return;
  const auto missing = ParseMissingDisks(report->output);
  if (!missing.ok()) return;
  for (const MissingDisk& disk : *missing) {
    Problem("WARNING", "INCOMPLETE_VOLUME_GROUP",
            absl::StrCat("the volume group ", disk.group, " needs the physical volume ", disk.uuid,
                         ", which is on none of the migrated disks"),
            "replicate that disk, too (pvs -o pv_name,pv_uuid on the source names it)");
  }
}

absl::Status Devices::Close() {
  sync();
  absl::Status status;
  while (!opened_.empty()) {
    const Opened last = opened_.back();
    opened_.pop_back();
    // Groups below something that is still open go with the last call.
    const bool again = std::any_of(opened_.begin(), opened_.end(), [&](const Opened& other) {
      return other.kind == "lvm" && last.kind == "lvm";
    });
    absl::StatusOr<ToolResult> closed = ToolResult{};
    if (last.kind == "lvm") closed = Lvm({"vgchange", "-an"});
    if (last.kind == "luks")
      closed = RunTool({"cryptsetup", "close", last.name}, {.patience = kPatience});
    if (last.kind == "md")
      closed = RunTool({"mdadm", "--stop", last.name}, {.patience = kPatience});
    if (!Done(closed) && !again) {
      status.Update(absl::InternalError(
          absl::StrCat("closing ", last.kind, " ", last.name, ": ", Why(closed))));
    }
  }
  sync();
  return status;
}

}  // namespace godwit::convert
