// Which method a call is for, told by the transport and not by its handler.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}
namespace grpc {
class ServerBuilder;
class ServerContextBase;
}  // namespace grpc

namespace godwit::rpc {

class ScopeSource;

// Makes calls of this server know their method, their request and `scopes` (may be null; must
// outlive the server), and `services` the names of all that it serves when it is built. `services`
// must outlive BuildAndStart.
void TellMethods(grpc::ServerBuilder& builder, ScopeSource* scopes,
                 std::vector<std::string>* services);

// "godwit.jobs.v1.JobService/GetJob"; empty when the server was built without TellMethods.
absl::string_view MethodOf(const grpc::ServerContextBase& context);

// What else the transport tells of a call. Good while the call lasts.
struct CallFacts {
  const google::protobuf::Message* request = nullptr;  // null: a stream of requests, or unreadable
  ScopeSource* scopes = nullptr;                       // of the server
};
CallFacts FactsOf(const grpc::ServerContextBase& context);

}  // namespace godwit::rpc
