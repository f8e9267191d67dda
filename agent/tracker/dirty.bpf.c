// SPDX-License-Identifier: GPL-2.0
// Marks every block of one disk that a completed request changed; where a disk completes no
// requests (dirty_bios.bpf.h), a completed bio. The kernel's licence is asked of programs that use
// its GPL-only helpers.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "agent/tracker/dirty_layout.h"

// Only the members that are read; their places come from the running kernel's type information.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct gendisk {
  int major;
  int first_minor;
};
struct request_queue {
  struct gendisk* disk;
};
struct bvec_iter {
  __u64 bi_sector;
  unsigned int bi_size;
};
struct block_device {
  struct gendisk* bd_disk;
};
struct bio {
  struct bio* bi_next;
  struct block_device* bi_bdev;
  unsigned int bi_opf;
  struct bvec_iter bi_iter;
  void* bi_private;
};
struct request {
  struct request_queue* q;
  struct bio* bio;
  unsigned int cmd_flags;
  unsigned int __data_len;
  __u64 __sector;
};
// Before Linux 5.15 (5.17 for all drivers) a request named its disk itself.
struct request___before {
  struct gendisk* rq_disk;
};
// Before Linux 5.12 a bio named its disk itself.
struct bio___before {
  struct gendisk* bi_disk;
};
#pragma clang attribute pop

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct godwit_page);
} dirty SEC(".maps"), states SEC(".maps");

// Requests that are too long to be marked block by block.
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, GODWIT_RANGES);
  __uint(value_size, sizeof(struct godwit_range));
} ranges SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct godwit_meta);
} meta SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct godwit_in_flight);
} in_flight SEC(".maps");

const volatile int disk_major = 0;
const volatile int disk_first_minor = 0;
const volatile __u64 block_count = 0;

enum {
  OP_READ = 0,
  OP_WRITE = 1,
  OP_DISCARD = 3,
  OP_SECURE_ERASE = 5,
  OP_ZONE_APPEND = 7,
  OP_WRITE_ZEROES = 9,
  OP_DRV_OUT = 35
};

static __always_inline void count(__u64* counter) { __sync_fetch_and_add(counter, 1); }

static __always_inline void mark(__u64 block) {
  __u32 key = block / GODWIT_PAGE;
  struct godwit_page* marks = bpf_map_lookup_elem(&dirty, &key);
  if (marks) marks->bytes[block & (GODWIT_PAGE - 1)] = 1;
}

// The blocks of some bytes, those of our disk; 0: there are none.
static __always_inline int blocks_of(struct godwit_meta* counters, __u64 sector, __u64 bytes,
                                     struct godwit_range* range) {
  range->first = sector / GODWIT_SECTORS;
  range->last = (sector + (bytes + 511) / 512 - 1) / GODWIT_SECTORS;
  if (range->last < block_count) return 1;
  count(&counters->out_of_range);
  range->last = block_count - 1;
  return range->first < block_count;
}

static __always_inline void mark_range(struct godwit_meta* counters, __u64 sector, __u64 bytes) {
  struct godwit_range range;
  if (blocks_of(counters, sector, bytes, &range) && bpf_map_push_elem(&ranges, &range, 0) != 0)
    count(&counters->ranges_dropped);
}

static __always_inline int is_ours(struct gendisk* disk) {
  return disk && BPF_CORE_READ(disk, major) == disk_major &&
         BPF_CORE_READ(disk, first_minor) == disk_first_minor;
}

static __always_inline struct godwit_meta* counters_of_disk() {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&meta, &zero);
}

// The counters when `rq` is of our disk; null otherwise.
static __always_inline struct godwit_meta* ours(struct request* rq) {
  struct gendisk* disk = 0;
  if (bpf_core_field_exists(struct request_queue, disk)) {
    disk = BPF_CORE_READ(rq, q, disk);
  } else {
    disk = BPF_CORE_READ((struct request___before*)rq, rq_disk);
  }
  return is_ours(disk) ? counters_of_disk() : 0;
}

static __always_inline __u32 op_of(struct request* rq) {
  return BPF_CORE_READ(rq, cmd_flags) & 0xff;
}

static __always_inline int changes_data(__u32 op) {
  return op == OP_WRITE || op == OP_DISCARD || op == OP_SECURE_ERASE || op == OP_WRITE_ZEROES ||
         op == OP_ZONE_APPEND;
}

static __always_inline void mark_bytes(struct godwit_meta* counters, __u64 sector, __u64 bytes) {
  struct godwit_range range;
  if (!blocks_of(counters, sector, bytes, &range)) return;
  if (range.last - range.first >= GODWIT_MARKED_SINGLY) {
    if (bpf_map_push_elem(&ranges, &range, 0) != 0) count(&counters->ranges_dropped);
    return;
  }
  for (__u32 i = 0; i < GODWIT_MARKED_SINGLY; ++i) {
    if (range.first + i > range.last) break;
    mark(range.first + i);
  }
}

// Marks what the ended part of a request changed.
static __always_inline int mark_completed(struct godwit_meta* counters, struct request* rq,
                                          unsigned int nr_bytes) {
  __u32 op = op_of(rq);
  if (op == OP_DRV_OUT) {
    count(&counters->passthrough);
    return 0;
  }
  if (!changes_data(op) || nr_bytes == 0) return 0;  // 0: the data part was seen before
  __u64 sector = BPF_CORE_READ(rq, __sector);
  if (op == OP_DISCARD) {
    // One request may discard several ranges that do not touch: each is a bio of its own.
    struct bio* bio = BPF_CORE_READ(rq, bio);
    for (int i = 0; i < GODWIT_DISCARD_RANGES && bio; ++i) {
      mark_range(counters, BPF_CORE_READ(bio, bi_iter.bi_sector),
                 BPF_CORE_READ(bio, bi_iter.bi_size));
      bio = BPF_CORE_READ(bio, bi_next);
    }
    if (bio) count(&counters->ranges_dropped);
    return 0;
  }
  mark_bytes(counters, sector, nr_bytes);
  return 0;
}

// Adds or subtracts what is under way.
static __always_inline void account_bytes(__u32 op, __u64 begin, __u64 bytes, int ended) {
  if (bytes == 0 || !changes_data(op)) return;
  __u32 zero = 0;
  struct godwit_in_flight* flight = bpf_map_lookup_elem(&in_flight, &zero);
  if (!flight) return;
  __u64 end = begin + (bytes + 511) / 512;
  __u64 first = begin / GODWIT_SECTORS;
  if (op != OP_WRITE || (end - 1) / GODWIT_SECTORS - first >= GODWIT_MARKED_SINGLY) {
    __sync_fetch_and_add(&flight->wide, ended ? -(__s64)(end - begin) : (__s64)(end - begin));
    return;
  }
  for (__u32 i = 0; i < GODWIT_MARKED_SINGLY; ++i) {
    __u64 from = (first + i) * GODWIT_SECTORS, to = from + GODWIT_SECTORS;
    if (from >= end) break;
    if (from < begin) from = begin;
    if (to > end) to = end;
    __s64 sectors = (__s64)(to - from);
    __sync_fetch_and_add(&flight->slots[(first + i) & (GODWIT_SLOTS - 1)],
                         ended ? -sectors : sectors);
  }
}

static __always_inline void account(struct request* rq, __u64 bytes, int ended) {
  account_bytes(op_of(rq), BPF_CORE_READ(rq, __sector), bytes, ended);
}

// What goes to the driver and what comes back, so that a completion that this program was not shown
// is noticed.
SEC("tp_btf/block_rq_issue")
int BPF_PROG(issue, struct request* rq) {
  if (ours(rq)) account(rq, BPF_CORE_READ(rq, __data_len), 0);
  return 0;
}

// It will be issued again.
SEC("tp_btf/block_rq_requeue")
int BPF_PROG(requeue, struct request* rq) {
  if (ours(rq)) account(rq, BPF_CORE_READ(rq, __data_len), 1);
  return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(complete, struct request* rq, int error, unsigned int nr_bytes) {
  struct godwit_meta* counters = ours(rq);
  if (!counters) return 0;
  if (counters->probe_tgid && op_of(rq) == OP_READ) count(&counters->probe_ends);
  mark_completed(counters, rq, nr_bytes);
  account(rq, nr_bytes, 1);  // last: what is not under way any more is marked
  return 0;
}

#include "agent/tracker/dirty_bios.bpf.h"

char LICENSE[] SEC("license") = "GPL";
