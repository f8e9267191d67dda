// Hears of jobs that other processes created or cancelled. Only a wake-up: runners look by
// themselves too.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace godwit::jobs {

class Listener {
 public:
  // Calls `wake` from a thread of its own, also after each (re)connection.
  Listener(std::string conninfo, std::function<void()> wake);
  ~Listener();

 private:
  void Loop();
  // Listens until the connection is lost or the listener ends.
  void ListenOnce();

  const std::string conninfo_;
  const std::function<void()> wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace godwit::jobs
