"""What the scripts of this folder share: clients for the gateway that the environment names.

GATEWAY_URL, GATEWAY_CA (certificate file), AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
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
HOST, PORT = urlsplit(URL).hostname, urlsplit(URL).port


def mgn(key=None, region="us-east-1", **config):
    return boto3.client("mgn", region_name=region, endpoint_url=URL, verify=CA,
                        aws_access_key_id=key, aws_secret_access_key=key and os.environ["AWS_SECRET_ACCESS_KEY"],
                        config=Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=60, **config))


def tls():
    return ssl.create_default_context(cafile=CA)


def signed(operation, body=b"", method="POST", headers=(), secret=None, region="us-east-1", service="mgn"):
    """A signed request as (method, target, headers, body), for what boto3 does not know or would not send."""
    request = AWSRequest(method=method, url=URL + operation, data=body, headers=dict(headers))
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], secret or os.environ["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(keys, service, region).add_auth(request)
    return [method, operation, dict(request.headers.items()), body]


def send(method, target, headers, body):
    """(status, error type, body as JSON) of one request over a connection of its own."""
    connection = http.client.HTTPSConnection(HOST, PORT, context=tls(), timeout=30)
    try:
        connection.request(method, target, body=body or None, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.headers["x-amzn-RequestId"], answer.headers
        return answer.status, answer.headers.get("x-amzn-ErrorType"), json.loads(text) if text else None
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
