// A conversion task as the service keeps it. What it converts and what came out are opaque here:
// serialized messages that only the edges read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace godwit::conversion {

// Numbers are stored and equal those of the contract.
enum class TaskState { kPending = 1, kRunning = 2, kSucceeded = 3, kFailed = 4, kCancelled = 5 };
enum class TaskMode { kPreflight = 1, kAppend = 2, kRegenerate = 3, kDiff = 4, kUndo = 5 };

constexpr bool HasEnded(TaskState state) {
  return state != TaskState::kPending && state != TaskState::kRunning;
}

// What a task is made of.
struct NewTask {
  std::string request_id;   // UUIDv4
  std::string fingerprint;  // SHA-256 of the request, 32 bytes
  std::string requester;    // principal
  TaskMode mode = TaskMode::kAppend;
  std::string input;  // serialized
  absl::Duration timeout;
};

struct Task {
  std::int64_t sequence = 0;  // order of creation
  std::string id;             // "ct-..."
  TaskState state = TaskState::kPending;
  TaskMode mode = TaskMode::kAppend;
  std::string input, result;  // serialized; result is empty until a worker reported
  absl::Duration timeout;     // of one attempt
  int attempt_count = 0;
  std::int64_t epoch = 0;       // lease generation
  std::string worker, message;  // who runs or ran it, and what it said last
  bool cancel_requested = false;
  absl::Status error;  // of failed tasks
  absl::Time create_time;
  std::optional<absl::Time> start_time, end_time;
};

// Who writes: a lease is a task, a generation and the worker that holds it.
struct LeaseKey {
  std::string task_id;
  std::int64_t epoch = 0;
  std::string worker;  // principal
};

}  // namespace godwit::conversion
