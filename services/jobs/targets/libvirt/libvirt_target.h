// Machines as domains of a libvirt daemon, named by their machine id. The domain is defined last of
// all when a machine is made and undefined first but for its disks when it is removed; its metadata
// carry the fencing epoch. With a storage pool the disks are uploaded into it, complete and
// independent of the staging area, and the console is a file of the pool: that works for daemons on
// other hosts. Without one they are overlays on the clones in a folder of this host, which the
// daemon must be able to read.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/common/base/file.h"
#include "services/jobs/targets/libvirt/connection.h"
#include "services/jobs/targets/libvirt/domain_xml.h"
#include "services/jobs/targets/qemu/machine_state.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct LibvirtOptions {
  std::string uri;           // as of libvirt
  std::string machines_dir;  // state, and the disks when there is no pool
  std::string pool;          // storage pool of type "dir"; empty: direct files
  // The operator knows that volumes of encrypted replicas are not encrypted by us.
  bool pool_plain = false;
  DomainHost host;
  std::string master_key_file;  // to read encrypted clones
  absl::Duration upload_timeout = absl::Hours(6);
};

class LibvirtTarget final : public Target {
 public:
  // Makes the folder; does not connect: the daemon may come later. INVALID_ARGUMENT: a daemon on
  // another host needs a pool.
  static absl::StatusOr<std::unique_ptr<LibvirtTarget>> Open(LibvirtOptions options);

  const std::string& name() const override { return name_; }
  absl::Status Validate(const MachineSpec& spec) override;
  absl::Status CreateWatched(const MachineSpec& spec, const CreateWatch& watch) override;
  absl::StatusOr<MachineStatus> Start(const std::string& machine_id, std::int64_t epoch) override;
  absl::Status Stop(const std::string& machine_id, absl::Duration grace) override;
  absl::StatusOr<MachineStatus> Describe(const std::string& machine_id) override;
  absl::StatusOr<ConsoleChunk> ReadConsole(const std::string& machine_id,
                                           std::int64_t offset) override;
  std::string ReadFirmwareLog(const std::string& machine_id) override;
  absl::StatusOr<std::string> Screenshot(const std::string& machine_id) override;
  absl::StatusOr<std::string> AskAgent(const std::string& machine_id, const std::string& command,
                                       absl::Duration timeout) override;
  absl::StatusOr<bool> TookConnection(const std::string& machine_id, int guest_port) override;
  absl::Status Detach(const std::string& machine_id, absl::Duration timeout,
                      const std::function<absl::Status()>& check) override;
  absl::Status Destroy(const std::string& machine_id) override;
  absl::StatusOr<std::vector<std::string>> List() override;

 private:
  explicit LibvirtTarget(LibvirtOptions options);
  bool pooled() const { return !options_.pool.empty(); }
  std::string Dir(const std::string& machine_id) const;
  absl::StatusOr<MachineState> Load(const std::string& machine_id);
  absl::Status Save(const MachineState& state);
  // The domain, once its epoch is `epoch`; lost lease when it has seen a later one.
  absl::StatusOr<DomainPtr> Claim(const std::string& machine_id, std::int64_t epoch);
  absl::Status Define(MachineState* state);
  absl::StatusOr<DomainFiles> Files(const MachineSpec& spec);
  // FAILED_PRECONDITION: the replica is encrypted, its machine's disks would not be.
  absl::Status CheckEncryption(const MachineSpec& spec);
  absl::Status MakeDisks(const MachineSpec& spec);
  absl::Status Upload(virStoragePoolPtr pool, const std::string& path, const std::string& volume);
  absl::Status RemoveVolumes(const std::string& machine_id);
  absl::StatusOr<ConsoleChunk> ReadPoolLog(const std::string& volume, std::int64_t offset);
  absl::Status DetachRunning(const MachineState& state, virDomainPtr domain, absl::Time deadline,
                             const std::function<absl::Status()>& check);

  const std::string name_ = "libvirt";
  const LibvirtOptions options_;
  LibvirtConnection connection_;
};

}  // namespace godwit::jobs
