"""uvicorn with graceful shutdown: not ready while load balancers drain, then running requests finish, then exit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from types import FrameType

import click
import uvicorn

from service.inference.service import Service
from service.limits.http_limits import LimitedHttpProtocol, create_http_protocol
from service.server.app import create_app
from service.settings import Settings


def run_server(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish running requests and return.

    Raises:
        click.ClickException: the port cannot be opened.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    listener = _open_port(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        loop="auto",  # uvloop, where it is installed
        http=create_http_protocol(settings.upload, settings.max_body),
        timeout_keep_alive=30,
        timeout_graceful_shutdown=30,
    )
    _DrainingServer(config, app.state.service).run([listener])


def _open_port(settings: Settings) -> socket.socket:
    """Open the port; raises click.ClickException if that fails."""
    try:
        family, *_ = socket.getaddrinfo(settings.host or None, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
        raise click.ClickException(
            f"port {settings.port} of {settings.host} cannot be opened ({reason}). Perhaps another server "
            "runs there: stop it, or choose another port with --port (0 takes any free one)."
        ) from None
    # asyncio does this only for sockets that it opened; without it a response waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _DrainingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service, self._drain_deadline = service, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening; `gc.freeze()` keeps what was imported until now out of garbage collections."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop: `drain` seconds of "not ready" for load balancers after SIGTERM, none after Ctrl-C."""
        if self._service.stopping or sig == signal.SIGINT:
            super().handle_exit(sig, frame)
        self._service.stopping = True
        self._drain_deadline = time.monotonic() + self._service.settings.drain

    async def on_tick(self, counter: int) -> bool:
        """Close connections whose requests do not arrive in time; close the port once the drain deadline is over."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, LimitedHttpProtocol):
                connection.check_timeout(now)
        is_drained = self._service.stopping and time.monotonic() >= self._drain_deadline
        return await super().on_tick(counter) or is_drained

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals, without raising them again at the end as uvicorn does: stopping is not a failure."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
