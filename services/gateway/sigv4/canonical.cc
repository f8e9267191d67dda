#include "services/gateway/sigv4/canonical.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/gateway/http/percent.h"

namespace godwit::gateway::sigv4 {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";
constexpr std::size_t kMostSignedHeaders = 64;

bool AllOf(absl::string_view text, std::size_t least, std::size_t most, bool (*allowed)(char)) {
  return text.size() >= least && text.size() <= most &&
         std::all_of(text.begin(), text.end(), allowed);
}
bool IsWordByte(char c) { return absl::ascii_isalnum(c); }
bool IsScopeByte(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-'; }
bool IsDigitByte(char c) { return absl::ascii_isdigit(c); }
bool IsHexByte(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }
bool IsNameByte(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
         (c != '\0' && absl::StrContains("!#$%&'*+-.^_`|~", c));
}

bool ParseCredential(absl::string_view value, Authorization& out) {
  const std::vector<absl::string_view> parts = absl::StrSplit(value, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request") return false;
  out.key_id = std::string(parts[0]);
  out.date = std::string(parts[1]);
  out.region = std::string(parts[2]);
  out.service = std::string(parts[3]);
  return AllOf(out.key_id, 4, 128, IsWordByte) && AllOf(out.date, 8, 8, IsDigitByte) &&
         AllOf(out.region, 1, 64, IsScopeByte) && AllOf(out.service, 1, 64, IsScopeByte);
}

bool ParseSignedHeaders(absl::string_view value, Authorization& out) {
  out.signed_headers = absl::StrSplit(value, ';');
  if (out.signed_headers.size() > kMostSignedHeaders) return false;
  for (std::size_t i = 0; i < out.signed_headers.size(); ++i) {
    const std::string& name = out.signed_headers[i];
    if (!AllOf(name, 1, 256, IsNameByte)) return false;
    if (i > 0 && out.signed_headers[i - 1] >= name) return false;  // unsorted, or twice
  }
  return true;
}

// Blanks at the ends gone, runs of blanks as one.
std::string Trimmed(absl::string_view value) {
  return absl::StrJoin(absl::StrSplit(value, absl::ByAnyChar(" \t"), absl::SkipEmpty()), " ");
}

}  // namespace

std::optional<Authorization> ParseAuthorization(absl::string_view header) {
  if (!absl::ConsumePrefix(&header, absl::StrCat(kAlgorithm, " "))) return std::nullopt;
  Authorization out;
  bool credential = false, headers = false, signature = false;
  for (absl::string_view part : absl::StrSplit(header, ',')) {
    part = absl::StripAsciiWhitespace(part);
    bool good = false;
    if (absl::ConsumePrefix(&part, "Credential=") && !credential) {
      good = credential = ParseCredential(part, out);
    } else if (absl::ConsumePrefix(&part, "SignedHeaders=") && !headers) {
      good = headers = ParseSignedHeaders(part, out);
    } else if (absl::ConsumePrefix(&part, "Signature=") && !signature) {
      out.signature = std::string(part);
      good = signature = AllOf(part, 64, 64, IsHexByte);
    }
    if (!good) return std::nullopt;
  }
  if (!credential || !headers || !signature) return std::nullopt;
  return out;
}

std::string CanonicalPath(absl::string_view path) {
  std::vector<absl::string_view> kept;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string normal = absl::StrCat("/", absl::StrJoin(kept, "/"));
  if (absl::EndsWith(path, "/") && !kept.empty()) normal += "/";
  return PercentEncode(normal, "/");
}

std::optional<std::string> CanonicalQuery(absl::string_view query) {
  const auto parsed = ParseQuery(query);
  if (!parsed) return std::nullopt;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : *parsed) {
    pairs.emplace_back(PercentEncode(key), PercentEncode(value));
  }
  std::sort(pairs.begin(), pairs.end());
  return absl::StrJoin(pairs, "&", absl::PairFormatter("="));
}

std::optional<std::string> CanonicalRequest(const Request& request,
                                            const std::vector<std::string>& signed_headers) {
  const std::optional<std::string> query = CanonicalQuery(request.head.query());
  if (!query) return std::nullopt;
  std::string headers;
  for (const std::string& name : signed_headers) {
    const std::string* value = nullptr;
    for (const auto& [key, text] : request.head.headers) {
      if (key != name) continue;
      if (value != nullptr) return std::nullopt;
      value = &text;
    }
    if (value == nullptr) return std::nullopt;
    absl::StrAppend(&headers, name, ":", Trimmed(*value), "\n");
  }
  return absl::StrCat(request.head.method, "\n", CanonicalPath(request.head.path()), "\n", *query,
                      "\n", headers, "\n", absl::StrJoin(signed_headers, ";"), "\n",
                      HexSha256(request.body));
}

std::string StringToSign(const Authorization& authorization, absl::string_view time,
                         absl::string_view canonical_request) {
  return absl::StrCat(kAlgorithm, "\n", time, "\n", authorization.date, "/", authorization.region,
                      "/", authorization.service, "/aws4_request\n", HexSha256(canonical_request));
}

std::string HexSha256(absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), size});
}

std::string HmacSha256(absl::string_view key, absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

std::string SigningKeyOf(absl::string_view secret, absl::string_view date, absl::string_view region,
                         absl::string_view service) {
  std::string key = absl::StrCat("AWS4", secret);
  for (const absl::string_view part : {date, region, service, absl::string_view("aws4_request")}) {
    key = HmacSha256(key, part);
  }
  return key;
}

}  // namespace godwit::gateway::sigv4
