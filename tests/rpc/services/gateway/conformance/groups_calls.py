"""Applications and waves. The installation has small quotas of them (mgn_conformance.sh)."""
import itertools

import client
from frame import checks

NONE = {"applications": "app-" + "f" * 17, "waves": "wave-" + "f" * 17}
NO_SERVER = "s-" + "f" * 17
MOST = 100  # more than any quota of the installation
NAMES = (f"group {number}" for number in itertools.count(1))


class Groups:
    """Applications or waves: the calls of boto3 and the view of gRPC."""

    def __init__(self, run, kind):
        one = kind.removesuffix("s")
        self.run, self.kind, self.id_member = run, kind, one + "ID"
        self.create_call, self.list = getattr(run.mgn, f"create_{one}"), getattr(run.mgn, f"list_{kind}")
        self.calls = {verb: getattr(run.mgn, f"{verb}_{one}") for verb in ("update", "delete", "archive", "unarchive")}

    def create(self, **members):
        return self.create_call(name=next(NAMES), **members)[self.id_member]

    def call(self, verb, group, **members):
        return self.calls[verb](**{self.id_member: group}, **members)

    def shown(self, group):
        return self.run.godwit(self.kind, "get", group)

    def names(self):
        """All that gRPC shows."""
        return [one["name"].split("/")[1] for one in self.run.godwit(self.kind, "list", "--archived").get(self.kind, [])]

    def gone(self, verb, **members):
        """The verb on what does not exist: by its id, and by one that was never given."""
        for group in (NONE[self.kind], NONE[self.kind].replace("f", "z")):
            answer = self.run.refused("ResourceNotFoundException", self.calls[verb], **{self.id_member: group}, **members)
            assert answer["resourceId"] == group, answer

    def over_quota(self, make):
        """`make` until the quota is reached, everything made is deleted then; the answer of the error."""
        made = []
        try:
            while len(made) < MOST:
                made.append(make())
        except Exception as error:  # pylint: disable=broad-except
            assert error.response["Error"]["Code"] == "ServiceQuotaExceededException", error
            assert client.refusal(self.calls["delete"], **{self.id_member: NONE[self.kind]})[0] == "ResourceNotFoundException"
            return error.response
        finally:
            for group in made:
                self.call("delete", group)
        raise AssertionError(f"no quota of {self.kind} within {MOST}")


def create(run, kind):
    groups = Groups(run, kind)
    made = groups.create_call(name="ein Name, ß", description="two\nlines", tags={"a b": "é/+"})
    group = made[groups.id_member]
    shown = groups.shown(group)
    run.effect((shown["displayName"], shown["description"], shown["tags"]) == ("ein Name, ß", "two\nlines", {"a b": "é/+"}), "what was asked for")
    arn = run.arn(kind.removesuffix("s"), group)
    run.effect(made["arn"] == arn and run.mgn.list_tags_for_resource(resourceArn=arn)["tags"] == {"a b": "é/+"}, "found by its ARN")
    status = made[f"{kind.removesuffix('s')}AggregatedStatus"]
    run.effect((status["healthStatus"], status["progressStatus"]) == ("HEALTHY", "NOT_STARTED"), "it has no members")
    run.refused("ValidationException", groups.create_call, name=" x")
    answer = run.refused("ValidationException", groups.create_call, name="x", tags={"": "b"})
    run.effect(answer["fieldList"][0]["name"].startswith("tags"), "the member is named")
    run.effect("at most" in groups.over_quota(groups.create)["Error"]["Message"], "the quota is told")


@checks("CreateApplication", never={"ConflictException": "names need not be unique"})
def create_application(run):
    create(run, "applications")


@checks("CreateWave", never={"ConflictException": "names need not be unique"})
def create_wave(run):
    create(run, "waves")


def update(run, kind):
    groups = Groups(run, kind)
    group = groups.create(description="before")
    answer = groups.call("update", group, name="another name")
    shown = groups.shown(group)
    run.effect((shown["displayName"], shown["description"]) == (answer["name"], "before") == ("another name", "before"), "its name alone")
    run.effect(groups.call("update", group)["name"] == "another name", "nothing to change is a read, no fault")
    groups.call("update", group, description="")
    run.effect(not groups.shown(group).get("description"), "no description any more")
    groups.gone("update", name="x")


@checks("UpdateApplication", never={"ConflictException": "an update names no version; the last one counts"})
def update_application(run):
    update(run, "applications")


@checks("UpdateWave", never={"ConflictException": "an update names no version; the last one counts"})
def update_wave(run):
    update(run, "waves")


def listed(run, kind, one, two):
    """`two` is archived."""
    groups = Groups(run, kind)
    ids = groups.id_member + "s"

    def found(**filters):
        pages = run.mgn.get_paginator(f"list_{kind}").paginate(filters=filters, PaginationConfig={"PageSize": 1})
        return [item[groups.id_member] for page in pages for item in page["items"]]

    run.effect(found(**{ids: [two, one, NONE[kind]]}) == [one, two], "those asked for, the oldest first, over pages")
    run.effect(found(**{ids: [one, two]}, isArchived=True) == [two] and found(**{ids: [one, two]}, isArchived=False) == [one], "by isArchived")
    run.effect(found(**{ids: [NONE[kind].replace("f", "z")]}) == [], "none has that id")
    run.effect(sorted(item[groups.id_member] for item in groups.list(maxResults=1000)["items"]) == sorted(groups.names()), "all that gRPC lists")
    token = groups.list(maxResults=1)["nextToken"]
    run.refused("ValidationException", groups.list, nextToken=token, filters={"isArchived": True})


@checks("ListApplications")
def list_applications(run):
    applications, wave = Groups(run, "applications"), Groups(run, "waves").create()
    one, two = applications.create(), applications.create()
    run.mgn.associate_applications(waveID=wave, applicationIDs=[one])
    applications.call("archive", two)
    listed(run, "applications", one, two)
    items = run.mgn.list_applications(filters={"waveIDs": [wave]})["items"]
    run.effect([(item["applicationID"], item["waveID"]) for item in items] == [(one, wave)], "those of a wave")
    applications.call("delete", two)


@checks("ListWaves")
def list_waves(run):
    waves = Groups(run, "waves")
    one, two = waves.create(), waves.create()
    waves.call("archive", two)
    listed(run, "waves", one, two)
    waves.call("delete", two)
    by_command_line(run)


def by_command_line(run):
    """What is done through gRPC, MGN shows."""
    def said(*words):
        return run.godwit("waves", *words)

    def shown():
        return run.mgn.list_waves(filters={"waveIDs": [wave]})["items"][0]

    wave = said("create", "by command line", "--tag", "a=b", "--description", "text")["name"].split("/")[1]
    run.effect((shown()["name"], shown()["description"], shown()["tags"]) == ("by command line", "text", {"a": "b"}), "made by gRPC")
    application = run.godwit("applications", "create", f"of {wave}")["name"]
    said("associate", wave, f"of {wave}")
    run.effect(shown()["waveAggregatedStatus"]["totalApplications"] == 1, "a member by gRPC")
    run.effect([one["name"] for one in run.godwit("applications", "list", "--wave", wave)["applications"]] == [application], "listed by wave")
    said("tag", wave, "a-", "c=d")
    said("update", wave, "--name", f"new name of {wave}")
    said("archive", f"new name of {wave}")
    run.effect((shown()["name"], shown()["tags"], shown()["isArchived"]) == (f"new name of {wave}", {"c": "d"}, True), "changed by gRPC")
    said("unarchive", wave)
    run.effect(not shown()["isArchived"], "back by gRPC")
    said("disassociate", wave, application)
    said("delete", wave)
    run.effect(run.mgn.list_waves(filters={"waveIDs": [wave]})["items"] == [], "gone by gRPC")


@checks("DeleteApplication")
def delete_application(run):
    applications, server = Groups(run, "applications"), run.server()
    one = applications.create()
    run.mgn.associate_source_servers(applicationID=one, sourceServerIDs=[server])
    run.refused("ConflictException", run.mgn.delete_application, applicationID=one)
    run.mgn.disassociate_source_servers(applicationID=one, sourceServerIDs=[server])
    applications.call("delete", one)
    run.effect(one not in applications.names(), "it is gone")
    applications.gone("delete")


@checks("DeleteWave")
def delete_wave(run):
    waves, application = Groups(run, "waves"), Groups(run, "applications").create()
    one = waves.create()
    run.mgn.associate_applications(waveID=one, applicationIDs=[application])
    run.refused("ConflictException", run.mgn.delete_wave, waveID=one)
    run.mgn.disassociate_applications(waveID=one, applicationIDs=[application])
    waves.call("delete", one)
    run.effect(one not in waves.names(), "it is gone")
    waves.gone("delete")


@checks("AssociateSourceServers")
def associate_source_servers(run):
    applications, server = Groups(run, "applications"), run.server()
    one, other = applications.create(), applications.create()
    associate = run.mgn.associate_source_servers
    for _ in range(2):  # the second time there is nothing to do
        associate(applicationID=one, sourceServerIDs=[server])
        run.effect(run.shown(server)["application"] == f"applications/{one}", "the server is in it")
    run.effect(applications.shown(one)["status"]["serverCount"] == 1, "it has one")
    item = run.mgn.describe_source_servers(filters={"applicationIDs": [one]})["items"]
    run.effect([(one_["sourceServerID"], one_["applicationID"]) for one_ in item] == [(server, one)], "found by its application")
    status = run.mgn.list_applications(filters={"applicationIDs": [one]})["items"][0]["applicationAggregatedStatus"]
    run.effect((status["totalSourceServers"], status["progressStatus"]) == (1, "IN_PROGRESS"), "MGN counts it")
    answer = run.refused("ConflictException", associate, applicationID=other, sourceServerIDs=[server])
    run.effect(answer["errors"][0]["resourceId"] == server, "the server is named")
    run.refused("ResourceNotFoundException", associate, applicationID=other, sourceServerIDs=[NO_SERVER])
    run.refused("ResourceNotFoundException", associate, applicationID=NONE["applications"], sourceServerIDs=[server])
    more = [run.godwit("servers", "create", f"{other} {number}")["name"].split("/")[1] for number in range(6)]
    run.refused("ServiceQuotaExceededException", associate, applicationID=other, sourceServerIDs=more)
    run.effect(not run.shown(more[0]).get("application"), "all or none")


@checks("DisassociateSourceServers", never={"ConflictException": "what is no member is passed over"})
def disassociate_source_servers(run):
    one, server = Groups(run, "applications").create(), run.server()
    run.mgn.associate_source_servers(applicationID=one, sourceServerIDs=[server])
    disassociate = run.mgn.disassociate_source_servers
    for _ in range(2):
        disassociate(applicationID=one, sourceServerIDs=[server])
        run.effect(not run.shown(server).get("application"), "it is out")
    run.refused("ResourceNotFoundException", disassociate, applicationID=one, sourceServerIDs=[NO_SERVER])
    run.refused("ResourceNotFoundException", disassociate, applicationID=NONE["applications"], sourceServerIDs=[server])


@checks("AssociateApplications")
def associate_applications(run):
    waves, applications = Groups(run, "waves"), Groups(run, "applications")
    one, other, application = waves.create(), waves.create(), applications.create()
    associate = run.mgn.associate_applications
    for _ in range(2):
        associate(waveID=one, applicationIDs=[application])
        run.effect(applications.shown(application)["wave"] == f"waves/{one}", "the application is in it")
    status = run.mgn.list_waves(filters={"waveIDs": [one]})["items"][0]["waveAggregatedStatus"]
    run.effect(status["totalApplications"] == waves.shown(one)["status"]["applicationCount"] == 1, "it has one")
    answer = run.refused("ConflictException", associate, waveID=other, applicationIDs=[application])
    run.effect(answer["errors"][0]["resourceId"] == application, "the application is named")
    run.refused("ResourceNotFoundException", associate, waveID=other, applicationIDs=[NONE["applications"]])
    run.refused("ResourceNotFoundException", associate, waveID=NONE["waves"], applicationIDs=[application])
    more = [applications.create() for _ in range(6)]
    run.refused("ServiceQuotaExceededException", associate, waveID=other, applicationIDs=more)
    run.effect(not applications.shown(more[0]).get("wave"), "all or none")
    for made in more:
        applications.call("delete", made)


@checks("DisassociateApplications", never={"ConflictException": "what is no member is passed over"})
def disassociate_applications(run):
    applications, wave = Groups(run, "applications"), Groups(run, "waves").create()
    one = applications.create()
    run.mgn.associate_applications(waveID=wave, applicationIDs=[one])
    disassociate = run.mgn.disassociate_applications
    for _ in range(2):
        disassociate(waveID=wave, applicationIDs=[one])
        run.effect(not applications.shown(one).get("wave"), "it is out")
    run.refused("ResourceNotFoundException", disassociate, waveID=wave, applicationIDs=[NONE["applications"]])
    run.refused("ResourceNotFoundException", disassociate, waveID=NONE["waves"], applicationIDs=[one])


def archived(groups):
    """A new one that is archived."""
    group = groups.create()
    groups.call("archive", group)
    return group


@checks("ArchiveApplication")
def archive_application(run):
    applications, server = Groups(run, "applications"), run.server()
    one = applications.create()
    run.mgn.associate_source_servers(applicationID=one, sourceServerIDs=[server])
    run.effect(run.refused("ConflictException", run.mgn.archive_application, applicationID=one)["errors"][0]["resourceId"] == server,
               "the server in use is named")
    run.mgn.disconnect_from_service(sourceServerID=server)
    answer = applications.call("archive", one)
    run.effect(answer["isArchived"] and applications.shown(one)["archived"] and run.shown(server)["archived"], "it and its server")
    run.effect("healthStatus" not in answer["applicationAggregatedStatus"], "an archived one has no health")
    run.effect(applications.call("archive", one)["isArchived"], "twice is once")
    applications.gone("archive")
    applications.call("unarchive", one)
    applications.over_quota(lambda: archived(applications))


@checks("UnarchiveApplication")
def unarchive_application(run):
    applications, waves = Groups(run, "applications"), Groups(run, "waves")
    one, wave = applications.create(), waves.create()
    run.mgn.associate_applications(waveID=wave, applicationIDs=[one])
    waves.call("archive", wave)
    run.refused("ConflictException", run.mgn.unarchive_application, applicationID=one)
    run.mgn.disassociate_applications(waveID=wave, applicationIDs=[one])
    run.effect(not applications.call("unarchive", one)["isArchived"] and not applications.shown(one).get("archived"), "it is back")
    applications.gone("unarchive")
    waves.call("delete", wave)
    no_room(run, applications)


@checks("ArchiveWave")
def archive_wave(run):
    waves, applications, server = Groups(run, "waves"), Groups(run, "applications"), run.server()
    wave, application = waves.create(), applications.create()
    run.mgn.associate_source_servers(applicationID=application, sourceServerIDs=[server])
    run.mgn.associate_applications(waveID=wave, applicationIDs=[application])
    run.refused("ConflictException", run.mgn.archive_wave, waveID=wave)
    run.mgn.disconnect_from_service(sourceServerID=server)
    waves.call("archive", wave)
    run.effect(waves.shown(wave)["archived"] and applications.shown(application)["archived"] and run.shown(server)["archived"],
               "it, its application, its server")
    waves.gone("archive")
    waves.call("unarchive", wave)
    run.effect(not applications.shown(application).get("archived") and not run.shown(server).get("archived"), "all are back")
    waves.over_quota(lambda: archived(waves))


@checks("UnarchiveWave")
def unarchive_wave(run):
    waves = Groups(run, "waves")
    one = archived(waves)
    run.effect(not waves.call("unarchive", one)["isArchived"] and not waves.shown(one).get("archived"), "it is back")
    waves.gone("unarchive")
    no_room(run, waves)


def no_room(run, groups):
    """As many active ones as there may be: none comes back."""
    hidden, made = archived(groups), []
    try:
        while len(made) < MOST:
            made.append(groups.create())
    except Exception as error:  # pylint: disable=broad-except
        assert error.response["Error"]["Code"] == "ServiceQuotaExceededException", error
    run.refused("ServiceQuotaExceededException", groups.calls["unarchive"], **{groups.id_member: hidden})
    run.effect(groups.shown(hidden)["archived"], "it stays archived")
    for group in [*made, hidden]:
        groups.call("delete", group)
