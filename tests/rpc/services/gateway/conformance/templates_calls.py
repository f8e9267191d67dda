"""Templates of settings. Administrators alone change them."""
from frame import checks

REPLICATION = {
    "stagingAreaSubnetId": "subnet-0123456789abcdef0", "associateDefaultSecurityGroup": True,
    "replicationServersSecurityGroupsIDs": ["sg-0123456789abcdef0"], "replicationServerInstanceType": "t3.small",
    "useDedicatedReplicationServer": False, "defaultLargeStagingDiskType": "GP3", "ebsEncryption": "DEFAULT", "bandwidthThrottling": 80,
    "dataPlaneRouting": "PRIVATE_IP", "createPublicIP": False, "stagingAreaTags": {"a": "b"}}
LAUNCH = {"launchDisposition": "STOPPED", "copyTags": True, "smallVolumeMaxSize": 100}


class Kind:
    """Templates of one kind: the calls of boto3 by an administrator, and the view of gRPC."""

    def __init__(self, run, words, member, half, members):
        self.run, self.half, self.members, self.id_member = run, half, members, member
        admin = run.client("lenient")
        self.create, self.update, self.delete = (getattr(admin, f"{verb}_{words}_template") for verb in ("create", "update", "delete"))
        self.describe = getattr(run.mgn, f"describe_{words}_templates")
        self.none = {member: ("rct-" if half == "replication" else "lct-") + "f" * 17}

    def made(self, **more):
        """{member: id} of a new one."""
        return {self.id_member: self.create(**self.members, **more)[self.id_member]}

    def shown(self, template):
        return self.run.godwit("templates", "get", template[self.id_member])[self.half]

    def described(self, template):
        return self.describe(**{f"{self.id_member}s": list(template.values())})["items"]


def replication(run):
    return Kind(run, "replication_configuration", "replicationConfigurationTemplateID", "replication", REPLICATION)


def launch(run):
    return Kind(run, "launch_configuration", "launchConfigurationTemplateID", "launch", LAUNCH)


def created(run, kind, facts, wrong):
    template = kind.made(tags={"made": "by é"})
    run.effect(facts(kind.shown(template)), "gRPC shows it")
    item = kind.described(template)[0]
    run.effect(all(item[name] == value for name, value in kind.members.items()), "it comes back as it was made")
    run.effect(run.mgn.list_tags_for_resource(resourceArn=item["arn"])["tags"] == {"made": "by é"}, "it has its tags")
    run.refused("ValidationException", kind.create, **dict(kind.members, **wrong))  # it stays: a viewer will ask for it as well


def described(run, kind):
    templates = [kind.made()[kind.id_member] for _ in range(2)]
    pages = run.mgn.get_paginator(kind.describe.__name__).paginate(PaginationConfig={"PageSize": 1})
    run.effect(set(templates) < {item[kind.id_member] for page in pages for item in page["items"]}, "these, and the default")
    run.refused("ResourceNotFoundException", kind.describe, **{f"{kind.id_member}s": list(kind.none.values())})
    for template in templates:
        kind.delete(**{kind.id_member: template})


def updated(run, kind, change, facts, wrong):
    template = kind.made()
    kind.update(**template, **change)
    run.effect(facts(kind.shown(template)), "gRPC shows it")
    run.refused("ValidationException", kind.update, **template, **wrong)
    run.refused("ResourceNotFoundException", kind.update, **kind.none, **change)
    run.refused("AccessDeniedException", getattr(run.mgn, kind.update.__name__), **template, **change)


def deleted(run, kind):
    template = kind.made()
    token = run.godwit("tokens", "create", f"--{kind.half}-template", template[kind.id_member])
    run.effect(token[f"{kind.half}Template"] == f"settingsTemplates/{template[kind.id_member]}", "an installation token may name it")
    answer = run.refused("ConflictException", kind.delete, **template)
    run.effect(token["name"] in answer["Error"]["Message"], "the refusal says which token holds it")
    run.printed("tokens", "revoke", token["name"])
    kind.delete(**template)
    run.effect(template[kind.id_member] not in str(run.godwit("templates", "list")), "it is gone")
    run.refused("ResourceNotFoundException", kind.delete, **template)
    default = next(item for item in kind.describe(maxResults=1000)["items"]
                   if f"settingsTemplates/{item[kind.id_member]}" not in [one["name"] for one in run.godwit("templates", "list")["templates"]])
    run.refused("ConflictException", kind.delete, **{kind.id_member: default[kind.id_member]})


@checks("CreateReplicationConfigurationTemplate")
def create_replication(run):
    created(run, replication(run), lambda shown: shown["bandwidthLimitBytesPerSecond"] == "10000000" and shown["stagingTags"] == {"a": "b"},
            {"ebsEncryption": "NONE"})


@checks("CreateLaunchConfigurationTemplate")
def create_launch(run):
    created(run, launch(run), lambda shown: (shown["disposition"], shown["copyTags"]) == ("STOPPED", True), {"bootMode": "BIOS"})


@checks("DescribeReplicationConfigurationTemplates")
def describe_replication(run):
    described(run, replication(run))


@checks("DescribeLaunchConfigurationTemplates")
def describe_launch(run):
    described(run, launch(run))


@checks("UpdateReplicationConfigurationTemplate")
def update_replication(run):
    updated(run, replication(run), {"bandwidthThrottling": 16}, lambda shown: shown["bandwidthLimitBytesPerSecond"] == "2000000",
            {"bandwidthThrottling": 10001})


@checks("UpdateLaunchConfigurationTemplate")
def update_launch(run):
    updated(run, launch(run), {"copyTags": False}, lambda shown: shown["copyTags"] is False, {"bootMode": "BIOS"})


@checks("DeleteReplicationConfigurationTemplate")
def delete_replication(run):
    deleted(run, replication(run))


@checks("DeleteLaunchConfigurationTemplate")
def delete_launch(run):
    deleted(run, launch(run))
