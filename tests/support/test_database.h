// A PostgreSQL server of a test's own with all schemas in it, ended and removed with the object.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/support/process.h"

namespace godwit::testing {

class TestDatabase {
 public:
  static absl::StatusOr<std::unique_ptr<TestDatabase>> Start();
  ~TestDatabase();
  const std::string& conninfo() const { return conninfo_; }
  // As a crash of the server does, and its return on the same port with the same data.
  absl::Status Stop();
  absl::Status Restart();

 private:
  TestDatabase() = default;
  TempDir dir_;
  std::string conninfo_;
};

}  // namespace godwit::testing
