// What a process tells Prometheus, over plain HTTP: GET /metrics. docs/metrics.md lists all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit {

// What one scrape gets. Names end with the unit; all but those of the process itself begin with
// "godwit_".
class Samples {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  Samples();
  ~Samples();
  Samples(const Samples&) = delete;
  void Gauge(const std::string& name, const std::string& help, const Labels& labels, double value);
  // Only grows while the process (or what the help text names) lives; the name ends with "_total".
  void Counter(const std::string& name, const std::string& help, const Labels& labels,
               double value);

  struct Families;
  Families& families() { return *families_; }

 private:
  const std::unique_ptr<Families> families_;
};

// Serves the process's own figures, those of its calls (rpc::Serve) and what Add() adds.
// Thread-safe. One for a process.
class MetricsServer {
 public:
  // `listen`: "address:port"; port 0: any. Empty: nothing is served. UNAVAILABLE: the address
  // cannot be used.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& listen,
                                                              const std::string& version);
  // For a process that serves GET /metrics itself: nothing listens here, Text() is what to answer.
  static std::unique_ptr<MetricsServer> Unserved(const std::string& version);
  std::string Text() const;
  ~MetricsServer();
  // Called for each scrape, from a thread of its own, until the server is gone; must not throw.
  // What it cannot find out it leaves out.
  void Add(std::function<void(Samples&)> collect);
  // 0: nothing is served.
  int port() const;

 private:
  MetricsServer();
  struct Exposed;
  const std::unique_ptr<Exposed> exposed_;
};

// For the flag --metrics-listen.
inline constexpr char kMetricsListenHelp[] =
    "address:port for Prometheus, plain HTTP without authentication: for a network that only it "
    "reaches; empty: none";

}  // namespace godwit
