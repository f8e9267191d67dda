// Tables that a test makes for people. ctest shows the output of failed tests only; ./test names a
// file for the tables and shows it at its end.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace godwit::testing {

// To standard output, and to the file that GODWIT_TEST_REPORT names. Tests append to it side by
// side: one write for each table.
inline void Report(const std::string& table) {
  std::printf("%s", table.c_str());
  std::fflush(stdout);
  const char* const path = std::getenv("GODWIT_TEST_REPORT");
  if (path == nullptr) return;
  std::FILE* const file = std::fopen(path, "ae");
  if (file == nullptr) return;
  std::setvbuf(file, nullptr, _IOFBF, table.size() + 16);
  std::fprintf(file, "%s\n", table.c_str());
  std::fclose(file);
}

}  // namespace godwit::testing
