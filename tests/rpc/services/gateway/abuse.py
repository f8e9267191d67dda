#!/usr/bin/python3
"""Requests that must be refused, each with the right error; after each the gateway still serves."""
import datetime
import socket
import ssl
import time

import botocore.auth

from client import HOST, PORT, call, mgn, refusal, send, signed, tls


def serves():
    code, name, body = call("DescribeVcenterClients")
    assert (code, name) == (404, "UnknownOperationException"), body  # POST: it is a GET
    assert mgn().describe_vcenter_clients()["items"] == []


def expect(request, code, name):
    got = send(*request)
    assert got[:2] == (code, name), (request[:3], got)
    return got[2]


INVALID, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
BODY = b'{"maxResults": 1}'
LIST = "/DescribeSourceServers"
assert send(*signed(LIST, BODY))[0] == 200

# Signatures.
expect(signed(LIST, BODY, key="GWAKNOBODYNOBODYNOBO"), 403, "UnrecognizedClientException")
expect(signed(LIST, BODY, key="disabled"), 403, "UnrecognizedClientException")
expect(signed(LIST, BODY, secret="another"), 403, INVALID)
expect(signed(LIST, BODY, region="eu-north-1"), 403, INVALID)
expect(signed(LIST, BODY, service="ec2"), 403, INVALID)
assert send(*signed(LIST, BODY, region="eu-central-1"))[0] == 200  # the second region
for change, name in ((lambda r: r.__setitem__(3, BODY + b" "), INVALID),
                     (lambda r: r.__setitem__(1, "/StartTest"), INVALID),
                     (lambda r: r.__setitem__(1, LIST + "?a=b"), INVALID),
                     (lambda r: r[2].update({"X-Amz-Target": "unsigned"}), INVALID),
                     (lambda r: r[2].pop("Authorization"), "MissingAuthenticationTokenException"),
                     (lambda r: r[2].update({"Authorization": "Bearer x"}), INCOMPLETE)):
    tampered = signed(LIST, BODY)
    change(tampered)
    expect(tampered, 403, name)


clock = datetime.datetime


class OldClock(clock):
    shift = datetime.timedelta()

    @classmethod
    def utcnow(cls):
        return clock.utcnow() + cls.shift


botocore.auth.datetime.datetime = OldClock
for minutes in (-6, 6):
    OldClock.shift = datetime.timedelta(minutes=minutes)
    assert "Signature" in expect(signed(LIST, BODY), 403, INVALID)["message"]
OldClock.shift = datetime.timedelta(minutes=-4)
assert send(*signed(LIST, BODY))[0] == 200
botocore.auth.datetime.datetime = clock
presigned = signed(LIST, BODY)
expect([presigned[0], LIST + "?X-Amz-Signature=0", {}, BODY], 403, INCOMPLETE)
serves()

# Bodies.
for body, reason in ((b"[" * 100000, "cannotParse"), (b'{"a":' * 40 + b"1" + b"}" * 40, "cannotParse"),
                     (b'{"maxResults": 1, "maxResults": 2}', "cannotParse"), (b'{"maxResults": NaN}', "cannotParse"),
                     (b'{"nextToken": "\\ud800"}', "cannotParse"), (b'{"nextToken": "\xff"}', "cannotParse"),
                     (b"[]", "cannotParse"), (b'{"maxResults": 0}', "fieldValidationFailed"),
                     (b'{"maxResults": "1"}', "fieldValidationFailed"),
                     (b'{"nextToken": "\\u0000"}', "fieldValidationFailed"),
                     (b'{"filters": {"lifeCycleStates": ["X"]}}', "fieldValidationFailed")):
    refused = expect(signed(LIST, body), 400, "ValidationException")
    assert refused["reason"] == reason and refused["code"] == "ValidationException", (body[:40], refused)
assert send(*signed(LIST, b'{"news": 1, "maxResults": null}'))[0] == 200
code, error = refusal(mgn(parameter_validation=False).start_test, sourceServerIDs=["s-1", "x" * 19])
assert code == "ValidationException", error
assert [f["name"] for f in error["fieldList"]] == ["sourceServerIDs[0]", "sourceServerIDs[1]"], error
serves()

# HTTP.
expect(signed(LIST, b"x" * (1024 * 1024 + 1)), 413, "RequestEntityTooLargeException")


def whole(answer):
    head, end, body = answer.lower().partition(b"\r\n\r\n")
    return end and len(body) >= int(head.partition(b"content-length:")[2].split()[0])


def raw(text, patience=10):
    with socket.create_connection((HOST, PORT), timeout=patience) as plain, tls().wrap_socket(plain, server_hostname=HOST) as s:
        s.sendall(text)
        got = b""
        try:
            while not whole(got) and (chunk := s.recv(65536)):
                got += chunk
        except OSError:
            pass
        return got


def status(text):
    got = raw(text)
    assert b"x-amzn-requestid" in got.lower(), got
    return int(got.split()[1])


HEAD = b"POST /StartTest HTTP/1.1\r\nHost: h\r\n"
assert status(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}") == 400
assert status(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == 411
assert status(HEAD + b"A: b\r\n c\r\n\r\n") == 400
assert status(HEAD + b"Host: i\r\n\r\n") == 400
assert status(HEAD + b"A: " + b"b" * 20000 + b"\r\n\r\n") == 431
assert status(b"GET http://elsewhere/ HTTP/1.1\r\nHost: h\r\n\r\n") == 400
with socket.create_connection((HOST, PORT)) as plain:  # no TLS at all
    plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
    plain.settimeout(10)
    try:
        while plain.recv(4096):
            pass
    except ConnectionError:
        pass
serves()

# Versions of TLS.
def speak(version):
    context = tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    with socket.create_connection((HOST, PORT)) as plain, context.wrap_socket(plain, server_hostname=HOST) as s:
        return s.version()


assert speak(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
assert speak(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
try:
    raise AssertionError(speak(ssl.TLSVersion.TLSv1_1))
except ssl.SSLError as error:
    assert "ALERT_PROTOCOL_VERSION" in str(error), error  # said by the gateway

# A hundred clients that send half a head, and one that never finishes its handshake.
held = []
for i in range(100):
    s = socket.create_connection((HOST, PORT))
    if i:
        s = tls().wrap_socket(s, server_hostname=HOST)
        s.sendall(b"POST /StartTest HTTP/1.1\r\nHo")
    held.append(s)
start = time.time()
serves()
print("answer beside 100 held connections: %.3f s" % (time.time() - start))
for s in held:
    s.close()
serves()
print("done")
