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
#include "cli/names.h"
#include "cli/output.h"
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

// Runs qemu-img; its complaint when it fails. What it writes is not encrypted.
absl::Status Convert(const std::string& from, const std::string& to, const std::string& format,
                     const std::string& key_file, const std::string& log) {
  ASSIGN_OR_RETURN(crypt::QemuImage image, crypt::QemuImage::Open(from, key_file));
  std::vector<std::string> words = {"qemu-img", "convert", "-O", format, "-t", "none"};
  ASSIGN_OR_RETURN(const int secret, image.SecretFd());
  if (image.encrypted()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> option, image.SecretArguments("--object"));
    words.insert(words.end(), option.begin(), option.end());
    words.insert(words.end(), {image.Url(), to});
  } else {
    words.insert(words.end(), {"-f", "qcow2", from, to});
  }
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
  return OperationFailed(absl::StrCat("qemu-img: ", ReadFile(log, 65536).value_or("failed")));
}

struct Target {
  std::string from, path, device;
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
        .device = disk.device_name()};
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

}  // namespace

Command ExportPoint() {
  struct Given {
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
            options.String("format", &given->format, "qcow2|raw", "of the images");
            options.String("master-key-file", &given->key_file, "FILE",
                           "the replication worker's keys, when the replica is encrypted; the "
                           "images are not");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        if (given->format != "qcow2" && given->format != "raw")
          return absl::InvalidArgumentError("--format: qcow2 or raw");
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
                         Targets(clone, given->folder, given->format));
        Progress progress(context);
        for (const Target& target : targets) {
          progress.Show(absl::StrCat("writing ", target.path), "", -1);
          const std::string partial = target.path + ".partial";
          const absl::Status status =
              Convert(target.from, partial, given->format, given->key_file, target.path + ".log");
          unlink((target.path + ".log").c_str());
          if (!status.ok()) {
            unlink(partial.c_str());
            return status;
          }
          if (rename(partial.c_str(), target.path.c_str()) != 0) return ErrnoStatus(target.path);
        }
        for (const Target& target : targets) {
          context.out()
              << (context.json()
                      ? nlohmann::json({{"device", target.device}, {"path", target.path}}).dump()
                      : absl::StrCat(target.device, "  ", target.path))
              << "\n";
        }
        return absl::OkStatus();
      }};
}

}  // namespace godwit::cli
