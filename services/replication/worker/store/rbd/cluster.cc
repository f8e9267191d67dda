#include "services/replication/worker/store/rbd/cluster.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::store::rbd {
namespace {

using nlohmann::json;

constexpr char kGuard[] = "claim";
constexpr std::size_t kMaxObjectBytes = std::size_t{128} << 20;
// Longer than any process is stopped and still runs on: until then nothing that a cut-off
// connection sends is taken.
constexpr std::uint32_t kCutOffSeconds = 400 * 24 * 3600;

class WriteOp {
 public:
  WriteOp() : op_(rados_create_write_op()) {}
  ~WriteOp() { rados_release_write_op(op_); }
  rados_write_op_t get() const { return op_; }
  void Expect(const std::string& guard) {
    rados_write_op_cmpxattr(op_, kGuard, LIBRADOS_CMPXATTR_OP_EQ, guard.data(), guard.size());
  }
  void SetGuard(const std::string& guard) {
    rados_write_op_setxattr(op_, kGuard, guard.data(), guard.size());
  }
  absl::Status Run(rados_ioctx_t io, const std::string& object) {
    return CephStatus(rados_write_op_operate(op_, io, object.c_str(), nullptr, 0), object);
  }

 private:
  const rados_write_op_t op_;
};

}  // namespace

absl::Status CephStatus(int code, absl::string_view what) {
  if (code >= 0) return absl::OkStatus();
  const std::string text = absl::StrCat(what, ": ", std::strerror(-code));
  switch (-code) {
    case ENOENT:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(absl::StrCat(what, ": the pool is full"));
    case ETIMEDOUT:
      return absl::UnavailableError(absl::StrCat(what, ": the Ceph cluster does not answer"));
    case ESHUTDOWN:
      return absl::AbortedError(absl::StrCat(what, ": the cluster has cut this connection off"));
    case ECANCELED:
    case ERANGE:
      return absl::AbortedError(absl::StrCat(what, ": another worker has claimed it"));
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Connect(const RbdOptions& options) {
  std::unique_ptr<Cluster> cluster(new Cluster(options));
  RETURN_IF_ERROR(CephStatus(rados_create(&cluster->rados_, options.user.c_str()), "librados"));
  rados_t rados = cluster->rados_;
  RETURN_IF_ERROR(CephStatus(rados_conf_read_file(rados, options.conf.c_str()), options.conf));
  const std::string seconds = absl::StrCat(absl::ToInt64Seconds(options.patience));
  // The page cache of the source is enough of a cache, and what is acknowledged must be in the
  // cluster anyhow.
  const std::pair<const char*, std::string> settings[] = {{"client_mount_timeout", seconds},
                                                          {"rados_mon_op_timeout", seconds},
                                                          {"rados_osd_op_timeout", seconds},
                                                          {"rbd_cache", "false"}};
  for (const auto& [name, value] : settings)
    RETURN_IF_ERROR(CephStatus(rados_conf_set(rados, name, value.c_str()), name));
  RETURN_IF_ERROR(Annotate(CephStatus(rados_connect(rados), options.conf), "cannot connect"));
  RETURN_IF_ERROR(CephStatus(rados_ioctx_create(rados, options.pool.c_str(), &cluster->io_),
                             absl::StrCat("pool ", options.pool)));
  rados_ioctx_set_namespace(cluster->io_, options.name_space.c_str());
  // A full pool is an error to report, not a reason to wait for ever.
  rados_set_pool_full_try(cluster->io_);
  char* address = nullptr;
  RETURN_IF_ERROR(CephStatus(rados_getaddrs(rados, &address), "own address"));
  cluster->address_ = address;
  rados_buffer_free(address);
  return cluster;
}

Cluster::~Cluster() {
  if (io_ != nullptr) rados_ioctx_destroy(io_);
  if (rados_ != nullptr) rados_shutdown(rados_);
}

absl::StatusOr<std::string> Cluster::Read(const std::string& object) const {
  std::uint64_t size = 0;
  time_t changed = 0;
  RETURN_IF_ERROR(CephStatus(rados_stat(io_, object.c_str(), &size, &changed), object));
  if (size > kMaxObjectBytes) return absl::DataLossError(object + ": too large");
  std::string bytes(size, '\0');
  const int got = rados_read(io_, object.c_str(), bytes.data(), bytes.size(), 0);
  RETURN_IF_ERROR(CephStatus(got, object));
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

absl::Status Cluster::Write(const std::string& object, std::uint64_t offset,
                            absl::string_view bytes) {
  return CephStatus(rados_write(io_, object.c_str(), bytes.data(), bytes.size(), offset), object);
}

absl::Status Cluster::Create(const std::string& object, absl::string_view bytes) {
  WriteOp op;
  rados_write_op_create(op.get(), LIBRADOS_CREATE_EXCLUSIVE, nullptr);
  rados_write_op_write_full(op.get(), bytes.data(), bytes.size());
  return op.Run(io_, object);
}

absl::Status Cluster::Remove(const std::string& object) {
  const absl::Status status = CephStatus(rados_remove(io_, object.c_str()), object);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::string> Cluster::Guard(const std::string& object) const {
  std::string guard(1024, '\0');
  const int got = rados_getxattr(io_, object.c_str(), kGuard, guard.data(), guard.size());
  RETURN_IF_ERROR(CephStatus(got, object));
  guard.resize(static_cast<std::size_t>(got));
  return guard;
}

absl::Status Cluster::CreateGuarded(const std::string& object, const std::string& guard) {
  WriteOp op;
  rados_write_op_create(op.get(), LIBRADOS_CREATE_EXCLUSIVE, nullptr);
  op.SetGuard(guard);
  return op.Run(io_, object);
}

absl::Status Cluster::SetGuard(const std::string& object, const std::string& guard,
                               const std::string& next) {
  WriteOp op;
  op.Expect(guard);
  op.SetGuard(next);
  return op.Run(io_, object);
}

absl::Status Cluster::Replace(const std::string& object, const std::string& guard,
                              absl::string_view bytes) {
  WriteOp op;
  op.Expect(guard);
  rados_write_op_write_full(op.get(), bytes.data(), bytes.size());
  return op.Run(io_, object);
}

absl::Status Cluster::RemoveGuarded(const std::string& object, const std::string& guard) {
  WriteOp op;
  op.Expect(guard);
  rados_write_op_remove(op.get());
  return op.Run(io_, object);
}

absl::StatusOr<std::string> Cluster::Ask(const std::string& command) const {
  const char* commands[] = {command.c_str()};
  char *out = nullptr, *said = nullptr;
  std::size_t out_size = 0, said_size = 0;
  const int code =
      rados_mon_command(rados_, commands, 1, nullptr, 0, &out, &out_size, &said, &said_size);
  const absl::Cleanup free = [&] {
    rados_buffer_free(out);
    rados_buffer_free(said);
  };
  RETURN_IF_ERROR(CephStatus(code, absl::string_view(said, said_size)));
  return std::string(out, out_size);
}

// An OSD learns of a cut-off with the map of the cluster, and it takes nothing from us before it
// has the map that we have: so every placement group is asked something.
absl::Status Cluster::ReachAllParts() {
  ASSIGN_OR_RETURN(const std::string answer, Ask(json{{"prefix", "osd pool get"},
                                                      {"pool", options_.pool},
                                                      {"var", "pg_num"},
                                                      {"format", "json"}}
                                                     .dump()));
  const json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("pg_num") || !parsed["pg_num"].is_number_integer())
    return absl::InternalError("pg_num: no answer that can be read");
  std::size_t slices = 1;  // a group is a whole number of slices
  while (slices < parsed["pg_num"].get<std::size_t>()) slices *= 2;
  rados_object_list_cursor begin = rados_object_list_begin(io_), end = rados_object_list_end(io_);
  absl::Status status;
  for (std::size_t i = 0; i < slices && status.ok(); ++i) {
    rados_object_list_cursor from = nullptr, to = nullptr, next = nullptr;
    from = rados_object_list_begin(io_);
    to = rados_object_list_begin(io_);
    next = rados_object_list_begin(io_);
    rados_object_list_slice(io_, begin, end, i, slices, &from, &to);
    rados_object_list_item item[1] = {};
    const int count = rados_object_list(io_, from, to, 1, nullptr, 0, item, &next);
    status = CephStatus(count, "listing the pool");
    if (count > 0) rados_object_list_free(static_cast<std::size_t>(count), item);
    for (rados_object_list_cursor cursor : {from, to, next})
      rados_object_list_cursor_free(io_, cursor);
  }
  rados_object_list_cursor_free(io_, begin);
  rados_object_list_cursor_free(io_, end);
  return status;
}

absl::Status Cluster::CutOff(const std::string& address) {
  std::string copy = address;
  RETURN_IF_ERROR(CephStatus(rados_blocklist_add(rados_, copy.data(), kCutOffSeconds),
                             absl::StrCat("blocklisting ", address)));
  RETURN_IF_ERROR(CephStatus(rados_wait_for_latest_osdmap(rados_), "osdmap"));
  return ReachAllParts();
}

absl::StatusOr<StoreSpace> Cluster::Space() const {
  ASSIGN_OR_RETURN(const std::string answer,
                   Ask(json{{"prefix", "df"}, {"detail", "detail"}, {"format", "json"}}.dump()));
  const json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  const json pools = parsed.is_object() ? parsed.value("pools", json::array()) : json::array();
  for (const json& pool : pools) {
    if (pool.value("name", "") != options_.pool) continue;
    const json stats = pool.value("stats", json::object());
    StoreSpace space{.free_bytes = stats.value("max_avail", std::int64_t{0})};
    space.total_bytes = space.free_bytes + stats.value("stored", std::int64_t{0});
    const auto quota = stats.value("quota_bytes", std::int64_t{0});
    if (quota > 0 && quota < space.total_bytes) {
      space.free_bytes = std::max<std::int64_t>(0, quota - (space.total_bytes - space.free_bytes));
      space.total_bytes = quota;
    }
    return space;
  }
  return absl::UnavailableError(
      absl::StrCat("no figures of pool ", options_.pool, ": they come from a ceph-mgr"));
}

}  // namespace godwit::store::rbd
