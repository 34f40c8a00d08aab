"""One connection of the load generator: a request is sent and its answer read without ever waiting."""

from __future__ import annotations

import selectors
import socket


class Line:
    """One keep-alive connection; at most one request is on its way."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._port, self._selector = port, selector
        self.busy, self._got, self._rest = False, b"", memoryview(b"")
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self)

    def close(self) -> None:
        """Close it."""
        self._selector.unregister(self._socket)
        self._socket.close()

    def send(self, which: int, request: bytes, sent: float) -> None:
        """Begin a request."""
        self.which, self.sent, self.busy, self._got = which, sent, True, b""
        self._rest = memoryview(request)
        self.write()

    def write(self) -> None:
        """Hand on as much as the kernel takes; a body larger than its buffers never holds up the other lines."""
        try:
            self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self._rest = self._rest[:0]  # the answer, or its end, will be read
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._rest else 0)
        if self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events, self)

    def read(self) -> tuple[int, bytes] | None:
        """Return status and body when the answer is whole; status 0 where the server hung up instead."""
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        low = head.lower()
        if data and not (separator and _whole(low, body)):
            return None
        was_busy, self.busy = self.busy, False
        if not data or self._rest or b"\r\nconnection: close" in low:  # or it answered before it had read all
            self._again()
        if not was_busy:
            return None  # an idle connection that the server closed
        return (int(head[9:12]), body) if data else (0, b"")

    def _again(self) -> None:
        self.close()
        self._open()


def _whole(head: bytes, body: bytes) -> bool:
    """Tell whether a body has the length that its head (in lower case) tells."""
    _, separator, after = head.partition(b"content-length:")
    if separator:
        return len(body) >= int(after.split(b"\r\n", 1)[0])
    return b"chunked" in head and body.endswith(b"0\r\n\r\n")
