// How long a certificate is good, and what to do before and after its end. Pure, thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::rpc {

struct CertificateLife {
  absl::Time begin, end;

  // Two thirds of the life: from then on it should be replaced.
  absl::Time due() const { return begin + (end - begin) * 2 / 3; }
};

// Of the first certificate in `pem`. INVALID_ARGUMENT: there is none.
absl::StatusOr<CertificateLife> LifeOf(const std::string& pem);

// FAILED_PRECONDITION when the first certificate in `pem` is not good at `now`: names it by `path`,
// says when it ended (or begins) and that `remedy` is to be done.
absl::Status CheckLife(const std::string& pem, absl::string_view path, absl::string_view remedy,
                       absl::Time now);

// The remedy for certificates that ca-issue makes.
std::string IssueAnew(absl::string_view folder);

}  // namespace godwit::rpc
