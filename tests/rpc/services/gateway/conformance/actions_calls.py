"""Post-launch actions of servers and of launch templates: the same, but for who has them."""
from frame import checks

NOBODY = {"sourceServerID": "s-" + "f" * 17}
NO_TEMPLATE = {"launchConfigurationTemplateID": "lct-" + "f" * 17}
ACTION = {"actionID": "web", "actionName": "is it up?", "documentIdentifier": "check-web", "order": 1001}


def server(run):
    """A new server, and its actions as gRPC shows them."""
    name = run.server()
    return {"sourceServerID": name}, lambda: run.godwit("launch-settings", "get", name)["postLaunchActions"]


def template(run):
    made = run.client("lenient").create_launch_configuration_template()["launchConfigurationTemplateID"]
    return {"launchConfigurationTemplateID": made}, lambda: run.godwit("templates", "get", made)["launch"]["postLaunchActions"]


def put(run, function, owner, shown, nobody):
    function(**owner, **ACTION)
    action = shown()[0]
    run.effect((action["actionId"], action["command"], action["order"]) == ("web", "true\n", 1001), "gRPC shows what it runs")
    function(**owner, **dict(ACTION, order=1500, timeoutSeconds=90))
    run.effect([(one["order"], one["timeout"]) for one in shown()] == [(1500, "90s")], "in its place")
    run.refused("ConflictException", function, **owner, **dict(ACTION, actionID="other", order=1500))
    run.refused("ValidationException", function, **owner, **dict(ACTION, documentIdentifier="nothing"))
    run.refused("ResourceNotFoundException", function, **nobody, **ACTION)


def listed(run, function, put_function, owner, nobody):
    put_function(**owner, **ACTION)
    put_function(**owner, **dict(ACTION, actionID="first", order=1002))
    run.effect([one["actionID"] for one in function(**owner)["items"]] == ["web", "first"], "by their order")
    run.effect([one["actionID"] for one in function(**owner, filters={"actionIDs": ["first"]})["items"]] == ["first"], "those asked for")
    run.refused("ResourceNotFoundException", function, **nobody)


def removed(run, function, put_function, owner, shown, nobody):
    put_function(**owner, **ACTION)
    function(**owner, actionID="web")
    run.effect(shown() == [], "it is gone")
    run.refused("ResourceNotFoundException", function, **owner, actionID="web")
    run.refused("ResourceNotFoundException", function, **nobody, actionID="web")


@checks("PutSourceServerAction")
def put_source_server_action(run):
    put(run, run.mgn.put_source_server_action, *server(run), NOBODY)


@checks("ListSourceServerActions")
def list_source_server_actions(run):
    listed(run, run.mgn.list_source_server_actions, run.mgn.put_source_server_action, server(run)[0], NOBODY)


@checks("RemoveSourceServerAction")
def remove_source_server_action(run):
    removed(run, run.mgn.remove_source_server_action, run.mgn.put_source_server_action, *server(run), NOBODY)


@checks("PutTemplateAction")
def put_template_action(run):
    put(run, run.client("lenient").put_template_action, *template(run), NO_TEMPLATE)


@checks("ListTemplateActions")
def list_template_actions(run):
    listed(run, run.mgn.list_template_actions, run.client("lenient").put_template_action, template(run)[0], NO_TEMPLATE)


@checks("RemoveTemplateAction")
def remove_template_action(run):
    admin = run.client("lenient")
    removed(run, admin.remove_template_action, admin.put_template_action, *template(run), NO_TEMPLATE)
