// The MGN API: from a request to its answer. Route, signature, validation, operation, answer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/gateway/http/head.h"
#include "services/gateway/mgn/errors.h"
#include "services/gateway/mgn/names.h"
#include "services/gateway/sigv4/verify.h"

namespace godwit::gateway::mgn {

struct Services;

struct FaceOptions {
  sigv4::Rules rules;
  std::string account = "000000000000";
  // Of one operation, all its calls of services together.
  absl::Duration time = absl::Seconds(25);
};

struct OperationCount {
  std::uint64_t count = 0;
  double seconds = 0;
};

// Thread-safe.
class Face {
 public:
  // All must outlive it.
  Face(FaceOptions options, const Services& services, sigv4::KeySource& keys, Clock& clock);
  // Blocks while services are asked. Logs one line a request.
  Response Handle(const Request& request);
  // By operation ("-": none was found) and status.
  std::map<std::pair<std::string, int>, OperationCount> counts() const;

 private:
  struct Trace;
  Response Answer(const Request& request, Trace& trace);

  const FaceOptions options_;
  const Services& services_;
  sigv4::KeySource& keys_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  std::map<std::pair<std::string, int>, OperationCount> counts_ ABSL_GUARDED_BY(mutex_);
};

// x-amzn-RequestId, and for errors x-amzn-ErrorType and Retry-After.
Response ErrorResponse(const ApiError& error, const std::string& request_id);
// The same for a request that could not be read.
Response FaultResponse(const HeadFault& fault, const std::string& request_id);
// More requests wait than may.
Response OverloadedResponse(const std::string& request_id);

}  // namespace godwit::gateway::mgn
