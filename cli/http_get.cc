#include "cli/http_get.h"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

absl::StatusOr<Fd> ConnectTo(const std::string& endpoint, absl::Duration patience) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos) return absl::InvalidArgumentError("HOST:PORT is needed");
  std::string host = endpoint.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const addrinfo wanted{.ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), endpoint.substr(colon + 1).c_str(), &wanted, &found);
  if (failed != 0)
    return absl::UnavailableError(absl::StrCat(endpoint, ": ", gai_strerror(failed)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &freeaddrinfo);
  const timeval wait = absl::ToTimeval(patience);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Fd fd(socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (!fd.valid()) continue;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0) return fd;
  }
  return absl::UnavailableError(absl::StrCat(endpoint, " cannot be reached"));
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& endpoint, const std::string& path,
                                    std::size_t most, absl::Duration patience, bool* cut) {
  *cut = false;
  const absl::Time end = absl::Now() + patience;
  ASSIGN_OR_RETURN(const Fd fd, ConnectTo(endpoint, patience));
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", endpoint, "\r\nConnection: close\r\n\r\n");
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError(absl::StrCat(endpoint, ": the request was not taken"));
  }
  std::string answer;
  char part[16384];
  while (absl::Now() < end) {
    const ssize_t got = recv(fd.get(), part, sizeof part, 0);
    if (got < 0) return absl::UnavailableError(absl::StrCat(endpoint, ": no answer in time"));
    if (got == 0) break;
    answer.append(part, static_cast<std::size_t>(got));
    if (answer.size() > most) {
      *cut = true;
      break;
    }
  }
  const std::vector<std::string> parts =
      absl::StrSplit(answer, absl::MaxSplits(absl::ByString("\r\n\r\n"), 1));
  if (parts.size() != 2 || !absl::StartsWith(answer, "HTTP/1.") || answer.substr(8, 5) != " 200 ") {
    return absl::UnavailableError(
        absl::StrCat(endpoint, path, ": ", answer.substr(0, answer.find('\r')).substr(0, 100)));
  }
  return parts[1];
}

}  // namespace godwit::cli
