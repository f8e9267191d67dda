#include "cli/commands/console.h"

#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/format.h"
#include "cli/names.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using jobs::v1::JobService;

constexpr absl::Duration kPoll = absl::Milliseconds(500);

struct Given {
  std::string server;
  std::int64_t tail = 0;
  bool follow = false;
};

// The machine that the job launched for the server (for its only one without).
absl::StatusOr<std::string> MachineOf(Context& context, const std::string& job_text,
                                      const std::string& server_text) {
  jobs::v1::GetJobRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), JobName(job_text));
  ASSIGN_OR_RETURN(const jobs::v1::Job job, Call(context, &JobService::Stub::GetJob, request));
  std::string server;
  if (!server_text.empty()) {
    ASSIGN_OR_RETURN(server, ServerName(context, server_text));
  } else if (job.servers_size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        ShortName(job.name()), " has ", job.servers_size(), " servers: give --server SERVER"));
  }
  for (const auto& participant : job.servers()) {
    if (!server.empty() && participant.source_server() != server) continue;
    if (!participant.has_machine()) {
      return absl::NotFoundError(absl::StrCat(ShortName(job.name()), " has no machine (yet) for ",
                                              ShortName(participant.source_server())));
    }
    return participant.machine().machine_id();
  }
  return absl::NotFoundError(
      absl::StrCat(ShortName(job.name()), " has no server ", ShortName(server)));
}

absl::Status Copy(Context& context, const std::string& machine, const Given& given) {
  jobs::v1::ReadConsoleRequest request;
  request.set_machine_id(machine);
  request.set_offset(-given.tail);
  while (context.out().good()) {
    ASSIGN_OR_RETURN(const auto piece, Call(context, &JobService::Stub::ReadConsole, request));
    context.out() << piece.content() << std::flush;
    request.set_offset(piece.next_offset());
    if (!piece.content().empty()) continue;
    if (!given.follow) return absl::OkStatus();
    context.clock().Sleep(kPoll);
  }
  return absl::OkStatus();
}

}  // namespace

Command Console() {
  auto given = std::make_shared<Given>();
  return {
      .words = "jobs console",
      .arguments = "JOB|MACHINE",
      .purpose = "serial console log of a launched machine",
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.String("server", &given->server, "SERVER",
                           "the machine of this server, when the job has several");
            options.Int("tail", &given->tail, 0, std::int64_t{1} << 40,
                        "only the last N bytes; 0: all");
            options.Bool("follow", &given->follow, "go on until interrupted");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        std::string machine = arguments[0];
        if (absl::StartsWith(machine, "job-") || absl::StartsWith(machine, "jobs/")) {
          ASSIGN_OR_RETURN(machine, MachineOf(context, machine, given->server));
        }
        return Copy(context, machine, *given);
      }};
}

}  // namespace godwit::cli
