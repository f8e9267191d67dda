// GODWIT_CHECK: for our own bugs only, never for what a peer, a file or a database can cause.
#pragma once

#include <cstdio>
#include <cstdlib>

#define GODWIT_CHECK(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
