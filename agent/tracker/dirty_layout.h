// What the eBPF program and the agent share. C, for both compilers.
#pragma once

#include <linux/types.h>

#define GODWIT_PAGE 4096           // blocks of one map entry: 256 MiB of disk
#define GODWIT_SECTORS 128         // 512-byte sectors of a block
#define GODWIT_MARKED_SINGLY 64    // longest request, in blocks, that is marked block by block
#define GODWIT_RANGES 8192         // longer ones between two takes
#define GODWIT_DISCARD_RANGES 256  // of one request
#define GODWIT_SLOTS 16384         // of struct godwit_in_flight; a power of two
#define GODWIT_LAYOUT 2            // raised whenever the meaning of a map changes

// One byte for each block.
struct godwit_page {
  __u8 bytes[GODWIT_PAGE];
};

// Blocks first to last.
struct godwit_range {
  __u64 first, last;
};

// Sectors that were given to the driver and have not ended, of the blocks with the same number
// modulo GODWIT_SLOTS; in `wide` those of discards, zeroing and requests of more than
// GODWIT_MARKED_SINGLY blocks.
struct godwit_in_flight {
  __s64 slots[GODWIT_SLOTS];
  __s64 wide;
};

struct godwit_meta {
  __u32 layout;
  __s32 major, first_minor;
  __u64 block_count;
  // Each of these means that marks may be missing.
  __u64 out_of_range, passthrough, ranges_dropped;
};
