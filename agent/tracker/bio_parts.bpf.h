// SPDX-License-Identifier: GPL-2.0
// Parts of bios, for programs that note bios in `map` under their addresses.
#pragma once

#define BIO_LEVELS 4

// A bio that was not noted is a part that was split off one that was, or off such a part: the noted
// one ends after it.
static __always_inline int is_part(void* map, struct bio* bio) {
  for (int level = 0; level < BIO_LEVELS && bio; ++level) {
    bio = BPF_CORE_READ(bio, bi_private);
    __u64 address = (__u64)bio;
    if (bpf_map_lookup_elem(map, &address)) return 1;
  }
  return 0;
}
