#!/usr/bin/env python3
"""A receiver of webhooks that fails at times, and writes down what it took.

    receiver.py DIR [CERTIFICATE KEY]

Serves on a free port of 127.0.0.1 and logs it. DIR/secret is the secret to verify signatures with. Each request that counts as taken is a line of
DIR/taken.jsonl, written before the answer. The path says how it behaves:
  /flaky     fails in turn in every way there is: 503, no answer, taken without an answer, silence for longer than the sender waits
  /switch    503 until there is DIR/open
  /redirect  302 to /trap; /trap is a line, too
  /big       200, and a body without an end
  others     200
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import ssl
import sys
import threading
import time

DIR = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()
UNDER_WAY = set()
RANDOM = random.Random(20)
MOST_FAILURES = 3  # of one event: each next attempt comes twice as late, and the events of its server wait for it
TAKES = 0.5


def verified(headers, body):
    secret = (DIR / "secret").read_text().strip()
    if not secret.startswith("whsec_") or abs(time.time() - int(headers["webhook-timestamp"])) > 60:
        return False
    key = base64.b64decode(secret[len("whsec_"):])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(right, headers["webhook-signature"])


def write_down(path, headers, body, alone):
    message = json.loads(body)
    line = {"path": path, "id": headers["webhook-id"], "attempt": int(headers["godwit-attempt"]), "verified": verified(headers, body),
            "alone": alone, "type": message["type"], "resource": message["data"]["resource"], "etag": message["data"]["etag"],
            "same_id": message["data"]["id"] == headers["webhook-id"]}
    with LOCK, open(DIR / "taken.jsonl", "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def flaky(self, body):
        resource = json.loads(body)["data"]["resource"]
        with LOCK:
            alone = resource not in UNDER_WAY
            UNDER_WAY.add(resource)
            chance = RANDOM.random() if int(self.headers["godwit-attempt"]) <= MOST_FAILURES else TAKES
        time.sleep(0.01)
        if chance >= 0.2:  # taken
            write_down(self.path, self.headers, body, alone)
        with LOCK:
            UNDER_WAY.discard(resource)
        if chance < 0.1:
            self.answer(503)
        elif chance < 0.17 or chance > 0.95:
            self.close_connection = True
        elif chance < 0.2:
            time.sleep(1.5)
            self.close_connection = True
        else:
            self.answer(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/flaky":
            self.flaky(body)
        elif self.path == "/switch" and not (DIR / "open").exists():
            self.answer(503)
        elif self.path == "/redirect":
            self.answer(302, [("Location", "/trap")])
        elif self.path == "/big":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            except OSError:
                self.close_connection = True
        else:
            write_down(self.path, self.headers, body, True)
            self.answer(200)

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # senders that go away, and those that do not trust the certificate
        pass


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(json.dumps({"msg": "serving", "port": str(server.server_address[1])}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    main()
