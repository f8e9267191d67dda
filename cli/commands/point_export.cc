#include "cli/commands/point_export.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/call.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/image_formats.h"
#include "cli/names.h"
#include "cli/output.h"
#include "cli/ova.h"
#include "cli/progress.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"

extern char** environ;

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;
using replication::v1::Clone;
using replication::v1::CloneDisk;
using replication::v1::ReplicationService;

// Runs qemu-img; its complaint when it fails. It keeps the descriptor `secret`.
absl::Status QemuImg(std::vector<std::string> words, int secret, const std::string& log) {
  words.insert(words.begin(), "qemu-img");
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  // The same number on both sides: the descriptor is inherited.
  if (secret >= 0) posix_spawn_file_actions_adddup2(&actions, secret, secret);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT)
    return absl::FailedPreconditionError("qemu-img is needed: install the package qemu-utils");
  if (error != 0) return absl::ErrnoToStatus(error, "qemu-img");
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return absl::OkStatus();
  return OperationFailed(
      absl::StrCat("qemu-img ", words[1], ": ", ReadFile(log, 65536).value_or("failed")));
}

// Writes it and proves that it is what was to be written. What is written is not encrypted.
absl::Status Convert(const std::string& from, const std::string& to, const ImageFormat& format,
                     const std::string& key_file, const std::string& log) {
  ASSIGN_OR_RETURN(crypt::QemuImage image, crypt::QemuImage::Open(from, key_file));
  std::vector<std::string> words = {"convert", "-O", format.driver};
  if (*format.options != 0) words.insert(words.end(), {"-o", format.options});
  std::vector<std::string> compare = {"compare"};
  ASSIGN_OR_RETURN(const int secret, image.SecretFd());
  if (image.encrypted()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> option, image.SecretArguments("--object"));
    words.insert(words.end(), option.begin(), option.end());
    words.insert(words.end(), {image.Url(), to});
    compare.insert(compare.end(), option.begin(), option.end());
    compare.insert(compare.end(),
                   {image.Url(), absl::StrCat("json:{\"driver\":\"", format.driver,
                                              "\",\"file\":{\"driver\":\"file\",",
                                              "\"filename\":", nlohmann::json(to).dump(), "}}")});
  } else {
    words.insert(words.end(), {"-f", "qcow2", from, to});
    compare.insert(compare.end(), {"-f", "qcow2", "-F", format.driver, from, to});
  }
  RETURN_IF_ERROR(QemuImg(words, secret, log));
  if (format.can_check) RETURN_IF_ERROR(QemuImg({"check", "-f", format.driver, to}, -1, log));
  return QemuImg(compare, secret, log);
}

struct Target {
  std::string from, path, device;
  std::int64_t size_bytes = 0;
};

// /dev/sda becomes sda.raw.
absl::StatusOr<std::vector<Target>> Targets(const Clone& clone, const std::string& folder,
                                            const std::string& format) {
  std::vector<Target> targets;
  for (const CloneDisk& disk : clone.disks()) {
    std::string name = disk.device_name();
    if (name.starts_with("/dev/")) name.erase(0, 5);
    Target target{
        .from = disk.path(),
        .path = absl::StrCat(folder, "/", absl::StrReplaceAll(name, {{"/", "-"}}), ".", format),
        .device = disk.device_name(),
        .size_bytes = disk.size_bytes()};
    if (disk.path().empty() || access(disk.path().c_str(), R_OK) != 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the staging store (", disk.path(),
          ") cannot be read here: run this on the host of the replication worker, as root"));
    }
    if (fs::exists(target.path)) {
      return absl::AlreadyExistsError(
          absl::StrCat(target.path, " exists: remove it or choose another folder"));
    }
    targets.push_back(std::move(target));
  }
  return targets;
}

// Packs the images as an appliance, in place of them.
absl::Status Pack(const std::vector<Target>& targets, const std::string& folder, OvfMachine machine,
                  std::string* archive) {
  std::string manifest;
  std::vector<std::string> members = {absl::StrCat(folder, "/", machine.name, ".ovf"),
                                      absl::StrCat(folder, "/", machine.name, ".mf")};
  for (const Target& target : targets) {
    const std::string name = target.path.substr(target.path.rfind('/') + 1);
    machine.disks.push_back({.file = name,
                             .file_bytes = static_cast<std::int64_t>(fs::file_size(target.path)),
                             .capacity_bytes = target.size_bytes});
    members.push_back(target.path);
  }
  RETURN_IF_ERROR(WriteFileAtomically(members[0], OvfText(machine), 0644));
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i == 1) continue;
    ASSIGN_OR_RETURN(const std::string hash, Sha256OfFile(members[i]));
    absl::StrAppend(&manifest, "SHA256(", members[i].substr(members[i].rfind('/') + 1), ")= ", hash,
                    "\n");
  }
  RETURN_IF_ERROR(WriteFileAtomically(members[1], manifest, 0644));
  *archive = absl::StrCat(folder, "/", machine.name, ".ova");
  const absl::Status written = WriteTar(members, *archive + ".partial");
  for (const std::string& member : members) unlink(member.c_str());
  if (!written.ok()) {
    unlink((*archive + ".partial").c_str());
    return written;
  }
  return rename((*archive + ".partial").c_str(), archive->c_str()) == 0 ? absl::OkStatus()
                                                                        : ErrnoStatus(*archive);
}

}  // namespace

Command ExportPoint() {
  struct Given {
    std::int64_t cpus = 1;
    std::string memory = "1GiB", name = "machine";
    bool uefi = false;
    std::string folder = ".", format = "qcow2", key_file;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "points export",
      .arguments = "SERVER POINT",
      .purpose = "writes the disks of a point as images (on the worker's host)",
      .least = 2,
      .most = 2,
      .options =
          [given](Options& options) {
            options.String("directory", &given->folder, "DIR",
                           "where the images go; made if missing");
            options.String("format", &given->format, ImageFormatNames(),
                           "of the images; ova: one file with all disks (ESX and its kin)");
            options.String("name", &given->name, "NAME", "ova: of the machine and the file");
            options.Int("cpus", &given->cpus, 1, 512, "ova: CPUs of the machine");
            options.String("memory", &given->memory, "SIZE", "ova: its memory");
            options.Bool("uefi", &given->uefi, "ova: it boots by UEFI");
            options.String("master-key-file", &given->key_file, "FILE",
                           "the replication worker's keys, when the replica is encrypted; the "
                           "images are not");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        const ImageFormat* const format = FindImageFormat(given->format);
        if (format == nullptr)
          return absl::InvalidArgumentError(absl::StrCat("--format: ", ImageFormatNames()));
        const bool ova = given->format == "ova";
        if (given->name.empty() || given->name.size() > 63 ||
            given->name.find_first_of("/ ") != std::string::npos)
          return absl::InvalidArgumentError("--name: 1 to 63 characters without / and spaces");
        ASSIGN_OR_RETURN(const std::int64_t memory, ParseBytes("memory", given->memory));
        if (ova && fs::exists(absl::StrCat(given->folder, "/", given->name, ".ova")))
          return absl::AlreadyExistsError(absl::StrCat(given->name, ".ova exists"));
        ASSIGN_OR_RETURN(const std::string server, ServerName(context, arguments[0]));
        replication::v1::CreateCloneRequest request;
        ASSIGN_OR_RETURN(*request.mutable_point(), PointName(server, arguments[1]));
        request.set_request_id(NewUuid());
        RETURN_IF_ERROR(MakeDirs(given->folder, 0755));
        ASSIGN_OR_RETURN(const Clone clone,
                         Call(context, &ReplicationService::Stub::CreateClone, request));
        const absl::Cleanup remove = [&] {
          replication::v1::DeleteCloneRequest request;
          request.set_name(clone.name());
          const auto gone = Call(context, &ReplicationService::Stub::DeleteClone, request);
          if (!gone.ok())
            context.err() << "the clone " << clone.name() << " is left: " << gone.status() << "\n";
        };
        ASSIGN_OR_RETURN(const std::vector<Target> targets,
                         Targets(clone, given->folder, format->suffix));
        Progress progress(context);
        for (const Target& target : targets) {
          progress.Show(absl::StrCat("writing ", target.path), "", -1);
          const std::string partial = target.path + ".partial";
          const absl::Status status =
              Convert(target.from, partial, *format, given->key_file, target.path + ".log");
          unlink((target.path + ".log").c_str());
          if (!status.ok()) {
            unlink(partial.c_str());
            return status;
          }
          if (rename(partial.c_str(), target.path.c_str()) != 0) return ErrnoStatus(target.path);
        }
        std::vector<std::pair<std::string, std::string>> written;  // device, path
        for (const Target& target : targets) written.emplace_back(target.device, target.path);
        if (ova) {
          progress.Show("packing", "", -1);
          written = {{"all disks", ""}};
          RETURN_IF_ERROR(Pack(targets, given->folder,
                               {.name = given->name,
                                .cpu_count = static_cast<int>(given->cpus),
                                .memory_bytes = memory,
                                .uefi = given->uefi},
                               &written[0].second));
        }
        for (const auto& [device, path] : written) {
          ASSIGN_OR_RETURN(const std::string hash, Sha256OfFile(path));
          context.out() << (context.json()
                                ? nlohmann::json(
                                      {{"device", device}, {"path", path}, {"sha256", hash}})
                                      .dump()
                                : absl::StrCat(device, "  ", path, "  sha256:", hash))
                        << "\n";
        }
        return absl::OkStatus();
      }};
}

}  // namespace godwit::cli
