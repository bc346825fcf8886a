#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client that never stops asking.

Takes the pods that are ready and not on their way out from the API on the unix socket, asks each of them
for its page over a new connection, and again. A request that fails is put once more, to another pod that
is ready, as a proxy does. After every round COUNTS holds four numbers: requests, those that were put
again, those that were lost, and rounds that knew no ready pod. Ends when it is killed.

usage: steady_client.py SOCKET COUNTS"""
import http.client
import json
import os
import socket
import sys
import time

PORT = 8080
TIMEOUT_S = 10
PAUSE_S = 0.02


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self.path)


def get(connection, path):
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_ready(pod):
    conditions = pod.get("status", {}).get("conditions", [])
    return "deletionTimestamp" not in pod["metadata"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )


def ready_addresses(path):
    _, body = get(UnixConnection(path), "/api/v1/namespaces/default/pods")
    pods = filter(is_ready, json.loads(body)["items"])
    return sorted(p["status"]["podIP"] for p in pods if p["status"].get("podIP"))


def served(address):
    try:
        status, _ = get(http.client.HTTPConnection(address, PORT, timeout=TIMEOUT_S), "/")
        return status == 200
    except (OSError, http.client.HTTPException):
        return False


def served_by_another(socket_path, address):
    """The list is taken anew: the pod that failed may be known to be gone by now."""
    others = [a for a in ready_addresses(socket_path) if a != address]
    return bool(others) and served(others[0])


def main(socket_path, counts):
    asked = again = lost = none = 0
    while True:
        addresses = ready_addresses(socket_path)
        none += not addresses
        for address in addresses:
            asked += 1
            if not served(address):
                again += 1
                lost += not served_by_another(socket_path, address)
        with open(counts + ".new", "w", encoding="ascii") as f:
            f.write(f"{asked} {again} {lost} {none}\n")
        os.rename(counts + ".new", counts)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
