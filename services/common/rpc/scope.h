// Users of role operator or viewer may be limited to a scope: applications, waves, and source
// servers by their tags (docs/decisions/0042). The registry knows the scopes; Admit() and Serve()
// ask for that of each such caller and decide by the access table (access.h, Scoped), so that no
// handler can forget it. Admins, services, workers and agents have no scope.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/rpc/access.h"
#include "services/common/rpc/identity.h"

namespace google::protobuf {
class Message;
}
namespace grpc {
class ServerContextBase;
}

namespace godwit::rpc {

// What a limited user may reach.
struct Scope {
  std::string principal;  // "user/operator/alice"
  // Full names of what is within: "sourceServers/s-...", "applications/...", "waves/...". In the
  // registry only those that the request names: its lists are joined with the scope in the
  // database.
  absl::btree_set<std::string> names;

  bool Has(const std::string& name) const { return names.contains(name); }
  // Ids of a collection ("sourceServers"), ascending.
  std::vector<std::string> Ids(absl::string_view collection) const;
};

// Who is limited to what. Thread-safe; waits are bounded.
class ScopeSource {
 public:
  virtual ~ScopeSource() = default;
  // Null: the user is not limited. `names`: those of the request; the answer may leave others out.
  // UNAVAILABLE: not known; the caller is refused then.
  virtual absl::StatusOr<std::shared_ptr<const Scope>> Find(
      const std::string& principal, const std::vector<std::string>& names) = 0;
  // What a name of the service's own ("jobs/job-...") stands for: all of it must be within the
  // scope. NOT_FOUND, or nothing: it is in no scope.
  virtual absl::StatusOr<std::vector<std::string>> Expand(const std::string& name);
};

// Whether the role of this peer is one that may be limited.
bool CanBeScoped(const Identity& peer);

// The decision for one call. Null: the caller is not limited. `source` and `request` may be null:
// then who could be limited is refused. PERMISSION_DENIED with reason SCOPED: no limited user may
// call this; NOT_FOUND: something the request names is not within, whether it exists or not;
// INVALID_ARGUMENT: it names nothing; UNAVAILABLE with reason SCOPE_NOT_KNOWN.
absl::StatusOr<std::shared_ptr<const Scope>> CheckScope(const MethodRule& rule,
                                                        const google::protobuf::Message* request,
                                                        ScopeSource* source, const Identity& peer);

// The same anew for a stream that is open, as often as it looks for news: a scope that was changed
// meanwhile counts. Errors as above; the stream ends with them.
absl::StatusOr<std::shared_ptr<const Scope>> ScopeNow(const grpc::ServerContextBase& context,
                                                      const Identity& peer);

// The values of a field ("name", "names", "application.name") of a request; unset ones are left
// out. INTERNAL: there is no such field of text.
absl::StatusOr<std::vector<std::string>> FieldTexts(const google::protobuf::Message& message,
                                                    absl::string_view path);

}  // namespace godwit::rpc
