#include "cli/commands/point_export.h"

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
#include "cli/names.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/image/appliance.h"
#include "services/common/image/export.h"

namespace godwit::cli {
namespace {

namespace fs = std::filesystem;
using replication::v1::Clone;
using replication::v1::CloneDisk;
using replication::v1::ReplicationService;

// What failed is the operation, not the command line tool.
absl::Status Failed(const absl::Status& status) {
  return absl::IsInternal(status) || absl::IsResourceExhausted(status)
             ? OperationFailed(status.message())
             : status;
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
absl::Status Pack(const std::vector<Target>& targets, const std::string& folder,
                  image::OvfMachine machine, std::string* archive) {
  const std::string stem = absl::StrCat(folder, "/", machine.name);
  std::vector<std::string> parts = {stem + ".ovf", stem + ".mf"};
  for (const Target& target : targets) {
    machine.disks.push_back({.file = target.path.substr(target.path.rfind('/') + 1),
                             .capacity_bytes = target.size_bytes});
    parts.push_back(target.path);
  }
  *archive = stem + ".ova";
  const std::string partial = *archive + ".partial";
  const absl::Status packed = image::PackAppliance(folder, std::move(machine), partial);
  for (const std::string& part : parts) unlink(part.c_str());
  RETURN_IF_ERROR(packed);
  return rename(partial.c_str(), archive->c_str()) == 0 ? absl::OkStatus() : ErrnoStatus(*archive);
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
            options.String("format", &given->format, image::ImageFormatNames(),
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
        const image::ImageFormat* const format = image::FindImageFormat(given->format);
        if (format == nullptr)
          return absl::InvalidArgumentError(absl::StrCat("--format: ", image::ImageFormatNames()));
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
          RETURN_IF_ERROR(Failed(image::ExportImage(target.from, partial, *format,
                                                    {.master_key_file = given->key_file})));
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
          ASSIGN_OR_RETURN(const std::string hash, image::Sha256OfFile(path));
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
