// Servers as people read them.
#pragma once

#include <iosfwd>
#include <string>

#include "absl/time/time.h"
#include "cli/output.h"
#include "godwit/jobs/v1/job.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "godwit/registry/v1/source_server_service.pb.h"

namespace godwit::cli {

// The host name, or what else names the server to people; "-" when nothing does.
std::string HostName(const registry::v1::SourceServer& server);
// "80 -> 127.0.0.1:8080, 22 -> ..."
std::string Endpoints(const jobs::v1::LaunchedMachine& machine);
// "a=b, c=d", by key.
std::string Tags(const google::protobuf::Map<std::string, std::string>& tags);

void PrintServers(const registry::v1::ListSourceServersResponse& list, std::ostream& out);
void PrintServer(const registry::v1::SourceServer& server, std::ostream& out);
// The lines about a launched machine.
void AddMachine(const jobs::v1::LaunchedMachine& machine, Fields& fields);
// "s-… (web1): READY_FOR_TEST": the answer of a verb, a line of a watch.
std::string ServerLine(const registry::v1::SourceServer& server);
void PrintHistory(const registry::v1::ListServerHistoryResponse& history, std::ostream& out);

}  // namespace godwit::cli
