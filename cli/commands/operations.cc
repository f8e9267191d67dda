// health, support-bundle.
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/bundle.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/http_get.h"
#include "cli/output.h"
#include "godwit/conversion/v1/conversion_service.grpc.pb.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/rpc/health.h"
#include "services/common/rpc/lifeline.h"

namespace godwit::cli {
namespace {

constexpr const char* kServices[] = {"registry", "replication", "jobs", "conversion"};
constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr int kJobLogs = 20;

struct Health {
  std::string service, state;
};

Health Ask(const std::string& name, const absl::StatusOr<std::shared_ptr<grpc::Channel>>& channel,
           bool live) {
  absl::StatusOr<bool> serving = false;
  if (channel.ok()) {
    serving = rpc::IsServing(*channel, live ? rpc::kLiveService : "", kPatience);
  } else {
    serving = channel.status();
  }
  const char* const good = live ? "alive" : "ready";
  return {name, !serving.ok() ? absl::StrCat("no answer: ", serving.status().message())
                : *serving    ? good
                              : absl::StrCat("not ", good)};
}

std::vector<Health> AskAll(Context& context, bool live) {
  std::vector<Health> all;
  for (const char* const service : kServices) {
    if (context.Knows(service)) all.push_back(Ask(service, context.Channel(service), live));
  }
  return all;
}

Command HealthCommand() {
  struct Given {
    bool live = false;
    std::string endpoint, identity;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "health",
      .purpose = "whether the services are ready; ends with 5 when one is not",
      .options =
          [given](Options& options) {
            options.Bool("live", &given->live, "whether they are alive, ready or not");
            options.String("endpoint", &given->endpoint, "HOST:PORT",
                           "ask this one instead, a worker for example");
            options.String("identity", &given->identity, "KIND/ID",
                           "whose certificate it must show: worker/w-..., service/registry");
          },
      .run = [given](Context& context, const Options&, const Arguments&) -> absl::Status {
        std::vector<Health> all;
        if (!given->endpoint.empty()) {
          ASSIGN_OR_RETURN(const rpc::Identity peer, rpc::ParsePrincipal(given->identity));
          ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadTls(context.tls_dir()));
          all.push_back(Ask(given->identity, rpc::Dial(given->endpoint, peer, tls), given->live));
        } else {
          all = AskAll(context, given->live);
        }
        if (all.empty()) return context.Need("registry");
        bool good = true;
        for (const Health& one : all) {
          good = good && (one.state == "ready" || one.state == "alive");
          context.out() << one.service << ": " << Plain(one.state) << std::endl;
        }
        return good ? absl::OkStatus() : absl::UnavailableError("not every service is ready");
      }};
}

// The JSON of a list; its error when there is none.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<std::string> AllOf(Context& context,
                                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Response*)) {
  ASSIGN_OR_RETURN(const Response all, CallAllPages(context, method, Request()));
  return ToJson(all, /*one_line=*/false);
}

// The newest jobs and their logs.
absl::Status AddJobs(Context& context, Bundle& bundle) {
  using Stub = jobs::v1::JobService::Stub;
  jobs::v1::ListJobsRequest request;
  request.set_page_size(kJobLogs);
  ASSIGN_OR_RETURN(const auto jobs, Call(context, &Stub::ListJobs, request));
  bundle.Add("jobs.json", ToJson(jobs, /*one_line=*/false));
  for (const jobs::v1::Job& job : jobs.jobs()) {
    jobs::v1::ListJobLogItemsRequest ask;
    ask.set_name(job.name());
    ask.set_page_size(500);
    const auto log = Call(context, &Stub::ListJobLogItems, ask);
    bundle.Add(absl::StrCat("job-log-", ShortName(job.name()), ".json"),
               log.ok() ? ToJson(*log, /*one_line=*/false) : log.status());
  }
  return absl::OkStatus();
}

// The last Bundle::kMostBytes of a file.
absl::StatusOr<std::string> Tail(const std::string& path) { return ReadFile(path, 256u << 20); }

std::string FlatName(const std::string& path) {
  return absl::StrReplaceAll(path, {{"/", "_"}, {":", "_"}});
}

Command SupportBundle() {
  struct Given {
    std::vector<std::string> metrics, files;
  };
  auto given = std::make_shared<Given>();
  return {
      .words = "support-bundle",
      .arguments = "FILE",
      .purpose = "collects what helps to find a fault, without secrets, into FILE (.tar.zst)",
      .least = 1,
      .most = 1,
      .options =
          [given](Options& options) {
            options.Strings("metrics", &given->metrics, "HOST:PORT",
                            "a service's --metrics-listen; may be repeated");
            options.Strings("file", &given->files, "FILE",
                            "a configuration or log file of this machine; may be repeated");
          },
      .run = [given](Context& context, const Options&, const Arguments& arguments) -> absl::Status {
        Bundle bundle;
        std::string health;
        for (const bool live : {false, true}) {
          for (const Health& one : AskAll(context, live)) {
            absl::StrAppend(&health, one.service, ": ", one.state, "\n");
          }
        }
        bundle.Add("health.txt", absl::string_view(health));
        bundle.Add("source-servers.json",
                   AllOf(context, &registry::v1::SourceServerService::Stub::ListSourceServers));
        bundle.Add("replications.json",
                   AllOf(context, &replication::v1::ReplicationService::Stub::ListReplications));
        bundle.Add("workers.json",
                   AllOf(context, &replication::v1::ReplicationService::Stub::ListWorkers));
        bundle.Add("conversions.json",
                   AllOf(context, &conversion::v1::ConversionService::Stub::ListTasks));
        if (const absl::Status jobs = AddJobs(context, bundle); !jobs.ok())
          bundle.Add("jobs.json", absl::StatusOr<std::string>(jobs));
        for (const std::string& endpoint : given->metrics) {
          bool cut = false;
          bundle.Add(absl::StrCat("metrics-", FlatName(endpoint), ".txt"),
                     HttpGet(endpoint, "/metrics", Bundle::kMostBytes, kPatience, &cut));
        }
        for (const std::string& file : given->files)
          bundle.Add(absl::StrCat("file", FlatName(file)), Tail(file));
        RETURN_IF_ERROR(bundle.Write(arguments[0],
                                     absl::FormatTime(context.clock().Now(), absl::UTCTimeZone())));
        for (const std::string& missing : bundle.missing())
          context.err() << "not in it: " << Plain(missing) << std::endl;
        context.out() << arguments[0] << ": " << bundle.size()
                      << " texts; look at it before you send it" << std::endl;
        return absl::OkStatus();
      }};
}

}  // namespace

std::vector<Command> OperationCommands() { return {HealthCommand(), SupportBundle()}; }

}  // namespace godwit::cli
