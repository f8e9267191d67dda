// A request from the wire up to what its signature is compared with.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "services/gateway/http/head.h"
#include "services/gateway/http/percent.h"
#include "services/gateway/sigv4/verify.h"

namespace {

void Must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace godwit::gateway;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find("\r\n\r\n");
  const std::size_t head_size = end == absl::string_view::npos ? size : end + 4;
  const auto parsed = ParseHead(input.substr(0, head_size));
  if (const auto* fault = std::get_if<HeadFault>(&parsed)) {
    Must(fault->status >= 400 && fault->status < 600 && !fault->message.empty());
    return 0;
  }
  Request request{.head = std::get<Head>(parsed), .body = std::string(input.substr(head_size))};
  Must(request.head.content_length <= kMostBodyBytes);
  // Once canonical, a query stays what it is.
  if (const auto query = sigv4::CanonicalQuery(request.head.query())) {
    Must(sigv4::CanonicalQuery(*query) == *query);
  }
  if (const auto decoded = PercentDecode(request.head.path())) {
    Must(PercentDecode(PercentEncode(*decoded)) == *decoded);
  }
  const auto claim = sigv4::Examine(request, {.regions = {"us-east-1"}, .service = "mgn"},
                                    absl::FromUnixSeconds(1767323045));
  if (const auto* good = std::get_if<sigv4::Claim>(&claim)) {
    const auto canonical = sigv4::CanonicalRequest(request, good->authorization.signed_headers);
    Must(canonical.has_value());
    Must(good->authorization.signature.size() == 64 && good->authorization.service == "mgn");
    // Five lines before the headers and two after: nothing of the request makes lines of its own.
    std::size_t lines = 0;
    for (const char c : *canonical) lines += c == '\n' ? 1 : 0;
    Must(lines == good->authorization.signed_headers.size() + 5);
  } else {
    Must(!std::get<sigv4::Refusal>(claim).code.empty());
  }
  return 0;
}
