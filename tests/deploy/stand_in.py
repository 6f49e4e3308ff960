"""A stand-in for a service: says one JSON line and answers /ready on its health port until it is told to end."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        """Answer 200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = HTTPServer(("127.0.0.1", int(os.environ["SCRIBE_HEALTH_PORT"])), Ready)
print(json.dumps({"message": "ready", "level": "INFO", "broker": os.environ["SCRIBE_AMQP_URL"]}), flush=True)  # noqa: T201 - a service logs to its standard output
server.serve_forever()
