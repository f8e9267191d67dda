// When the certificates of a process end, for alerts that come early enough.
#pragma once

#include <functional>
#include <string>

#include "services/common/metrics/metrics.h"

namespace godwit {

// For MetricsServer::Add. Reads tls.crt and ca.crt of the folder at each scrape, because they are
// replaced while the process runs.
std::function<void(Samples&)> CertificateEnds(const std::string& tls_dir);

}  // namespace godwit
