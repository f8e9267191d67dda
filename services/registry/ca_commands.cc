#include "services/registry/ca_commands.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr absl::Duration kCaLifetime = absl::Hours(24 * 3650);

std::string Certificate(const std::string& dir) { return absl::StrCat(dir, "/ca.crt"); }
std::string Key(const std::string& dir) { return absl::StrCat(dir, "/ca.key"); }

}  // namespace

absl::StatusOr<rpc::CaMaterial> LoadCa(const std::string& dir) {
  rpc::CaMaterial ca;
  for (const auto& [path, text] : {std::pair(Certificate(dir), &ca.certificate_pem),
                                   std::pair(Key(dir), &ca.private_key_pem)}) {
    absl::StatusOr<std::string> content = ReadFile(path, 64 * 1024);
    if (!content.ok()) {
      return Annotate(content.status(), "the CA (make it with godwit-registry ca-init --dir DIR)");
    }
    *text = *std::move(content);
  }
  return ca;
}

absl::Status CaInit(const std::string& dir, absl::Time now) {
  if (dir.empty()) return absl::InvalidArgumentError("--dir: is required");
  if (ReadFile(Key(dir)).ok() || ReadFile(Certificate(dir)).ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat(dir, ": holds a CA already; all certificates of it would become worthless"));
  }
  ASSIGN_OR_RETURN(const rpc::CaMaterial ca, rpc::MakeCa("Godwit CA", kCaLifetime, now));
  RETURN_IF_ERROR(MakeDirs(dir, 0700));
  RETURN_IF_ERROR(WriteFileAtomically(Key(dir), ca.private_key_pem, 0600));
  return WriteFileAtomically(Certificate(dir), ca.certificate_pem, 0644);
}

absl::Status CaIssue(const CaIssueOptions& options, absl::Time now) {
  if (options.ca_dir.empty()) return absl::InvalidArgumentError("--dir: is required");
  if (options.out_dir.empty()) return absl::InvalidArgumentError("--out: is required");
  const absl::StatusOr<rpc::Identity> identity = rpc::ParsePrincipal(options.identity);
  if (!identity.ok()) return Annotate(identity.status(), "--identity");
  if (!options.server_names.empty() && identity->kind == rpc::PeerKind::kUser) {
    return absl::InvalidArgumentError("--server-name: users are no servers");
  }
  ASSIGN_OR_RETURN(const rpc::CaMaterial ca, LoadCa(options.ca_dir));
  ASSIGN_OR_RETURN(const rpc::KeyAndCsr pair, rpc::MakeKeyAndCsr(options.identity));
  ASSIGN_OR_RETURN(const std::string chain,
                   rpc::Issue(ca, pair.csr_pem,
                              {.identity = *identity,
                               .lifetime = options.lifetime,
                               .server = identity->kind != rpc::PeerKind::kUser,
                               .now = now,
                               .names = options.server_names}));
  RETURN_IF_ERROR(MakeDirs(options.out_dir, 0700));
  RETURN_IF_ERROR(WriteFileAtomically(options.out_dir + "/tls.key", pair.private_key_pem, 0600));
  RETURN_IF_ERROR(WriteFileAtomically(options.out_dir + "/ca.crt", ca.certificate_pem, 0644));
  return WriteFileAtomically(options.out_dir + "/tls.crt", chain, 0644);
}

}  // namespace godwit::registry
