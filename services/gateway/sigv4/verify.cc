#include "services/gateway/sigv4/verify.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/gateway/http/percent.h"

namespace godwit::gateway::sigv4 {
namespace {

constexpr char kInvalid[] = "InvalidSignatureException";
constexpr char kIncomplete[] = "IncompleteSignatureException";
constexpr char kUnrecognized[] = "UnrecognizedClientException";

bool IsSigned(const Authorization& authorization, absl::string_view name) {
  return std::find(authorization.signed_headers.begin(), authorization.signed_headers.end(),
                   name) != authorization.signed_headers.end();
}

std::optional<Refusal> CheckPresence(const Request& request) {
  const absl::string_view header = request.head.Header("authorization");
  const auto query = ParseQuery(request.head.query());
  if (!query) {
    return Refusal{.status = 400,
                   .code = "MalformedHttpRequestException",
                   .message = "the query is malformed"};
  }
  for (const auto& [key, value] : *query) {
    if (absl::StartsWithIgnoreCase(key, "x-amz-")) {
      return Refusal{.code = kIncomplete,
                     .message = "presigned addresses are not accepted; sign the headers"};
    }
  }
  if (header.empty()) {
    return Refusal{.code = "MissingAuthenticationTokenException",
                   .message = "the request is not signed"};
  }
  if (absl::StartsWith(header, "AWS4-ECDSA-P256-SHA256")) {
    return Refusal{.code = kIncomplete,
                   .message = "SigV4A is not accepted; sign with AWS4-HMAC-SHA256"};
  }
  return std::nullopt;
}

// "20260102T030405Z". (absl::ParseTime cannot: its %Y takes all digits.)
std::optional<absl::Time> ParseTime(absl::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t length) {
    int value = 0;
    for (const char c : text.substr(at, length)) {
      value = absl::ascii_isdigit(c) && value >= 0 ? value * 10 + (c - '0') : -1;
    }
    return value;
  };
  const int year = number(0, 4), month = number(4, 2), day = number(6, 2);
  const int hour = number(9, 2), minute = number(11, 2), second = number(13, 2);
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  // Anything out of range is moved by CivilSecond and then differs.
  if (civil.year() != year || civil.month() != month || civil.day() != day ||
      civil.hour() != hour || civil.minute() != minute || civil.second() != second) {
    return std::nullopt;
  }
  return absl::FromCivil(civil, absl::UTCTimeZone());
}

std::optional<Refusal> CheckTime(const Authorization& authorization, absl::string_view text,
                                 const Rules& rules, absl::Time now) {
  const std::optional<absl::Time> parsed = ParseTime(text);
  if (!parsed) {
    return Refusal{.code = kIncomplete, .message = "x-amz-date must be YYYYMMDDTHHMMSSZ"};
  }
  const absl::Time time = *parsed;
  if (authorization.date != text.substr(0, 8)) {
    return Refusal{.code = kInvalid,
                   .message = "the date of the credential is not that of x-amz-date"};
  }
  if (time < now - rules.window || time > now + rules.window) {
    const std::string here = absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
    return Refusal{.code = kInvalid,
                   .message = absl::StrCat(
                       time < now ? "Signature expired: " : "Signature not yet current: ", text,
                       " is more than ", absl::FormatDuration(rules.window), " from ", here)};
  }
  return std::nullopt;
}

std::optional<Refusal> CheckScope(const Authorization& authorization, const Rules& rules) {
  if (authorization.service != rules.service) {
    return Refusal{.code = kInvalid,
                   .message = absl::StrCat("Credential should be scoped to correct service: '",
                                           rules.service, "'")};
  }
  if (std::find(rules.regions.begin(), rules.regions.end(), authorization.region) ==
      rules.regions.end()) {
    return Refusal{.code = kInvalid,
                   .message = absl::StrCat("Credential should be scoped to a valid region: ",
                                           absl::StrJoin(rules.regions, ", "))};
  }
  return std::nullopt;
}

std::optional<Refusal> CheckHeaders(const Request& request, const Authorization& authorization) {
  for (const char* needed : {"host", "x-amz-date"}) {
    if (!IsSigned(authorization, needed)) {
      return Refusal{.code = kInvalid, .message = absl::StrCat("'", needed, "' must be signed")};
    }
  }
  for (const auto& [name, value] : request.head.headers) {
    if (absl::StartsWith(name, "x-amz-") && !IsSigned(authorization, name)) {
      return Refusal{.code = kInvalid, .message = absl::StrCat("'", name, "' is not signed")};
    }
  }
  const absl::string_view hash = request.head.Header("x-amz-content-sha256");
  if (!hash.empty() && hash != HexSha256(request.body)) {
    return Refusal{.code = kInvalid, .message = "x-amz-content-sha256 is not the body's"};
  }
  return std::nullopt;
}

}  // namespace

std::variant<Claim, Refusal> Examine(const Request& request, const Rules& rules, absl::Time now) {
  if (const auto refusal = CheckPresence(request)) return *refusal;
  const std::optional<Authorization> authorization =
      ParseAuthorization(request.head.Header("authorization"));
  if (!authorization) {
    return Refusal{.code = kIncomplete,
                   .message =
                       "Authorization must be AWS4-HMAC-SHA256 with Credential, "
                       "SignedHeaders (ascending, in lower case) and Signature"};
  }
  const absl::string_view time = request.head.Header("x-amz-date");
  if (const auto refusal = CheckHeaders(request, *authorization)) return *refusal;
  if (const auto refusal = CheckTime(*authorization, time, rules, now)) return *refusal;
  if (const auto refusal = CheckScope(*authorization, rules)) return *refusal;
  const std::optional<std::string> canonical =
      CanonicalRequest(request, authorization->signed_headers);
  if (!canonical) {
    return Refusal{.code = kInvalid, .message = "a signed header is missing or given twice"};
  }
  return Claim{.authorization = *authorization,
               .string_to_sign = StringToSign(*authorization, time, *canonical)};
}

std::variant<Caller, Refusal> Verify(const Request& request, const Rules& rules, absl::Time now,
                                     KeySource& keys, const std::string& request_id) {
  std::variant<Claim, Refusal> examined = Examine(request, rules, now);
  if (const Refusal* refusal = std::get_if<Refusal>(&examined)) return *refusal;
  const Claim& claim = std::get<Claim>(examined);
  const absl::StatusOr<SigningKey> found = keys.Get(claim.authorization, request_id);
  if (!found.ok() && !absl::IsNotFound(found.status())) {
    return Refusal{.status = 503,
                   .code = "ServiceUnavailableException",
                   .message = "access keys cannot be looked up now"};
  }
  const std::string signature = absl::BytesToHexString(
      HmacSha256(found.ok() ? found->key : std::string(32, '\0'), claim.string_to_sign));
  const bool equal =
      signature.size() == claim.authorization.signature.size() &&
      CRYPTO_memcmp(signature.data(), claim.authorization.signature.data(), signature.size()) == 0;
  if (!found.ok()) {
    return Refusal{.code = kUnrecognized,
                   .message = "The security token included in the request is invalid."};
  }
  if (!equal) {
    return Refusal{.code = kInvalid,
                   .message =
                       "The request signature we calculated does not match the signature "
                       "you provided. Check your secret access key and signing method."};
  }
  if (found->disabled) {
    return Refusal{.code = kUnrecognized, .message = "The access key is disabled."};
  }
  return Caller{.key_id = claim.authorization.key_id,
                .principal = found->principal,
                .profile = found->profile};
}

}  // namespace godwit::gateway::sigv4
