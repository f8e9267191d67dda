#!/usr/bin/env python3
"""qmp.py SOCKET COMMAND [ARGUMENTS-AS-JSON]: runs one QMP command and prints its answer as JSON.

qmp.py SOCKET hmp LINE...: runs one line of the human monitor and prints its text; status 1 when the text says Error.
Every wait ends after 300 s (savevm writes the whole memory).
"""
import json
import socket
import sys


def call(stream, command, arguments=None):
    """Sends one command; returns its answer, skipping events. Raises RuntimeError when QEMU refuses."""
    request = {"execute": command}
    if arguments:
        request["arguments"] = arguments
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"]["desc"])
        if "return" in answer:
            return answer["return"]
    raise RuntimeError("QEMU closed the connection")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(300)
    try:
        connection.connect(sys.argv[1])
        stream = connection.makefile("rw", encoding="utf-8")
        stream.readline()  # the greeting
        call(stream, "qmp_capabilities")
        if sys.argv[2] == "hmp":
            text = call(stream, "human-monitor-command", {"command-line": " ".join(sys.argv[3:])})
            print(text, end="")
            return 1 if "Error" in text else 0
        print(json.dumps(call(stream, sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else None)))
        return 0
    except (OSError, RuntimeError) as error:
        sys.exit(f"qmp.py: {error}")


if __name__ == "__main__":
    sys.exit(main())
