#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/services/replication/worker/store/store_writer.h"

int main(int argc, char** argv) {
  const char* place = std::getenv("GODWIT_STORE_WRITER");
  if (place != nullptr) return godwit::store::RunWriter(place, std::getenv("GODWIT_STORE_LOG"));
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
