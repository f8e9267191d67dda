// What every command has: where to print, how to reach the services. Lives as long as one run of
// the program. Not thread-safe.
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/options.h"
#include "services/common/base/clock.h"

namespace grpc {
class Channel;
}

namespace godwit::cli {

class Context {
 public:
  // `terminal`: whether `err` is a terminal (progress bars instead of lines). All must outlive
  // this.
  Context(std::ostream& out, std::ostream& err, bool terminal, Clock& clock)
      : out_(out), err_(err), terminal_(terminal), clock_(clock) {}

  // The options every command takes.
  void AddTo(Options& options);
  // INVALID_ARGUMENT when an option has no meaning. After parsing.
  absl::Status Check() const;

  bool json() const { return output_ == "json"; }
  void set_json(bool json) { output_ = json ? "json" : "table"; }
  bool terminal() const { return terminal_; }
  std::ostream& out() { return out_; }  // results
  std::ostream& err() { return err_; }  // progress and errors
  Clock& clock() { return clock_; }
  absl::Duration call_timeout() const { return call_timeout_; }
  const std::string& enrollment() const { return enrollment_; }
  const std::string& tls_dir() const { return tls_dir_; }

  // The server a command is about, for the help of its refusal; "" when there is none or several.
  const std::string& subject() const { return subject_; }
  void set_subject(std::string subject) { subject_ = std::move(subject); }

  // Whether the endpoint of a service ("registry", "replication", "jobs", "conversion") is known.
  bool Knows(absl::string_view service) const;
  // The channel to a service, made at first use. INVALID_ARGUMENT names the option that is missing;
  // PERMISSION_DENIED when there is no usable certificate.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(absl::string_view service);
  // INVALID_ARGUMENT naming the option when the service is not known.
  absl::Status Need(absl::string_view service) const;
  // `status` with the name and endpoint of the service before its message when the service did not
  // answer or does not know the call; others as they are.
  absl::Status Unreachable(absl::string_view service, const absl::Status& status) const;

 private:
  std::ostream& out_;
  std::ostream& err_;
  const bool terminal_;
  Clock& clock_;
  std::string subject_, tls_dir_, enrollment_, output_ = "table";
  std::map<std::string, std::string> endpoints_ = {
      {"registry", ""}, {"replication", ""}, {"jobs", ""}, {"conversion", ""}};
  absl::Duration call_timeout_ = absl::Seconds(30);
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace godwit::cli
