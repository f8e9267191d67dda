#!/usr/bin/python3
"""Requests with odd paths, queries, headers and bodies, signed by botocore: one JSON object a line.

    signed_requests.py SEED COUNT
"""
import base64
import json
import random
import sys
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CHARACTERS = "aZ09-._~ /:%+&=?#!*'();@$,[]\\\"<>^`{|}é€😀\t\x01\x7f"


def text(rand, most):
    return "".join(rand.choice(CHARACTERS) for _ in range(rand.randint(0, most)))


def case(rand):
    method = rand.choice(["POST", "GET", "DELETE"])
    path = "/" + "/".join(quote(text(rand, 12), safe=rand.choice(["", "~", ":"])) for _ in range(rand.randint(1, 4)))
    if rand.random() < 0.2:
        path += rand.choice(["/", "//x", "/./x", "/../x", "/..", "/a/../../b", "/%2e%2e/x"])
    pairs = [(text(rand, 6), text(rand, 6)) for _ in range(rand.randint(0, 5))]
    if pairs and rand.random() < 0.5:
        pairs += [(pairs[0][0], text(rand, 3))]
    rand.shuffle(pairs)
    query = "&".join(quote(k, safe="-_.~") + "=" + quote(v, safe="-_.~") for k, v in pairs)
    body = text(rand, 200).encode() if method == "POST" else b""
    request = AWSRequest(method=method, url="https://gateway.example:8443" + path + ("?" + query if query else ""),
                         data=body)
    if rand.random() < 0.8:
        request.headers["Content-Type"] = rand.choice(["application/json", "text/plain;  charset=utf-8", "x"])
    for name in ("X-Amz-Security-Token", "X-Custom", "X-Amz-Odd!Name"):
        if rand.random() < 0.3:
            request.headers[name] = rand.choice(["plain", "two  blanks   inside", "a,b, c", "", "tab\there", "  ends  "])
    keys = Credentials("GWAKABCDEFGHIJKLMNOP", SECRET)
    SigV4Auth(keys, "mgn", rand.choice(["us-east-1", "eu-central-1"])).add_auth(request)
    headers = [["Host", "gateway.example:8443"], ["User-Agent", "not signed"]]
    headers += [[name, value] for name, value in request.headers.items()]
    parts = urlsplit(request.url)
    target = parts.path + ("?" + parts.query if parts.query else "")
    return {"method": method, "target": target, "headers": headers, "body": base64.b64encode(body).decode()}


def main():
    rand = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        print(json.dumps(case(rand)))


main()
