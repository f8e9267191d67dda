// AWS Signature Version 4: what is signed. Pure; its input is hostile (fuzzed).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/gateway/http/head.h"

namespace godwit::gateway::sigv4 {

// What an Authorization header says.
struct Authorization {
  std::string key_id;
  std::string date;    // YYYYMMDD
  std::string region;  // "us-east-1"
  std::string service;
  std::vector<std::string> signed_headers;  // in lower case, ascending
  std::string signature;                    // 64 lower-case hex digits
};

// Nothing when it is malformed or of another algorithm than AWS4-HMAC-SHA256.
std::optional<Authorization> ParseAuthorization(absl::string_view header);

// The path as it is signed: without dot segments and empty ones, then encoded once more, for
// clients sign the encoded path encoded (all services but S3).
std::string CanonicalPath(absl::string_view path);
// Decoded, encoded one way, sorted by name and then value. Nothing when an escape is malformed.
std::optional<std::string> CanonicalQuery(absl::string_view query);

// The text whose hash is signed. Nothing when a signed header is absent or there twice, or the
// query is malformed.
std::optional<std::string> CanonicalRequest(const Request& request,
                                            const std::vector<std::string>& signed_headers);

// The text whose HMAC is the signature. `time` is x-amz-date.
std::string StringToSign(const Authorization& authorization, absl::string_view time,
                         absl::string_view canonical_request);

std::string HexSha256(absl::string_view text);  // lower case
std::string HmacSha256(absl::string_view key, absl::string_view text);
// What the secret becomes for one day, region and service. For tests and tools: gateways are given
// this key and never the secret.
std::string SigningKeyOf(absl::string_view secret, absl::string_view date, absl::string_view region,
                         absl::string_view service);

}  // namespace godwit::gateway::sigv4
