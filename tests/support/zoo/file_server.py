"""A file server on loopback that fails in the ways of real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FaultyServer(ThreadingHTTPServer):
    """Serves `files` by path, with ranges; its attributes make it fail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.etag: str | None = '"one"'
        self.stalls: list[int] = []  # bytes after which each answer in turn hangs until `hangs_up` is set
        self.hangs_up = threading.Event()
        self.cuts: list[int] = []  # bytes after which each answer in turn breaks off
        self.statuses: list[int] = []  # of each answer in turn, instead of the file
        self.headers: dict[str, str] = {}  # additional headers
        self.checks_versions = True  # False: honours Range whatever If-Range says
        self.sends_length = True
        self.piece = 1 << 40  # bytes of a range that are sent at most, as a complete answer
        self.delay = 0.0  # seconds before each answer
        self.requests: list[tuple[str, str | None, str | None]] = []  # path, Range, If-Range

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyServer

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append((self.path, wanted, self.headers.get("If-Range")))
        time.sleep(server.delay)
        if server.statuses:
            return self.send_error(server.statuses.pop(0))
        data = server.files.get(self.path)
        if data is None:
            return self.send_error(404)
        current = not server.checks_versions or self.headers.get("If-Range") == server.etag
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and current else 0
        if start >= len(data) > 0:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        last = min(len(data), start + server.piece if start else len(data))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{last - 1}/{len(data)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.sends_length:
            self.send_header("Content-Length", str(last - start))
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if server.stalls:
            self.wfile.write(data[start : start + server.stalls.pop(0)])
            server.hangs_up.wait()
            return None
        end = start + server.cuts.pop(0) if server.cuts else last
        self.wfile.write(data[start:end])
        return None

    def do_CONNECT(self) -> None:
        """Note what a proxy is asked to lead to, and refuse it."""
        self.server.requests.append((f"CONNECT {self.path}", None, None))
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """A server that runs until the block ends."""
    with FaultyServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.hangs_up.set()
            server.shutdown()
            thread.join()
