#include "services/common/rpc/method.h"

#include <google/protobuf/message.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"

namespace godwit::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

// The metadata key that carries the method from the interceptor to the handler. It never leaves the
// process and is new in each, so that no client can send it.
const std::string& Key() {
  static const auto& key = *new std::string(absl::StrCat("godwit-method-", NewUuid()));
  return key;
}

// The same for where the facts of the call lie in this process.
const std::string& FactsKey() {
  static const auto& key = *new std::string(absl::StrCat("godwit-facts-", NewUuid()));
  return key;
}

// Lives as long as its call.
class Teller final : public grpc::experimental::Interceptor {
 public:
  Teller(const char* method, ScopeSource* scopes) : method_(method), facts_{.scopes = scopes} {}
  void Intercept(InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      batch->GetRecvInitialMetadata()->emplace(Key(), method_);
      batch->GetRecvInitialMetadata()->emplace(FactsKey(), facts_place_);
    }
    // The request of a call that has exactly one; it is read before the handler begins. Frames of
    // streams come later, and are none.
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA) &&
        batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      facts_.request = static_cast<const google::protobuf::Message*>(batch->GetRecvMessage());
    }
    batch->Proceed();
  }

 private:
  const char* const method_;  // lives as long as the server
  CallFacts facts_;
  const std::string facts_place_ = absl::StrCat(reinterpret_cast<std::uintptr_t>(&facts_));
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(ScopeSource* scopes) : scopes_(scopes) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new Teller(info->method(), scopes_);
  }

 private:
  ScopeSource* const scopes_;
};

class Plugin final : public grpc::ServerBuilderPlugin {
 public:
  explicit Plugin(std::vector<std::string>* services) : services_(services) {}
  std::string name() override { return "godwit_services"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* server) override { *services_ = *server->GetServiceList(); }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>* const services_;
};

class Option final : public grpc::ServerBuilderOption {
 public:
  explicit Option(std::vector<std::string>* services) : services_(services) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<Plugin>(services_));
  }

 private:
  std::vector<std::string>* const services_;
};

}  // namespace

void TellMethods(grpc::ServerBuilder& builder, ScopeSource* scopes,
                 std::vector<std::string>* services) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>(scopes));
  builder.experimental().SetInterceptorCreators(std::move(factories));
  builder.SetOption(std::make_unique<Option>(services));
}

absl::string_view MethodOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(Key());
  if (found == context.client_metadata().end()) return "";
  return absl::StripPrefix(absl::string_view(found->second.data(), found->second.size()), "/");
}

CallFacts FactsOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(FactsKey());
  std::uintptr_t place = 0;
  if (found == context.client_metadata().end() ||
      !absl::SimpleAtoi(absl::string_view(found->second.data(), found->second.size()), &place)) {
    return {};
  }
  return *reinterpret_cast<const CallFacts*>(place);
}

}  // namespace godwit::rpc
