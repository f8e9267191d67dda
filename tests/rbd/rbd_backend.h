// The rbd store under test, and the cluster that all tests of the program share.
#pragma once

#include "services/replication/worker/store/rbd/rbd_options.h"
#include "tests/support/ceph_cluster.h"

namespace godwit::store {

// Null in a writer's process.
testing::CephCluster* TheCluster();
// Of the backend in `place`: a namespace of its own in the cluster's pool.
RbdOptions OptionsOf(const std::string& place);

}  // namespace godwit::store
