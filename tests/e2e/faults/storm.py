"""Many callers that change the same rows at once, in different orders: what makes databases find deadlocks."""
import random
import threading

import grpc

import api


def storm(rig, servers, seed, callers=8, rounds=12):
    """Every caller puts all servers into one application or takes them out, again and again, each time in another order, and writes
    their tags. Returns what went wrong; prints the figures."""
    tally, failed = api.Tally(), []
    registry = rig.client("registry", "user/operator/storm", tally=tally)
    application = registry("FleetService/CreateApplication", request_id=api.request_id(), application={"display_name": "storm"}).name
    deadlocks = "SELECT sum(deadlocks) FROM pg_stat_database"
    before = rig.number(deadlocks)

    def caller(number):
        chance = random.Random(seed + number)
        for _ in range(rounds):
            members = servers[:]
            chance.shuffle(members)
            verb = chance.choice(["AssociateSourceServers", "DisassociateSourceServers"])
            try:
                registry(f"FleetService/{verb}", name=application, members=members, request_id=api.request_id())
                registry("SourceServerService/UpdateSourceServer", source_server={"name": members[0], "tags": {"storm": str(number)}},
                         update_mask={"paths": ["tags"]})
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.FAILED_PRECONDITION:  # they are in, or out, already
                    failed.append(f"{error.code().name}: {error.details()}")
    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owners = rig.sql("SELECT DISTINCT application_id FROM registry.source_server WHERE 'sourceServers/' || id IN ('" + "', '".join(servers) + "')")
    if len(owners) != 1:
        failed.append(f"some of the servers are in: {owners}; each call moves all of them or none")
    print(f"storm: {callers} callers, {callers * rounds} times {len(servers)} servers; {tally}; {rig.number(deadlocks) - before} deadlocks; "
          f"slowest call {tally.slowest:.1f} s")
    return failed
