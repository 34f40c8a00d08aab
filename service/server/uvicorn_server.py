"""uvicorn, with a stop that balancers can see: not ready first, then what is under way, then the end."""

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
    """Serve until SIGTERM or SIGINT; then finish what is under way and return.

    Raises:
        click.ClickException: the address cannot be had.
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
    """Open the port, or say why it cannot be had."""
    try:
        family, *_ = socket.getaddrinfo(settings.host or None, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as fault:
        reason = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror
        raise click.ClickException(
            f"port {settings.port} of {settings.host} cannot be opened ({reason}). Perhaps another server "
            "runs there: stop it, or choose another port with --port (0 takes any free one)."
        ) from None
    # asyncio does this only for sockets it made itself; without it an answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _DrainingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service, self._drain_deadline = service, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door; what was imported until now lives long, and the collector walks through it no more."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; balancers get `drain` seconds to see it, a person's Ctrl-C does not wait."""
        if self._service.stopping or sig == signal.SIGINT:
            super().handle_exit(sig, frame)
        self._service.stopping = True
        self._drain_deadline = time.monotonic() + self._service.settings.drain

    async def on_tick(self, counter: int) -> bool:
        """Hang up on requests that do not arrive; close the port once the time to drain is over."""
        now = asyncio.get_running_loop().time()
        for connection in list(self.server_state.connections):
            if isinstance(connection, LimitedHttpProtocol):
                connection.check_timeout(now)
        over = self._service.stopping and time.monotonic() >= self._drain_deadline
        return await super().on_tick(counter) or over

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals, and do not raise them again at the end as uvicorn does: stopping is no failure."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
