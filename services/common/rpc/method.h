// Which method a call is for, told by the transport and not by its handler.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace grpc {
class ServerBuilder;
class ServerContextBase;
}  // namespace grpc

namespace godwit::rpc {

// Makes calls of this server know their method, and `services` the names of all that it serves when
// it is built. `services` must outlive BuildAndStart.
void TellMethods(grpc::ServerBuilder& builder, std::vector<std::string>* services);

// "godwit.jobs.v1.JobService/GetJob"; empty when the server was built without TellMethods.
absl::string_view MethodOf(const grpc::ServerContextBase& context);

}  // namespace godwit::rpc
