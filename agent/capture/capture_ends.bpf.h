// SPDX-License-Identifier: GPL-2.0
// Part of capture.bpf.c: the ends of writes. See also agent/tracker/dirty_bios.bpf.h.
#pragma once

#include "agent/tracker/bio_parts.bpf.h"

static __always_inline void end_bio(struct godwit_capture_disk* disk, struct godwit_bio* noted) {
  __u32 bytes = noted->bytes;
  noted->bytes = 0;  // never twice
  if (bytes != 0) account(disk, noted->disk, noted->op, noted->sector, bytes, 1);
}

// Where there is no room the end will be one that nobody noted.
static __always_inline void note_bio(struct godwit_capture_disk* disk, struct bio* bio,
                                     struct godwit_bio* noted) {
  __u64 address = (__u64)bio;
  struct godwit_bio* before = bpf_map_lookup_elem(&under_way, &address);
  if (before) {  // ended unseen, as its address was given to another one
    __u32 index = before->disk;
    struct godwit_capture_disk* other = bpf_map_lookup_elem(&disks, &index);
    if (other) end_bio(other, before);
  }
  noted->submitted_ns = bpf_ktime_get_ns();
  if (bpf_map_update_elem(&under_way, &address, noted, BPF_ANY) != 0) return;
  if (noted->bytes != 0) account(disk, noted->disk, noted->op, noted->sector, noted->bytes, 0);
}

static __always_inline void note_late(struct godwit_capture_control* state, __u64 begun) {
  if (begun < state->settled_since) __sync_fetch_and_add(&state->late, 1);
}

// What was captured of a write that failed may never come to the disk.
static __always_inline void note_failure(struct godwit_capture_control* state, __u32 disk,
                                         __u64 sector, __u32 bytes) {
  if (state->enabled && bytes != 0) capture_unread(state, disk, sector, bytes);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(completed, struct request* rq, int error, unsigned int nr_bytes) {
  __u32 op = BPF_CORE_READ(rq, cmd_flags) & 0xff, index = 0, zero = 0;
  struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);
  if (!state || nr_bytes == 0) return 0;
  if (!changes_data(op) && (op != OP_READ || !state->calibrate_tgid)) return 0;
  struct godwit_capture_disk* disk = find(disk_of_request(rq), &index);
  if (!disk) return 0;
  if (op == OP_READ) {
    __sync_fetch_and_add(&disk->request_reads, 1);
    return 0;
  }
  __u64 begun = BPF_CORE_READ(rq, start_time_ns);
  if (begun != 0) note_late(state, begun);
  if (error) note_failure(state, index, BPF_CORE_READ(rq, __sector), nr_bytes);
  account(disk, index, op, BPF_CORE_READ(rq, __sector), nr_bytes, 1);
  return 0;
}

SEC("tp_btf/block_bio_complete")
int BPF_PROG(ended, struct request_queue* q, struct bio* bio) {
  __u64 address = (__u64)bio;
  __u32 zero = 0, index = 0;
  struct godwit_capture_control* state = bpf_map_lookup_elem(&control, &zero);
  if (!state) return 0;
  if (state->calibrate_tgid && state->noted_bio == address) {
    struct godwit_capture_disk* disk = find(disk_of(bio), &index);
    if (disk) __sync_fetch_and_add(&disk->bio_reads, 1);
    return 0;
  }
  struct godwit_bio* noted = bpf_map_lookup_elem(&under_way, &address);
  if (noted) {
    index = noted->disk;
    struct godwit_capture_disk* disk = bpf_map_lookup_elem(&disks, &index);
    note_late(state, noted->submitted_ns);
    if (BPF_CORE_READ(bio, bi_status)) note_failure(state, index, noted->sector, noted->bytes);
    if (disk) end_bio(disk, noted);
    bpf_map_delete_elem(&under_way, &address);
    return 0;
  }
  __u32 op = BPF_CORE_READ(bio, bi_opf) & 0xff;
  if (!changes_data(op)) return 0;
  struct godwit_capture_disk* disk = find(disk_of(bio), &index);
  if (!disk) return 0;
  if (!disk->bio_ends) {
    // It failed before it became a request: the queue was full, and it was not to wait.
    __u64 sector = BPF_CORE_READ(bio, bi_iter.bi_sector);
    __u32 bytes = BPF_CORE_READ(bio, bi_iter.bi_size);
    if (!BPF_CORE_READ(bio, bi_status) || bytes == 0) return 0;
    note_failure(state, index, sector, bytes);
    account(disk, index, op, sector, bytes, 1);
    return 0;
  }
  if (!is_part(&under_way, bio)) note_late(state, 0);  // begun nobody knows when
  return 0;
}
