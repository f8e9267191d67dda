// A gateway before a whole installation of real services, with access keys of the test's own: a
// peer that serves AccessKeyService with keys that are known here.
#pragma once

#include <grpcpp/server_context.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/gateway/sigv4/canonical.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::gateway {

inline constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
inline constexpr char kOperatorKey[] = "GWAKOPERATOROPERATOR";

using Metadata = std::multimap<std::string, std::string>;

inline Metadata MetadataOf(const grpc::ServerContext& context) {
  Metadata out;
  for (const auto& [key, value] : context.client_metadata()) {
    out.emplace(std::string(key.data(), key.size()), std::string(value.data(), value.size()));
  }
  return out;
}

class KnownKeys final : public registry::v1::AccessKeyService::Service {
 public:
  grpc::Status GetSigningKey(grpc::ServerContext* context,
                             const registry::v1::GetSigningKeyRequest* request,
                             registry::v1::SigningKey* response) override {
    const std::map<std::string, std::string> kPrincipals = {
        {kOperatorKey, "user/operator/ci"},
        {"GWAKVIEWERVIEWERVIEW", "user/viewer/dashboard"},
        {"GWAKLENIENTLENIENTLE", "user/admin/alice"},
        {"GWAKDISABLEDDISABLED", "user/operator/gone"}};
    const std::string id = std::vector<std::string>(absl::StrSplit(request->name(), '/')).at(1);
    {
      absl::MutexLock lock(&mutex_);
      last_ = MetadataOf(*context);
      ++asked_;
    }
    const auto found = kPrincipals.find(id);
    if (found == kPrincipals.end()) return {grpc::StatusCode::NOT_FOUND, "no such key"};
    response->set_key(
        sigv4::SigningKeyOf(kSecret, request->date(), request->region(), request->service()));
    response->set_principal(found->second);
    response->set_disabled(id == "GWAKDISABLEDDISABLED");
    if (id == "GWAKLENIENTLENIENTLE") {
      response->set_lifecycle_profile(registry::v1::AccessKey::LENIENT);
    }
    return grpc::Status::OK;
  }
  Metadata last() {
    absl::MutexLock lock(&mutex_);
    return last_;
  }
  int asked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }

 private:
  absl::Mutex mutex_;
  Metadata last_;
  int asked_ = 0;
};

// Runs a program to its end; its output, or what went wrong with it.
inline absl::StatusOr<std::string> RunToEnd(std::vector<std::string> command,
                                            const std::string& log,
                                            std::map<std::string, std::string> environment = {}) {
  auto process = ::godwit::testing::Process::Start(
      {.command = std::move(command), .log = log, .environment = std::move(environment)});
  if (!process.ok()) return process.status();
  const auto status = process->Wait(absl::Seconds(120));
  if (!status.ok()) return status.status();
  if (*status != 0) return absl::InternalError(process->Log());
  return process->Log();
}

// A certificate for 127.0.0.1 that stands for itself, as DIR/server.crt and DIR/server.key.
inline absl::Status MakeServerCertificate(const std::string& dir) {
  return RunToEnd({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=gateway",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", dir + "/server.key", "-out",
                   dir + "/server.crt"},
                  dir + "/openssl.log")
      .status();
}

}  // namespace godwit::gateway
