#include "services/registry/clients/webhook_http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMostAnswer = 64 * 1024;  // bytes of body and of head that are read
constexpr absl::Duration kConnect = absl::Seconds(5);

using Handle = std::unique_ptr<CURL, void (*)(CURL*)>;
using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

// What the callbacks of one transfer share.
struct Transfer {
  const AddressPolicy& policy;
  const std::atomic<bool>& stop;
  const bool only_loopback;
  absl::Status refused;  // the last address that was
  std::size_t read = 0;
};

void StartCurl() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  GODWIT_CHECK(ready);
}

// Of a URL as curl reads it: what is checked is what is connected to.
absl::StatusOr<std::string> Part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  const CURLUcode code = curl_url_get(url.get(), part, &text, 0);
  const std::string copy(text == nullptr ? "" : text);
  curl_free(text);
  if (code == CURLUE_OK) return copy;
  return absl::NotFoundError(curl_url_strerror(code));
}

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  StartCurl();
  Url url(curl_url(), &curl_url_cleanup);
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER);
  if (code == CURLUE_OK) return url;
  return absl::InvalidArgumentError(code == CURLUE_USER_NOT_ALLOWED
                                        ? "must have no user and no password"
                                        : absl::StrCat("is no URL: ", curl_url_strerror(code)));
}

// Without the brackets of IPv6.
absl::StatusOr<std::string> HostOf(const Url& url) {
  ASSIGN_OR_RETURN(std::string host, Part(url, CURLUPART_HOST));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

Address AddressOfSocket(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    return AddressOf({reinterpret_cast<const char*>(&in.sin_addr), 4});
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
  return AddressOf({reinterpret_cast<const char*>(&in6.sin6_addr), 16});
}

curl_socket_t OpenSocket(void* context, curlsocktype, curl_sockaddr* to) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (to->family != AF_INET && to->family != AF_INET6) return CURL_SOCKET_BAD;
  const Address address = AddressOfSocket(to->addr);
  absl::Status allowed = transfer.policy.Check(address);
  if (allowed.ok() && transfer.only_loopback && !IsLoopback(address)) {
    allowed = absl::PermissionDeniedError(
        absl::StrCat(FormatAddress(address), " is no loopback address; http:// is for those only"));
  }
  if (allowed.ok()) return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  transfer.refused = allowed;
  return CURL_SOCKET_BAD;
}

// Body and head are thrown away; too much of them ends the transfer.
std::size_t Discard(char*, std::size_t size, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  transfer.read += size * count;
  return transfer.read > kMostAnswer ? 0 : size * count;
}

int Progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(context)->stop ? 1 : 0;
}

void SetUp(CURL* curl, const HttpPost& post, Transfer& transfer) {
  curl_easy_setopt(curl, CURLOPT_URL, post.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(post.timeout)));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(std::min(post.timeout, kConnect))));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!post.ca_pem.empty()) {
    curl_blob blob{.data = const_cast<char*>(post.ca_pem.data()),
                   .len = post.ca_pem.size(),
                   .flags = CURL_BLOB_COPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(post.body.size()));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &OpenSocket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Discard);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Discard);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

std::string ErrorOf(CURLcode code, int status, const Transfer& transfer, absl::string_view detail) {
  if (status >= 200 && status < 300) return "";
  if (status >= 300 && status < 400) {
    return absl::StrCat("HTTP ", status, ": redirects are not followed");
  }
  if (status > 0) return absl::StrCat("HTTP ", status);
  if (!transfer.refused.ok()) return std::string(transfer.refused.message());
  return absl::StrCat(curl_easy_strerror(code), detail.empty() ? "" : ": ", detail);
}

}  // namespace

absl::Status CheckWebhookUrl(const std::string& url, const AddressPolicy& policy) {
  ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  ASSIGN_OR_RETURN(const std::string scheme, Part(parsed, CURLUPART_SCHEME));
  if (scheme != "https" && scheme != "http") {
    return absl::InvalidArgumentError("must begin with https://");
  }
  if (Part(parsed, CURLUPART_FRAGMENT).ok()) {
    return absl::InvalidArgumentError("must have no fragment (#)");
  }
  ASSIGN_OR_RETURN(const std::string host, HostOf(parsed));
  const absl::StatusOr<Address> address = ParseAddress(host);
  if (scheme == "http" && host != "localhost" && !(address.ok() && IsLoopback(*address))) {
    return absl::InvalidArgumentError(
        "must begin with https://; http:// is for loopback addresses only");
  }
  const absl::Status allowed = address.ok() ? policy.Check(*address) : absl::OkStatus();
  return allowed.ok() ? allowed : absl::InvalidArgumentError(allowed.message());
}

absl::Status CheckCaPem(const std::string& pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  int count = 0;
  while (X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509_free(certificate);
    ++count;
  }
  if (count > 0 && !absl::StrContains(pem, "PRIVATE KEY")) return absl::OkStatus();
  return absl::InvalidArgumentError("must be PEM certificates, and nothing else");
}

HttpAnswer PostToWebhook(const HttpPost& post, const AddressPolicy& policy,
                         const std::atomic<bool>& stop) {
  StartCurl();
  const Handle curl(curl_easy_init(), &curl_easy_cleanup);
  if (curl == nullptr) return {.error = "out of memory"};
  Transfer transfer{.policy = policy,
                    .stop = stop,
                    .only_loopback = absl::StartsWithIgnoreCase(post.url, "http:")};
  curl_slist* headers = nullptr;
  for (const std::string& header : post.headers) {
    headers = curl_slist_append(headers, header.c_str());
  }
  headers = curl_slist_append(headers, "Expect:");  // the body goes at once
  char detail[CURL_ERROR_SIZE] = "";
  SetUp(curl.get(), post, transfer);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, detail);
  const absl::Time start = SteadyNow();
  const CURLcode code = curl_easy_perform(curl.get());
  HttpAnswer answer{.stopped = code == CURLE_ABORTED_BY_CALLBACK, .took = SteadyNow() - start};
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_slist_free_all(headers);
  answer.status = static_cast<int>(status);
  answer.error = ErrorOf(code, answer.status, transfer, detail);
  return answer;
}

}  // namespace godwit::registry
