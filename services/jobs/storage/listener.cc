#include "services/jobs/storage/listener.h"

#include <libpq-fe.h>
#include <poll.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/jobs/storage/pg_job_store.h"

namespace godwit::jobs {
namespace {

constexpr int kSliceMs = 200;  // how soon the end is noticed
constexpr int kReconnectSlices = 10;

using Connection = std::unique_ptr<PGconn, void (*)(PGconn*)>;

Connection Connect(const std::string& conninfo) {
  const char* keywords[] = {"dbname", "connect_timeout", "tcp_user_timeout", nullptr};
  const char* values[] = {conninfo.c_str(), "5", "30000", nullptr};
  return Connection(PQconnectdbParams(keywords, values, /*expand_dbname=*/1), &PQfinish);
}

}  // namespace

Listener::Listener(std::string conninfo, std::function<void()> wake)
    : conninfo_(std::move(conninfo)), wake_(std::move(wake)), thread_([this] { Loop(); }) {}

Listener::~Listener() {
  stopping_ = true;
  thread_.join();
}

void Listener::Loop() {
  while (!stopping_) {
    ListenOnce();
    for (int i = 0; i < kReconnectSlices && !stopping_; ++i) {
      absl::SleepFor(absl::Milliseconds(kSliceMs));
    }
  }
}

void Listener::ListenOnce() {
  const Connection connection = Connect(conninfo_);
  if (PQstatus(connection.get()) != CONNECTION_OK) return;
  PGresult* answer = PQexec(connection.get(), absl::StrCat("LISTEN ", kNotifyChannel).c_str());
  const bool listening = PQresultStatus(answer) == PGRES_COMMAND_OK;
  PQclear(answer);
  if (!listening) return;
  wake_();  // for what came while nobody listened
  while (!stopping_) {
    pollfd entry{.fd = PQsocket(connection.get()), .events = POLLIN, .revents = 0};
    if (poll(&entry, 1, kSliceMs) <= 0) continue;
    if (PQconsumeInput(connection.get()) == 0) return;
    bool heard = false;
    while (PGnotify* notify = PQnotifies(connection.get())) {
      PQfreemem(notify);
      heard = true;
    }
    if (heard) wake_();
  }
}

}  // namespace godwit::jobs
