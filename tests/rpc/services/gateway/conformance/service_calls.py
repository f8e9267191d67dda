"""The service itself, and what Godwit has none of."""
from frame import checks

NOBODY = "vcc-" + "f" * 17


@checks("InitializeService", reads=True, never={"AccessDeniedException": "it sets nothing up, so whoever may read may call it",
                                                "ValidationException": "it has no members"})
def initialize_service(run):
    def changes():
        return run.printed("audit", "export").count('"user/operator/ci"')

    before = changes()
    run.mgn.initialize_service()
    run.effect(changes() == before, "it answers, and changes nothing")


@checks("ListManagedAccounts")
def list_managed_accounts(run):
    run.effect(run.mgn.list_managed_accounts()["items"] == [], "there are none")
    run.refused("ValidationException", run.mgn.list_managed_accounts, nextToken="x")


@checks("DescribeVcenterClients", never={"ResourceNotFoundException": "nothing can be named in it"})
def describe_vcenter_clients(run):
    run.effect(run.mgn.describe_vcenter_clients()["items"] == [], "there are none")


@checks("DeleteVcenterClient", succeeds=False)
def delete_vcenter_client(run):
    answer = run.refused("ResourceNotFoundException", run.mgn.delete_vcenter_client, vcenterClientID=NOBODY)
    run.effect(NOBODY in answer["Error"]["Message"], "there are none to be deleted")
