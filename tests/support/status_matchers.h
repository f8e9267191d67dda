// EXPECT_OK, ASSERT_OK and StatusIs for absl::Status and absl::StatusOr.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

// Matches a Status or StatusOr of the code whose message contains `text`.
MATCHER_P2(StatusIs, code, text, "") {
  const absl::Status& status = GetStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         absl::string_view(status.message()).find(text) != absl::string_view::npos;
}

}  // namespace godwit::testing

#define EXPECT_OK(expression)                                                       \
  do {                                                                              \
    const auto& godwit_value_ = (expression);                                       \
    EXPECT_TRUE(godwit_value_.ok()) << ::godwit::testing::GetStatus(godwit_value_); \
  } while (false)
#define ASSERT_OK(expression)                                                       \
  do {                                                                              \
    const auto& godwit_value_ = (expression);                                       \
    ASSERT_TRUE(godwit_value_.ok()) << ::godwit::testing::GetStatus(godwit_value_); \
  } while (false)
// ASSERT_OK_AND_ASSIGN(auto x, MakeX());
#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  ASSERT_OK_AND_ASSIGN_(GODWIT_TEST_CONCAT_(value_, __LINE__), declaration, expression)
#define GODWIT_TEST_CONCAT_INNER_(a, b) a##b
#define GODWIT_TEST_CONCAT_(a, b) GODWIT_TEST_CONCAT_INNER_(a, b)
#define ASSERT_OK_AND_ASSIGN_(temporary, declaration, expression) \
  auto temporary = (expression);                                  \
  ASSERT_TRUE(temporary.ok()) << temporary.status();              \
  declaration = *std::move(temporary)
