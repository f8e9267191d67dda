#include "services/common/metrics/service_metrics.h"

#include "services/common/metrics/certificate_metrics.h"
#include "services/common/rpc/lifeline.h"

namespace godwit {

void CollectService(const rpc::Lifeline* lifeline, const rpc::TlsMaterial& tls, Samples& to) {
  if (lifeline != nullptr) {
    to.Gauge("godwit_ready", "1 while calls can be answered.", {}, lifeline->ready());
  }
  CertificateEnds(tls.dir)(to);
}

}  // namespace godwit
