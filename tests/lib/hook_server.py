#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server for tests of webhooks: hook_server.py DIR. Writes its port into DIR/port, each request as
a JSON line into DIR/requests; answers 503 while DIR/fail exists, 400 while DIR/refuse does, and
nothing at all while DIR/hang does."""

import http.server
import json
import os
import sys
import time

WHERE = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        record = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}
        with open(os.path.join(WHERE, "requests"), "a", encoding="utf-8") as f:
            f.write(json.dumps(record, sort_keys=True) + "\n")
        while os.path.exists(os.path.join(WHERE, "hang")):
            time.sleep(0.05)
        status = 200
        if os.path.exists(os.path.join(WHERE, "fail")):
            status = 503
        if os.path.exists(os.path.join(WHERE, "refuse")):
            status = 400
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(os.path.join(WHERE, "port.new"), "w", encoding="utf-8") as f:
    f.write(str(server.server_address[1]))
os.rename(os.path.join(WHERE, "port.new"), os.path.join(WHERE, "port"))
server.serve_forever()
