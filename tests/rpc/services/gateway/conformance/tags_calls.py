"""Tags of source servers."""
from frame import checks

NONE = "s-" + "f" * 17


def refusals(run, function, **members):
    run.refused("ResourceNotFoundException", function, resourceArn=run.arn("source-server", NONE), **members)
    elsewhere = run.arn("source-server", NONE).replace("123456789012", "210987654321")
    run.refused("ValidationException", function, resourceArn=elsewhere, **members)


@checks("TagResource")
def tag_resource(run):
    server = run.server()
    arn = run.arn("source-server", server)
    run.refused("AccessDeniedException", run.client("viewer").tag_resource, resourceArn=arn, tags={"a": "b"})
    run.mgn.tag_resource(resourceArn=arn, tags={"a b": "é/+", "x": ""})
    run.effect(run.shown(server)["tags"] == {"a b": "é/+", "x": ""}, "the server has them")
    refusals(run, run.mgn.tag_resource, tags={"a": "b"})


@checks("UntagResource")
def untag_resource(run):
    server = run.server()
    arn = run.arn("source-server", server)
    run.mgn.tag_resource(resourceArn=arn, tags={"a b": "1", "c+d": "2", "e": "3"})
    run.mgn.untag_resource(resourceArn=arn, tagKeys=["a b", "c+d", "none"])
    run.effect(run.shown(server)["tags"] == {"e": "3"}, "the others are left")
    refusals(run, run.mgn.untag_resource, tagKeys=["a"])


@checks("ListTagsForResource", never={"AccessDeniedException": "every role may read"})
def list_tags_for_resource(run):
    server = run.server()
    run.godwit("servers", "tag", server, "a=b")
    run.effect(run.mgn.list_tags_for_resource(resourceArn=run.arn("source-server", server))["tags"] == {"a": "b"}, "those set by gRPC")
    refusals(run, run.mgn.list_tags_for_resource)
