#include "cli/wave_options.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/format.h"
#include "cli/group_names.h"
#include "cli/launch_options.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

using jobs::v1::WaveGroupOrder;
using jobs::v1::WaveRunOptions;

// Entries for applications, made when they are first spoken of.
class Groups {
 public:
  Groups(Context& context, const std::string& wave, WaveRunOptions& out)
      : context_(context), wave_(wave), out_(out) {}

  absl::StatusOr<WaveGroupOrder*> Of(absl::string_view text) {
    ASSIGN_OR_RETURN(const std::string name, ApplicationName(context_, wave_, text));
    const auto [found, made] = at_.try_emplace(name, out_.groups_size());
    if (made) out_.add_groups()->set_application(name);
    return out_.mutable_groups(found->second);
  }

 private:
  Context& context_;
  const std::string& wave_;
  WaveRunOptions& out_;
  std::map<std::string, int> at_;
};

// "APP=REST" or "APP:REST".
absl::StatusOr<std::pair<std::string, std::string>> Split(absl::string_view option,
                                                          const std::string& text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == 0 || at == std::string::npos || at + 1 == text.size()) {
    return absl::InvalidArgumentError(absl::StrCat(option, ": \"", text, "\" is not APPLICATION",
                                                   std::string(1, separator), "..."));
  }
  return std::pair(text.substr(0, at), text.substr(at + 1));
}

}  // namespace

absl::StatusOr<jobs::v1::WaveGateCheck> ParseGateCheck(absl::string_view text) {
  jobs::v1::WaveGateCheck check;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "tcp=")) {
    ASSIGN_OR_RETURN(const int port, ParsePort("--check", rest));
    check.set_tcp_port(port);
  } else if (absl::ConsumePrefix(&rest, "http=")) {
    absl::StatusOr<jobs::v1::HttpCheck> http = ParseHttpCheck(rest);
    if (!http.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--check: ", absl::StripPrefix(http.status().message(), "--boot-http: ")));
    }
    *check.mutable_http() = *http;
  } else if (absl::ConsumePrefix(&rest, "command=") && !rest.empty()) {
    check.mutable_command()->set_command(std::string(rest));
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--check: \"", text, "\" is none of tcp=PORT, http=PORT/PATH, command=TEXT"));
  }
  return check;
}

void WaveOptions::AddTo(Options& options) {
  options.String("order", &order_, "APP,APP...",
                 "these applications in this order, after all that are not named");
  options.Strings("after", &after_, "APP=APP", "the first comes after the second; may be repeated");
  options.Strings("approve", &approve_, "APP", "wait for `waves approve` before this application");
  options.Bool("approve-each", &approve_each_,
               "wait for `waves approve` before every application but the first");
  options.Strings("check", &checks_, "APP:CHECK",
                  "must hold on each machine of the application before the next begins: tcp=PORT, "
                  "http=PORT/PATH[,status=N][,contains=TEXT], command=TEXT");
  options.Duration("check-timeout", &check_timeout_, "how long checks may take to hold [5m]");
  options.Int("parallel", &parallel_, 0, 200, "servers at once [10]");
  options.Int("machines", &machines_, 0, 200,
              "launched machines that exist at once; only with --remove-machines");
  options.Bool("remove-machines", &remove_machines_,
               "test: remove each machine when it was proven");
  options.Int("stop-after", &stop_after_, 0, 1000, "stop when so many servers failed [1]");
  options.Bool("skip-blocked", &skip_blocked_, "leave out servers that something is in the way of");
  options.Bool("keep-agent", &keep_agent_, "finalize: leave the agents installed");
}

absl::StatusOr<WaveRunOptions> WaveOptions::Read(Context& context, const std::string& wave) const {
  WaveRunOptions out;
  Groups groups(context, wave, out);
  std::vector<std::string> order;
  if (!order_.empty()) order = absl::StrSplit(order_, ',');
  for (std::size_t i = 0; i < order.size(); ++i) {
    ASSIGN_OR_RETURN(WaveGroupOrder* const group, groups.Of(order[i]));
    if (group->order() != 0) {
      return absl::InvalidArgumentError(absl::StrCat("--order: \"", order[i], "\" twice"));
    }
    group->set_order(static_cast<int>(i) + 1);
  }
  for (const std::string& text : after_) {
    ASSIGN_OR_RETURN(const auto pair, Split("--after", text, '='));
    ASSIGN_OR_RETURN(const std::string before, ApplicationName(context, wave, pair.second));
    ASSIGN_OR_RETURN(WaveGroupOrder* const group, groups.Of(pair.first));
    group->add_after(before);
  }
  for (const std::string& text : approve_) {
    ASSIGN_OR_RETURN(WaveGroupOrder* const group, groups.Of(text));
    group->set_needs_approval(true);
  }
  for (const std::string& text : checks_) {
    ASSIGN_OR_RETURN(const auto pair, Split("--check", text, ':'));
    ASSIGN_OR_RETURN(jobs::v1::WaveGateCheck check, ParseGateCheck(pair.second));
    ASSIGN_OR_RETURN(WaveGroupOrder* const group, groups.Of(pair.first));
    *group->add_checks() = std::move(check);
    if (check_timeout_ > absl::ZeroDuration()) {
      *group->mutable_check_timeout() = FromDuration(check_timeout_);
    }
  }
  out.set_max_parallel_servers(static_cast<int>(parallel_));
  out.set_max_machines(static_cast<int>(machines_));
  out.set_remove_test_machines(remove_machines_);
  out.set_stop_after_failed_count(static_cast<int>(stop_after_));
  out.set_approve_each_group(approve_each_);
  out.set_skip_blocked(skip_blocked_);
  out.set_keep_agent(keep_agent_);
  return out;
}

}  // namespace godwit::cli
