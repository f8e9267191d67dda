#include "services/common/metrics/metrics.h"

#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/rpc/serve.h"

namespace godwit {

struct Samples::Families {
  std::map<std::string, prometheus::MetricFamily> by_name;

  prometheus::ClientMetric& Add(const std::string& name, const std::string& help,
                                prometheus::MetricType type, const Labels& labels) {
    prometheus::MetricFamily& family = by_name[name];
    family.name = name;
    family.help = help;
    family.type = type;
    prometheus::ClientMetric& metric = family.metric.emplace_back();
    for (const auto& [key, value] : labels) metric.label.push_back({key, value});
    return metric;
  }
};

Samples::Samples() : families_(std::make_unique<Families>()) {}
Samples::~Samples() = default;

void Samples::Gauge(const std::string& name, const std::string& help, const Labels& labels,
                    double value) {
  families_->Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Samples::Counter(const std::string& name, const std::string& help, const Labels& labels,
                      double value) {
  families_->Add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

namespace {

// Calls by method: how many ended how, and how long they took.
class Calls {
 public:
  explicit Calls(prometheus::Registry& registry)
      : count_(prometheus::BuildCounter()
                   .Name("godwit_rpc_calls_total")
                   .Help("Calls that ended, by method and gRPC status code.")
                   .Register(registry)),
        seconds_(prometheus::BuildHistogram()
                     .Name("godwit_rpc_seconds")
                     .Help("How long calls took.")
                     .Register(registry)) {}
  void Served(absl::string_view method, int code, absl::Duration took) {
    const std::string name(method);
    count_.Add({{"method", name}, {"code", absl::StrCat(code)}}).Increment();
    seconds_.Add({{"method", name}}, kBounds).Observe(absl::ToDoubleSeconds(took));
  }

 private:
  const prometheus::Histogram::BucketBoundaries kBounds = {0.001, 0.003, 0.01, 0.03, 0.1,
                                                           0.3,   1,     3,    10,   30};
  prometheus::Family<prometheus::Counter>& count_;
  prometheus::Family<prometheus::Histogram>& seconds_;
};

void CollectProcess(const std::string& version, absl::Time started, Samples& to) {
  to.Gauge("godwit_build_info", "Always 1; the version is a label.", {{"version", version}}, 1);
  to.Gauge("process_start_time_seconds", "When the process started, since 1970.", {},
           absl::ToDoubleSeconds(started - absl::UnixEpoch()));
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    to.Counter("process_cpu_seconds_total", "User and system time.", {},
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::uint64_t pages = 0, resident = 0;
  if (std::ifstream("/proc/self/statm") >> pages >> resident) {
    to.Gauge("process_resident_memory_bytes", "Memory in use.", {},
             static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  double files = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++files;
  }
  to.Gauge("process_open_fds", "Open files and connections.", {}, files);
}

// Asks all that was added.
class Collectors final : public prometheus::Collectable {
 public:
  void Add(std::function<void(Samples&)> collect) {
    absl::MutexLock lock(&mutex_);
    collectors_.push_back(std::move(collect));
  }
  std::vector<prometheus::MetricFamily> Collect() const override {
    absl::MutexLock lock(&mutex_);
    Samples samples;
    for (const auto& collect : collectors_) collect(samples);
    std::vector<prometheus::MetricFamily> families;
    for (auto& [name, family] : samples.families().by_name) families.push_back(std::move(family));
    return families;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::function<void(Samples&)>> collectors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct MetricsServer::Exposed {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<Collectors> collectors = std::make_shared<Collectors>();
  Calls calls{*registry};
  std::unique_ptr<prometheus::Exposer> exposer;  // null: nothing is served
};

MetricsServer::MetricsServer() : exposed_(std::make_unique<Exposed>()) {}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& listen,
                                                                    const std::string& version) {
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  if (listen.empty()) return server;
  Exposed& exposed = *server->exposed_;
  try {
    exposed.exposer = std::make_unique<prometheus::Exposer>(listen, /*num_threads=*/2);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("--metrics-listen: cannot listen on ", listen, ": ", error.what()));
  }
  server->Add(
      [version, started = absl::Now()](Samples& to) { CollectProcess(version, started, to); });
  exposed.exposer->RegisterCollectable(exposed.registry);
  exposed.exposer->RegisterCollectable(exposed.collectors);
  rpc::ObserveCalls([&exposed](absl::string_view method, int code, absl::Duration took) {
    exposed.calls.Served(method, code, took);
  });
  Log(Severity::kInfo, "metrics", {{"port", absl::StrCat(server->port())}});
  return server;
}

std::unique_ptr<MetricsServer> MetricsServer::Unserved(const std::string& version) {
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  server->Add(
      [version, started = absl::Now()](Samples& to) { CollectProcess(version, started, to); });
  return server;
}

std::string MetricsServer::Text() const {
  std::vector<prometheus::MetricFamily> families = exposed_->registry->Collect();
  for (prometheus::MetricFamily& family : exposed_->collectors->Collect()) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

MetricsServer::~MetricsServer() {
  if (exposed_->exposer == nullptr) return;
  rpc::ObserveCalls(nullptr);
  exposed_->exposer.reset();
}

void MetricsServer::Add(std::function<void(Samples&)> collect) {
  exposed_->collectors->Add(std::move(collect));
}

int MetricsServer::port() const {
  if (exposed_->exposer == nullptr) return 0;
  const std::vector<int> ports = exposed_->exposer->GetListeningPorts();
  return ports.empty() ? 0 : ports[0];
}

}  // namespace godwit
