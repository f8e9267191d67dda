#include "services/jobs/targets/libvirt/connection.h"

#include <libvirt/virterror.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

void Close(virConnectPtr connection) { virConnectClose(connection); }
// A reference of its own: a broken connection lives until its last call ended.
ConnectPtr Share(virConnectPtr connection) {
  virConnectRef(connection);
  return {connection, &Close};
}
void FreeDomain(virDomainPtr domain) { virDomainFree(domain); }
void FreePool(virStoragePoolPtr pool) { virStoragePoolFree(pool); }

absl::StatusCode CodeOf(int code) {
  switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
    case VIR_ERR_NO_NETWORK:
    case VIR_ERR_NO_DOMAIN_METADATA:
      return absl::StatusCode::kNotFound;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_AGENT_UNRESPONSIVE:
    case VIR_ERR_AGENT_UNSYNCED:
      return absl::StatusCode::kUnavailable;
    case VIR_ERR_OPERATION_TIMEOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_NO_SUPPORT:
      return absl::StatusCode::kFailedPrecondition;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
      return absl::StatusCode::kPermissionDenied;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_INVALID_ARG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status LibvirtError(absl::string_view what) {
  const virError* const error = virGetLastError();
  if (error == nullptr) return absl::InternalError(absl::StrCat("libvirt: ", what));
  return absl::Status(CodeOf(error->code),
                      absl::StrCat("libvirt: ", what, ": ",
                                   error->message == nullptr ? "no reason given" : error->message));
}

LibvirtConnection::~LibvirtConnection() {
  const absl::MutexLock guard(&mutex_);
  if (connection_ != nullptr) virConnectClose(connection_);
}

bool LibvirtConnection::IsLocal() const {
  // "qemu:///system", "qemu+unix:///session?socket=...": nothing between the second and third
  // slash.
  return absl::StrContains(uri_, ":///") && !absl::StrContains(uri_, "+ssh") &&
         !absl::StrContains(uri_, "+libssh") && !absl::StrContains(uri_, "+ext");
}

absl::StatusOr<ConnectPtr> LibvirtConnection::Get() {
  const absl::MutexLock guard(&mutex_);
  if (connection_ != nullptr && virConnectIsAlive(connection_) == 1) return Share(connection_);
  if (connection_ != nullptr) virConnectClose(connection_);
  connection_ = nullptr;
  static const bool quiet = [] {
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // else libvirt prints them
    // Its client writes to a daemon that may just have died.
    signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  static_cast<void>(quiet);
  connection_ = virConnectOpen(uri_.c_str());
  if (connection_ == nullptr) {
    const absl::Status status = LibvirtError(uri_);
    return absl::IsPermissionDenied(status) ? status : absl::UnavailableError(status.message());
  }
  return Share(connection_);
}

absl::StatusOr<DomainPtr> LibvirtConnection::FindDomain(const std::string& name) {
  ASSIGN_OR_RETURN(const ConnectPtr connection, Get());
  DomainPtr domain(virDomainLookupByName(connection.get(), name.c_str()), &FreeDomain);
  if (domain == nullptr) return LibvirtError(name);
  return domain;
}

absl::StatusOr<PoolPtr> LibvirtConnection::FindPool(const std::string& name) {
  ASSIGN_OR_RETURN(const ConnectPtr connection, Get());
  PoolPtr pool(virStoragePoolLookupByName(connection.get(), name.c_str()), &FreePool);
  if (pool == nullptr) return LibvirtError(absl::StrCat("storage pool ", name));
  return pool;
}

absl::StatusOr<std::string> LibvirtConnection::Metadata(virDomainPtr domain,
                                                        const std::string& uri) {
  const std::unique_ptr<char, void (*)(void*)> text(
      virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, uri.c_str(),
                           VIR_DOMAIN_AFFECT_CONFIG),
      &free);
  if (text == nullptr) return LibvirtError("metadata");
  return std::string(text.get());
}

absl::StatusOr<std::string> LibvirtConnection::ReadStream(virStreamPtr stream, std::size_t most) {
  std::string out;
  char part[64 << 10];
  while (true) {
    const int got = virStreamRecv(stream, part, sizeof(part));
    if (got < 0) {
      const absl::Status error = LibvirtError("stream");
      virStreamAbort(stream);
      return error;
    }
    if (got == 0) break;
    out.append(part, static_cast<std::size_t>(got));
    if (out.size() > most) {
      virStreamAbort(stream);
      return absl::ResourceExhaustedError(
          absl::StrCat("a stream gives more than ", most, " bytes"));
    }
  }
  if (virStreamFinish(stream) != 0) return LibvirtError("stream");
  return out;
}

}  // namespace godwit::jobs
