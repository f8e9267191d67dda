#include "services/jobs/targets/libvirt/libvirt_target.h"

#include <arpa/inet.h>
#include <libvirt/virterror.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/machine_files.h"
#include "services/jobs/targets/qemu/command.h"

namespace godwit::jobs {
namespace {

namespace fs = std::filesystem;

constexpr int kStartTries = 3;
constexpr int kMostDomains = 10000;

// A port that is free on this host just now.
absl::StatusOr<int> FreePort(const std::string& host_address) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof(address);
  if (inet_pton(AF_INET, host_address.c_str(), &address.sin_addr) != 1 ||
      bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return ErrnoStatus(absl::StrCat("a port of ", host_address));
  }
  return ntohs(address.sin_port);
}

// Where the machine's ports will be reached.
absl::Status ChoosePorts(MachineState* state) {
  state->endpoints.clear();
  for (const PortForward& forward : state->spec.port_forwards) {
    const std::string host = forward.host_address.empty() ? "127.0.0.1" : forward.host_address;
    int port = forward.host_port;
    if (port == 0) {
      ASSIGN_OR_RETURN(port, FreePort(host));
    }
    state->endpoints[forward.guest_port] = absl::StrCat(host, ":", port);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsActive(virDomainPtr domain) {
  const int active = virDomainIsActive(domain);
  if (active < 0) return LibvirtError("state");
  return active == 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LibvirtTarget>> LibvirtTarget::Open(LibvirtOptions options) {
  const LibvirtConnection connection(options.uri);
  if (options.pool.empty() && !connection.IsLocal()) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.uri, " is another host: its storage pool must be named, disks are uploaded to it"));
  }
  RETURN_IF_ERROR(MakeDirs(options.machines_dir, 0700));
  std::error_code error;
  options.machines_dir = fs::canonical(options.machines_dir, error).string();
  if (error) return absl::InternalError(absl::StrCat("machines-dir: ", error.message()));
  return std::unique_ptr<LibvirtTarget>(new LibvirtTarget(std::move(options)));
}

LibvirtTarget::LibvirtTarget(LibvirtOptions options)
    : options_(std::move(options)), connection_(options_.uri) {}

std::string LibvirtTarget::Dir(const std::string& machine_id) const {
  return absl::StrCat(options_.machines_dir, "/", machine_id);
}

absl::StatusOr<MachineState> LibvirtTarget::Load(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  const auto text = ReadFile(absl::StrCat(Dir(machine_id), "/", kStateFile), 1 << 20);
  if (absl::IsNotFound(text.status()))
    return absl::NotFoundError(absl::StrCat("no machine ", machine_id));
  RETURN_IF_ERROR(text.status());
  return MachineStateFromJson(*text);
}

absl::Status LibvirtTarget::Save(const MachineState& state) {
  return WriteFileAtomically(absl::StrCat(Dir(state.spec.machine_id), "/", kStateFile),
                             ToJson(state));
}

absl::Status LibvirtTarget::Validate(const MachineSpec& spec) {
  RETURN_IF_ERROR(CheckDomain(spec, options_.host));
  return connection_.Get().status();
}

absl::StatusOr<DomainPtr> LibvirtTarget::Claim(const std::string& machine_id, std::int64_t epoch) {
  ASSIGN_OR_RETURN(DomainPtr domain, connection_.FindDomain(machine_id));
  ASSIGN_OR_RETURN(const std::string metadata, connection_.Metadata(domain.get(), kMetadataUri));
  ASSIGN_OR_RETURN(const std::int64_t seen, EpochOf(metadata));
  if (epoch < seen) return LostLease();
  if (epoch == seen) return domain;
  ASSIGN_OR_RETURN(MachineState state, Load(machine_id));
  state.spec.epoch = epoch;
  const std::string text = MetadataXml(state.spec);
  ASSIGN_OR_RETURN(const bool active, IsActive(domain.get()));
  unsigned where = VIR_DOMAIN_AFFECT_CONFIG;
  if (active) where |= VIR_DOMAIN_AFFECT_LIVE;
  if (virDomainSetMetadata(domain.get(), VIR_DOMAIN_METADATA_ELEMENT, text.c_str(), kMetadataPrefix,
                           kMetadataUri, where) != 0) {
    return LibvirtError("the epoch");
  }
  RETURN_IF_ERROR(Save(state));
  return domain;
}

absl::Status LibvirtTarget::Define(MachineState* state) {
  ASSIGN_OR_RETURN(const DomainFiles files, Files(state->spec));
  RETURN_IF_ERROR(ChoosePorts(state));
  RETURN_IF_ERROR(Save(*state));
  ASSIGN_OR_RETURN(const ConnectPtr connection, connection_.Get());
  const std::string xml = DomainXml(state->spec, options_.host, files, state->endpoints);
  const DomainPtr domain(virDomainDefineXMLFlags(connection.get(), xml.c_str(), 0),
                         [](virDomainPtr defined) { virDomainFree(defined); });
  return domain == nullptr ? LibvirtError("define") : absl::OkStatus();
}

absl::Status LibvirtTarget::CreateWatched(const MachineSpec& spec, const CreateWatch& watch) {
  RETURN_IF_ERROR(Validate(spec));
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.machines_dir, spec.machine_id));
  const auto present = Claim(spec.machine_id, spec.epoch);
  if (present.ok()) return absl::OkStatus();
  if (!absl::IsNotFound(present.status())) return present.status();
  if (watch.check != nullptr) RETURN_IF_ERROR(watch.check());
  // The domain is defined last: what there is without one is of a creation that was cut off.
  const std::string dir = Dir(spec.machine_id);
  std::error_code error;
  fs::remove_all(dir, error);
  RETURN_IF_ERROR(MakeDirs(dir, 0700));
  RETURN_IF_ERROR(MakeDisks(spec));
  MachineState state{.spec = spec};
  state.accelerator = options_.host.type == "kvm" ? "kvm" : "tcg";
  return Define(&state);
}

absl::StatusOr<MachineStatus> LibvirtTarget::Start(const std::string& machine_id,
                                                   std::int64_t epoch) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.machines_dir, machine_id));
  for (int i = 0;; ++i) {
    ASSIGN_OR_RETURN(const DomainPtr domain, Claim(machine_id, epoch));
    ASSIGN_OR_RETURN(const bool active, IsActive(domain.get()));
    if (active || virDomainCreate(domain.get()) == 0) break;
    const absl::Status failed = LibvirtError("start");
    // Another process may have taken a port since it was chosen.
    if (!absl::StrContains(failed.message(), "host forwarding") || i == kStartTries) return failed;
    ASSIGN_OR_RETURN(MachineState state, Load(machine_id));
    RETURN_IF_ERROR(Define(&state));
  }
  return Describe(machine_id);
}

absl::Status LibvirtTarget::Stop(const std::string& machine_id, absl::Duration grace) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.machines_dir, machine_id));
  const auto domain = connection_.FindDomain(machine_id);
  if (absl::IsNotFound(domain.status())) return absl::OkStatus();
  RETURN_IF_ERROR(domain.status());
  ASSIGN_OR_RETURN(bool active, IsActive(domain->get()));
  if (active && grace > absl::ZeroDuration()) {
    virDomainShutdown(domain->get());
    const absl::Time deadline = SteadyNow() + grace;
    while (active && SteadyNow() < deadline) {
      absl::SleepFor(absl::Milliseconds(100));
      ASSIGN_OR_RETURN(active, IsActive(domain->get()));
    }
  }
  if (active && virDomainDestroy(domain->get()) != 0) {
    const absl::Status failed = LibvirtError("stop");
    ASSIGN_OR_RETURN(active, IsActive(domain->get()));  // it may have ended by itself
    if (active) return failed;
  }
  return absl::OkStatus();
}

absl::StatusOr<MachineStatus> LibvirtTarget::Describe(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  const auto domain = connection_.FindDomain(machine_id);
  if (absl::IsNotFound(domain.status())) return MachineStatus{};
  RETURN_IF_ERROR(domain.status());
  MachineStatus status;
  ASSIGN_OR_RETURN(const bool active, IsActive(domain->get()));
  status.power = active ? Power::kRunning : Power::kStopped;
  const auto state = Load(machine_id);
  if (state.ok()) {
    status.accelerator = state->accelerator;
    status.endpoints = state->endpoints;
    if (const auto files = Files(state->spec); files.ok()) status.console_log = files->console_log;
  }
  return status;
}

absl::Status LibvirtTarget::Destroy(const std::string& machine_id) {
  RETURN_IF_ERROR(CheckId("machine_id", "i-", machine_id));
  ASSIGN_OR_RETURN(const Fd lock, LockMachine(options_.machines_dir, machine_id));
  const auto domain = connection_.FindDomain(machine_id);
  if (domain.ok()) {
    ASSIGN_OR_RETURN(bool active, IsActive(domain->get()));
    if (active && virDomainDestroy(domain->get()) != 0) {
      const absl::Status failed = LibvirtError("destroy");
      ASSIGN_OR_RETURN(active, IsActive(domain->get()));
      if (active) return failed;
    }
    if (virDomainUndefineFlags(domain->get(), VIR_DOMAIN_UNDEFINE_NVRAM |
                                                  VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                                  VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                                                  VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA) != 0) {
      return LibvirtError("undefine");
    }
  } else if (!absl::IsNotFound(domain.status())) {
    return domain.status();
  }
  if (pooled()) RETURN_IF_ERROR(RemoveVolumes(machine_id));
  std::error_code error;
  fs::remove_all(Dir(machine_id), error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("removing machine ", machine_id, ": ", error.message()));
  }
  return SyncDir(options_.machines_dir);
}

absl::StatusOr<std::vector<std::string>> LibvirtTarget::List() {
  ASSIGN_OR_RETURN(const ConnectPtr connection, connection_.Get());
  virDomainPtr* found = nullptr;
  const int count = virConnectListAllDomains(connection.get(), &found, 0);
  if (count < 0) return LibvirtError("list");
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    const std::string name = virDomainGetName(found[i]);
    const bool ours = i < kMostDomains && CheckId("machine_id", "i-", name).ok() &&
                      connection_.Metadata(found[i], kMetadataUri).ok();
    if (ours) out.push_back(name);
    virDomainFree(found[i]);
  }
  free(found);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace godwit::jobs
