// SPDX-License-Identifier: GPL-2.0
// Part of dirty.bpf.c, for disks that complete no requests (device-mapper, md, zram, pmem): what a
// bio is to change is noted under the bio's address when it is submitted, and marked when it ends.
//
// - A bio that is too long for its device is split: the part in front becomes a bio of its own,
//   whose end is seen with a parent that is noted; the noted bio ends when all parts have.
// - Drivers send copies of a bio to the disks below. Those are submitted to other disks.
// - A bio whose end is not seen stays noted, and its sectors stay in `in_flight`: the agent copies
//   its blocks (in_flight_audit.h). An address that comes again belongs to a bio that has ended.
// - The end of a bio that was not noted is counted: its place is not known any more.
#pragma once

#include "agent/tracker/bio_parts.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, GODWIT_BIOS);
  __type(key, __u64);
  __type(value, struct godwit_bio);
} bios SEC(".maps");

static __always_inline struct gendisk* disk_of(struct bio* bio) {
  if (bpf_core_field_exists(struct bio, bi_bdev)) return BPF_CORE_READ(bio, bi_bdev, bd_disk);
  return BPF_CORE_READ((struct bio___before*)bio, bi_disk);
}

// A noted bio has ended.
static __always_inline void settle_bio(struct godwit_meta* counters, struct godwit_bio* noted) {
  __u64 bytes = noted->bytes;
  if (bytes == 0 || !changes_data(noted->op)) return;
  noted->bytes = 0;  // never twice, also where it cannot be taken out of the map
  mark_bytes(counters, noted->sector, bytes);
  account_bytes(noted->op, noted->sector, bytes, 1);  // last, as above
}

static __always_inline int note_bio(struct bio* bio) {
  if (!is_ours(disk_of(bio))) return 0;
  struct godwit_meta* counters = counters_of_disk();
  if (!counters) return 0;
  struct godwit_bio noted = {.sector = BPF_CORE_READ(bio, bi_iter.bi_sector),
                             .bytes = BPF_CORE_READ(bio, bi_iter.bi_size),
                             .op = BPF_CORE_READ(bio, bi_opf) & 0xff,
                             .submitted_ns = bpf_ktime_get_ns()};
  // A flush of nothing is noted, too, so that its end is known.
  int probing = noted.op == OP_READ && counters->probe_tgid &&
                counters->probe_tgid == bpf_get_current_pid_tgid() >> 32;
  if (!changes_data(noted.op) && !probing) return 0;
  __u64 address = (__u64)bio;
  struct godwit_bio* before = bpf_map_lookup_elem(&bios, &address);
  if (before) settle_bio(counters, before);
  if (bpf_map_update_elem(&bios, &address, &noted, BPF_ANY) != 0) {
    count(&counters->bios_dropped);
    return 0;
  }
  account_bytes(noted.op, noted.sector, noted.bytes, 0);
  return 0;
}

// Once for each bio as it was submitted, its sector on the whole disk.
SEC("tp_btf/block_bio_queue")
int BPF_PROG(queued, struct bio* bio) { return note_bio(bio); }

// The same before Linux 5.11.
SEC("tp_btf/block_bio_queue")
int BPF_PROG(queued_before, struct request_queue* q, struct bio* bio) { return note_bio(bio); }

SEC("tp_btf/block_bio_complete")
int BPF_PROG(ended, struct request_queue* q, struct bio* bio) {
  __u64 address = (__u64)bio;
  struct godwit_bio* noted = bpf_map_lookup_elem(&bios, &address);
  if (!noted) {
    if (!changes_data(BPF_CORE_READ(bio, bi_opf) & 0xff) || !is_ours(disk_of(bio))) return 0;
    if (is_part(&bios, bio)) return 0;
    struct godwit_meta* counters = counters_of_disk();
    if (counters) count(&counters->unknown_ends);
    return 0;
  }
  struct godwit_meta* counters = counters_of_disk();
  if (!counters) return 0;
  // One that went on to another disk as it was does not always end here.
  if (noted->op == OP_READ && is_ours(disk_of(bio))) count(&counters->probe_ends);
  if (noted->op == OP_ZONE_APPEND) noted->sector = BPF_CORE_READ(bio, bi_iter.bi_sector);
  settle_bio(counters, noted);
  bpf_map_delete_elem(&bios, &address);
  return 0;
}
