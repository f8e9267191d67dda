"""What the scripts of this folder share: clients for the gateway that the environment names.

GATEWAY_URL, GATEWAY_CA (certificate file), GATEWAY_KEYS ({"name": [id, secret]}; the names are in gateway_fixture.h),
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (those of "operator").
"""
import http.client
import json
import os
import ssl
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

URL = os.environ["GATEWAY_URL"]
CA = os.environ["GATEWAY_CA"]
# Name -> (access key id, secret).
KEYS = {name: tuple(key) for name, key in json.loads(os.environ["GATEWAY_KEYS"]).items()}
TAGS = {"POST": "TagResource", "DELETE": "UntagResource", "GET": "ListTagsForResource"}
HOST, PORT = urlsplit(URL).hostname, urlsplit(URL).port


# Told of every answer that a client of this file gets: operation, status, error or None, body, and of boto3 the request, else None.
OBSERVERS = []


def observe(operation, status, error, body, sent=None):
    for observer in OBSERVERS:
        observer(operation, status, error, body, sent)


def _before_call(params, context, **_):
    context["sent"] = {"method": params["method"], "path": params["url_path"], "query": params["query_string"], "body": params["body"]}


def _after_call(http_response, parsed, model, context, **_):
    error = parsed.get("Error", {}).get("Code")
    observe(model.name, http_response.status_code, error, json.loads(http_response.content or b"null"), context["sent"])


def mgn(key="operator", region="us-east-1", **config):
    """A client that does not try again, with the key of that name."""
    name, secret = KEYS[key]
    client = boto3.client("mgn", region_name=region, endpoint_url=URL, verify=CA,
                          aws_access_key_id=name, aws_secret_access_key=secret,
                          config=Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=60, **config))
    return observed(client)


def observed(client):
    """The client of boto3, whose answers the observers are told of."""
    client.meta.events.register("before-call.mgn", _before_call)
    client.meta.events.register("after-call.mgn", _after_call)
    return client


def tls():
    return ssl.create_default_context(cafile=CA)


def signed(operation, body=b"", method="POST", headers=(), secret=None, region="us-east-1", service="mgn",
           key="operator"):
    """A signed request as (method, target, headers, body), for what boto3 does not know or would not send."""
    request = AWSRequest(method=method, url=URL + operation, data=body, headers=dict(headers))
    name, own = KEYS.get(key, (key, secret or "none"))
    SigV4Auth(Credentials(name, secret or own), service, region).add_auth(request)
    return [method, operation, dict(request.headers.items()), body]


def send(method, target, headers, body):
    """(status, error type, body as JSON) of one request over a connection of its own."""
    connection = http.client.HTTPSConnection(HOST, PORT, context=tls(), timeout=30)
    try:
        connection.request(method, target, body=body or None, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.headers["x-amzn-RequestId"], answer.headers
        said = answer.status, answer.headers.get("x-amzn-ErrorType"), json.loads(text) if text else None
        operation = TAGS[method] if target.startswith("/tags/") else target.partition("?")[0][1:]
        observe(operation, *said)
        return said
    finally:
        connection.close()


def call(operation, **members):
    return send(*signed("/" + operation, json.dumps(members).encode()))


def refusal(function, **members):
    """The name of the error that a call of boto3 ends with, and the error."""
    try:
        function(**members)
    except Exception as error:  # pylint: disable=broad-except
        assert hasattr(error, "response"), repr(error)
        return error.response["Error"]["Code"], error.response
    raise AssertionError("not refused: %s %s" % (function, members))
