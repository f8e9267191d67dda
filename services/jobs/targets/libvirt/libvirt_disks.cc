// Disks of libvirt's machines: files beside the state, or volumes of a storage pool.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/qemu_image.h"
#include "services/common/image/export.h"
#include "services/jobs/targets/libvirt/libvirt_target.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/image_chain.h"
#include "services/jobs/targets/qemu/machine_disks.h"

namespace godwit::jobs {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(200);
constexpr std::size_t kPart = 256 << 10;
constexpr absl::Duration kShowEvery = absl::Seconds(10);

// A volume's description for libvirt: plain names and a number, nothing to escape.
std::string VolumeXml(const std::string& name, std::int64_t capacity) {
  return absl::StrCat("<volume><name>", name, "</name><capacity>", capacity,
                      "</capacity><target><format type='qcow2'/></target></volume>");
}

VolumePtr Own(virStorageVolPtr volume) {
  return {volume, [](virStorageVolPtr gone) { virStorageVolFree(gone); }};
}

std::string VolumeName(const std::string& machine_id, const std::string& file) {
  return absl::StrCat(machine_id, "-", file);
}

// What QEMU wrote may still be in the host's memory only.
absl::Status FlushFile(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() || fsync(file.get()) != 0) return ErrnoStatus(path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DomainFiles> LibvirtTarget::Files(const MachineSpec& spec) {
  DomainFiles files;
  std::string folder = absl::StrCat(Dir(spec.machine_id), "/");
  if (pooled()) {
    ASSIGN_OR_RETURN(const PoolPtr pool, connection_.FindPool(options_.pool));
    const std::unique_ptr<char, void (*)(void*)> xml(virStoragePoolGetXMLDesc(pool.get(), 0),
                                                     &free);
    if (xml == nullptr) return LibvirtError("pool");
    // <target><path>...</path> of a pool of type dir.
    const std::string text = xml.get();
    const std::size_t begin = text.find("<path>"), end = text.find("</path>");
    if (begin == std::string::npos || end == std::string::npos || end < begin)
      return absl::FailedPreconditionError(
          absl::StrCat("storage pool ", options_.pool, " has no folder: it must be of type dir"));
    folder =
        absl::StrCat(text.substr(begin + 6, end - begin - 6), "/", VolumeName(spec.machine_id, ""));
  }
  for (std::size_t i = 0; i < spec.disks.size(); ++i)
    files.disks.push_back(absl::StrCat(folder, DiskFile(i)));
  files.console_log = absl::StrCat(folder, kConsoleLog);
  files.firmware_log = absl::StrCat(folder, kFirmwareLog);
  return files;
}

absl::Status LibvirtTarget::CheckEncryption(const MachineSpec& spec) {
  if (pooled() && options_.pool_plain) return absl::OkStatus();
  for (const MachineDisk& disk : spec.disks) {
    ASSIGN_OR_RETURN(const auto chain, crypt::ReadChain(disk.path));
    if (std::none_of(chain.begin(), chain.end(), [](const auto& image) { return image.encrypted; }))
      continue;
    return absl::FailedPreconditionError(
        pooled() ? "ENCRYPTED_REPLICA: volumes of a storage pool are not encrypted by godwit; use "
                   "a pool that is, and say so with --libvirt-pool-plain of godwit-jobs, or "
                   "target qemu, whose disks stay encrypted"
                 : "ENCRYPTED_REPLICA: target libvirt takes encrypted replicas only with a storage "
                   "pool (--libvirt-pool and --libvirt-pool-plain of godwit-jobs): its machines' "
                   "disks are not encrypted by godwit; disks of target qemu stay encrypted");
  }
  return absl::OkStatus();
}

absl::Status LibvirtTarget::MakeDisks(const MachineSpec& spec) {
  const std::string dir = Dir(spec.machine_id);
  RETURN_IF_ERROR(CheckEncryption(spec));
  if (!pooled()) {
    for (std::size_t i = 0; i < spec.disks.size(); ++i) {
      RETURN_IF_ERROR(MakeOverlay(spec.disks[i].path, absl::StrCat(dir, "/", DiskFile(i)),
                                  options_.master_key_file));
    }
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(RemoveVolumes(spec.machine_id));
  ASSIGN_OR_RETURN(const PoolPtr pool, connection_.FindPool(options_.pool));
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const std::string path = absl::StrCat(dir, "/", DiskFile(i));
    RETURN_IF_ERROR(image::CopyImage(
        spec.disks[i].path, path, *image::FindImageFormat("qcow2"),
        {.master_key_file = options_.master_key_file, .timeout = options_.upload_timeout}));
    const absl::Status uploaded =
        Upload(pool.get(), path, VolumeName(spec.machine_id, DiskFile(i)));
    unlink(path.c_str());
    RETURN_IF_ERROR(uploaded);
  }
  return absl::OkStatus();
}

absl::Status LibvirtTarget::Upload(virStoragePoolPtr pool, const std::string& path,
                                   const std::string& volume) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) return ErrnoStatus(path);
  ASSIGN_OR_RETURN(const ConnectPtr connection, connection_.Get());
  const VolumePtr made =
      Own(virStorageVolCreateXML(pool, VolumeXml(volume, info.st_size).c_str(), 0));
  if (made == nullptr) return LibvirtError(volume);
  const std::unique_ptr<virStream, void (*)(virStreamPtr)> stream(
      virStreamNew(connection.get(), 0), [](virStreamPtr gone) { virStreamFree(gone); });
  const auto size = static_cast<unsigned long long>(info.st_size);
  if (stream == nullptr || virStorageVolUpload(made.get(), stream.get(), 0, size, 0) != 0)
    return LibvirtError(volume);
  const absl::Time deadline = SteadyNow() + options_.upload_timeout;
  absl::Time shown = SteadyNow();
  std::vector<char> part(kPart);
  std::int64_t sent = 0;
  const auto abort = [&](absl::Status why) {
    virStreamAbort(stream.get());
    return why;
  };
  while (sent < info.st_size) {
    const ssize_t got = pread(file.get(), part.data(), part.size(), sent);
    if (got <= 0) return abort(got < 0 ? ErrnoStatus(path) : absl::InternalError("file shrank"));
    for (ssize_t done = 0; done < got;) {
      const int took =
          virStreamSend(stream.get(), part.data() + done, static_cast<std::size_t>(got - done));
      if (took < 0) return abort(LibvirtError("upload"));
      done += took;
    }
    sent += got;
    if (SteadyNow() > deadline)
      return abort(absl::DeadlineExceededError(absl::StrCat("uploading ", volume)));
    if (SteadyNow() - shown > kShowEvery) {
      shown = SteadyNow();
      Log(Severity::kInfo, "uploading",
          {{"volume", volume}, {"done", absl::StrCat(sent)}, {"of", absl::StrCat(info.st_size)}});
    }
  }
  return virStreamFinish(stream.get()) == 0 ? absl::OkStatus() : LibvirtError("upload");
}

absl::Status LibvirtTarget::RemoveVolumes(const std::string& machine_id) {
  ASSIGN_OR_RETURN(const PoolPtr pool, connection_.FindPool(options_.pool));
  if (virStoragePoolRefresh(pool.get(), 0) != 0) return LibvirtError("refresh of the pool");
  virStorageVolPtr* found = nullptr;
  const int count = virStoragePoolListAllVolumes(pool.get(), &found, 0);
  if (count < 0) return LibvirtError("volumes");
  absl::Status status;
  for (int i = 0; i < count; ++i) {
    const bool ours = absl::StartsWith(virStorageVolGetName(found[i]), VolumeName(machine_id, ""));
    if (ours && virStorageVolDelete(found[i], 0) != 0) status.Update(LibvirtError("volume"));
    virStorageVolFree(found[i]);
  }
  free(found);
  return status;
}

absl::StatusOr<ConsoleChunk> LibvirtTarget::ReadPoolLog(const std::string& volume,
                                                        std::int64_t offset) {
  constexpr std::int64_t kMost = 1 << 20;
  ASSIGN_OR_RETURN(const PoolPtr pool, connection_.FindPool(options_.pool));
  if (virStoragePoolRefresh(pool.get(), 0) != 0) return LibvirtError("refresh of the pool");
  const VolumePtr log = Own(virStorageVolLookupByName(pool.get(), volume.c_str()));
  if (log == nullptr) return ConsoleChunk{};  // not started yet
  virStorageVolInfo info{};
  if (virStorageVolGetInfo(log.get(), &info) != 0) return LibvirtError(volume);
  const auto size = static_cast<std::int64_t>(info.capacity);
  if (offset < 0) offset = std::max<std::int64_t>(0, size + offset);
  if (offset > size) offset = 0;  // the log began anew
  ConsoleChunk chunk{.next_offset = offset};
  const std::int64_t wanted = std::min(kMost, size - offset);
  if (wanted <= 0) return chunk;
  ASSIGN_OR_RETURN(const ConnectPtr connection, connection_.Get());
  const std::unique_ptr<virStream, void (*)(virStreamPtr)> stream(
      virStreamNew(connection.get(), 0), [](virStreamPtr gone) { virStreamFree(gone); });
  if (stream == nullptr ||
      virStorageVolDownload(log.get(), stream.get(), static_cast<unsigned long long>(offset),
                            static_cast<unsigned long long>(wanted), 0) != 0) {
    return LibvirtError(volume);
  }
  ASSIGN_OR_RETURN(chunk.content, connection_.ReadStream(stream.get(), kMost));
  chunk.next_offset = offset + static_cast<std::int64_t>(chunk.content.size());
  return chunk;
}

absl::Status LibvirtTarget::Detach(const std::string& machine_id, absl::Duration timeout,
                                   const std::function<absl::Status()>& check) {
  const absl::Time deadline = SteadyNow() + timeout;
  ASSIGN_OR_RETURN(const MachineState state, Load(machine_id));
  if (pooled()) return absl::OkStatus();  // they never hung on the clone
  ASSIGN_OR_RETURN(const DomainPtr domain, connection_.FindDomain(machine_id));
  if (virDomainIsActive(domain.get()) == 1)
    return DetachRunning(state, domain.get(), deadline, check);
  // At rest the disks are rewritten: nothing of ours may start the machine meanwhile.
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.machines_dir, machine_id));
  for (std::size_t i = 0; i < state.spec.disks.size(); ++i) {
    const std::string path = absl::StrCat(Dir(machine_id), "/", DiskFile(i));
    ASSIGN_OR_RETURN(const bool attached, HasBacking(path));
    if (!attached) continue;
    RETURN_IF_ERROR(check());
    RETURN_IF_ERROR(CopyChain(path, options_.master_key_file, deadline - SteadyNow(), check));
  }
  return SyncDir(Dir(machine_id));
}

absl::Status LibvirtTarget::DetachRunning(const MachineState& state, virDomainPtr domain,
                                          absl::Time deadline,
                                          const std::function<absl::Status()>& check) {
  for (std::size_t i = 0; i < state.spec.disks.size(); ++i) {
    const std::string path = absl::StrCat(Dir(state.spec.machine_id), "/", DiskFile(i));
    const std::string device = TargetDevice(state.spec.disk_bus, i);
    ASSIGN_OR_RETURN(const bool attached, HasBacking(path));
    if (!attached) continue;
    RETURN_IF_ERROR(check());
    virDomainBlockJobInfo job{};
    int running = virDomainGetBlockJobInfo(domain, device.c_str(), &job, 0);
    if (running == 0 && virDomainBlockPull(domain, device.c_str(), 0, 0) != 0)
      return LibvirtError(absl::StrCat("copying ", device));
    do {
      if (SteadyNow() > deadline) {
        return absl::DeadlineExceededError(absl::StrCat("copying disk ", i, " takes too long"));
      }
      // The daemon goes on copying even when this caller has to stop.
      RETURN_IF_ERROR(check());
      absl::SleepFor(kPoll);
      running = virDomainGetBlockJobInfo(domain, device.c_str(), &job, 0);
    } while (running == 1);
    if (running < 0) return LibvirtError(absl::StrCat("copying ", device));
    ASSIGN_OR_RETURN(const bool still, HasBacking(path));
    if (still) return absl::InternalError(absl::StrCat("copying disk ", i, " failed in libvirt"));
    // Only now the clone may go: what was copied must survive a power cut.
    RETURN_IF_ERROR(FlushFile(path));
  }
  return absl::OkStatus();
}

}  // namespace godwit::jobs
