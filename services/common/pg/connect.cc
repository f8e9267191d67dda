#include "services/common/pg/connect.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/base/status_macros.h"

namespace godwit::pg {
namespace {

constexpr absl::Duration kMostPerAddress = absl::Seconds(5);

// As libpq's parameters of these names; an empty one is left to `conninfo` and its defaults.
struct Place {
  std::string host, hostaddr, port;
};

// The hosts of `conninfo` in its order. One empty place where it names none, or where its lists do
// not belong together: libpq says what is wrong.
std::vector<Place> HostsOf(const std::string& conninfo) {
  std::map<std::string, std::vector<std::string>> lists;
  PQconninfoOption* const parsed = PQconninfoParse(conninfo.c_str(), nullptr);
  for (const PQconninfoOption* option = parsed; option != nullptr && option->keyword != nullptr;
       ++option) {
    if (option->val != nullptr && *option->val != '\0') {
      lists[option->keyword] = absl::StrSplit(option->val, ',');
    }
  }
  PQconninfoFree(parsed);
  const auto &hosts = lists["host"], &addresses = lists["hostaddr"], &ports = lists["port"];
  const std::size_t count = std::max(hosts.size(), addresses.size());
  const auto fits = [&](const std::vector<std::string>& list) {
    return list.empty() || list.size() == count;
  };
  if (count == 0 || !fits(hosts) || !fits(addresses) || (!fits(ports) && ports.size() != 1)) {
    return {Place()};
  }
  std::vector<Place> places(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!hosts.empty()) places[i].host = hosts[i];
    if (!addresses.empty()) places[i].hostaddr = addresses[i];
    if (!ports.empty()) places[i].port = ports[ports.size() == 1 ? 0 : i];
  }
  return places;
}

// `place` once for each address of its name; sockets, and those with an address, as they are.
absl::StatusOr<std::vector<Place>> AddressesOf(const Place& place) {
  std::vector<Place> places;
  if (place.host.empty() || !place.hostaddr.empty() || place.host[0] == '/' ||
      place.host[0] == '@') {
    places.push_back(place);
    return places;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(place.host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return absl::UnavailableError(
        absl::StrCat("host \"", place.host, "\" has no address: ", gai_strerror(failed)));
  }
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      places.push_back({place.host, text, place.port});
    }
  }
  freeaddrinfo(found);
  return places;
}

std::string NameOf(const Place& place) {
  return absl::StrCat("\"", place.host.empty() ? place.hostaddr : place.host, "\"",
                      place.port.empty() ? "" : absl::StrCat(", port ", place.port));
}

// Leads what PQconnectStart began to its end.
absl::Status Finish(PGconn* begun, const Place& place, absl::Duration patience) {
  const absl::Duration end = RealClock().Monotonic() + patience;
  PostgresPollingStatusType wanted =
      PQstatus(begun) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (wanted == PGRES_POLLING_READING || wanted == PGRES_POLLING_WRITING) {
    const absl::Duration left = end - RealClock().Monotonic();
    pollfd ready = {PQsocket(begun),
                    static_cast<short>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    const int wait_ms =
        static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
    const int polled = left > absl::ZeroDuration() ? poll(&ready, 1, wait_ms) : 0;
    if (polled == 0) {
      return absl::UnavailableError(
          absl::StrCat("server at ", NameOf(place), ": no answer within ",
                       absl::FormatDuration(absl::Trunc(patience, absl::Milliseconds(1)))));
    }
    if (polled > 0) wanted = PQconnectPoll(begun);
  }
  if (wanted == PGRES_POLLING_OK) return absl::OkStatus();
  return absl::UnavailableError(absl::StripAsciiWhitespace(PQerrorMessage(begun)));
}

absl::StatusOr<Handle> Try(const std::string& conninfo, const std::string& options,
                           const Place& place, absl::Duration patience) {
  std::vector<const char*> keywords = {"dbname", "keepalives_idle", "tcp_user_timeout", "options"};
  std::vector<const char*> values = {conninfo.c_str(), "30", "30000", options.c_str()};
  const auto set = [&](const char* keyword, const std::string& value) {
    if (value.empty()) return;
    keywords.push_back(keyword);
    values.push_back(value.c_str());
  };
  set("host", place.host);
  set("hostaddr", place.hostaddr);
  set("port", place.port);
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  Handle begun(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1),
               &PQfinish);
  if (begun == nullptr) return absl::UnavailableError("out of memory");
  RETURN_IF_ERROR(Finish(begun.get(), place, patience));
  return begun;
}

// At one of the host's addresses. The error names all that was tried.
absl::StatusOr<Handle> OpenAny(const std::string& conninfo, const std::string& options,
                               const Place& host) {
  ASSIGN_OR_RETURN(const std::vector<Place> addresses, AddressesOf(host));
  std::vector<std::string> failures;
  for (std::size_t i = 0; i < addresses.size() && TimeLeft() > absl::ZeroDuration(); ++i) {
    const absl::Duration share = TimeLeft() / static_cast<std::int64_t>(addresses.size() - i);
    absl::StatusOr<Handle> open =
        Try(conninfo, options, addresses[i], std::min(share, kMostPerAddress));
    if (open.ok()) return open;
    failures.emplace_back(open.status().message());
  }
  return absl::UnavailableError(absl::StrJoin(failures, "; "));
}

}  // namespace

absl::StatusOr<Handle> Connect(const std::string& conninfo, const std::string& options) {
  std::vector<std::string> failures;
  const std::vector<Place> hosts = HostsOf(conninfo);
  for (std::size_t host = 0; host < hosts.size() && TimeLeft() > absl::ZeroDuration(); ++host) {
    const DeadlineScope of_host(TimeLeft() / static_cast<std::int64_t>(hosts.size() - host));
    absl::StatusOr<Handle> open = OpenAny(conninfo, options, hosts[host]);
    if (open.ok()) return open;
    failures.emplace_back(open.status().message());
  }
  const std::string text = absl::StrJoin(failures, "; ");
  if (TimeLeft() > absl::ZeroDuration()) {
    return absl::UnavailableError(absl::StrCat("PostgreSQL: ", text));
  }
  return absl::DeadlineExceededError(
      absl::StrCat("PostgreSQL: the caller's time is over", text.empty() ? "" : ": ", text));
}

}  // namespace godwit::pg
