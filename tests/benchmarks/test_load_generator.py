"""The load generator counts what really happened: against a small HTTP server whose every answer is known."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.serving.contender import ask, post
from benchmarks.serving.load import Answer, Outcome, Plan, drive, load

SIZES: list[int] = []


class Echo(BaseHTTPRequestHandler):
    """Answers with the status that the path names and the body's size; /0 hangs up, /close says that it will."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        SIZES.append(len(body))
        word = self.path[1:]
        if word == "0":
            self.close_connection = True
            return
        said = f"{word} {len(body)}".encode()
        self.send_response(int(word) if word.isdigit() else 200)
        if word == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(said), said))
            self.wfile.write(b"0\r\n\r\n")
            return
        if word == "close":
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    SIZES.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


REQUESTS = [
    post("/200", "text/plain", b"four"),
    post("/503", "text/plain", b""),
    post("/0", "text/plain", b""),
    post("/close", "text/plain", b"x"),
    post("/chunked", "text/plain", b"xyz"),
]


@pytest.mark.parametrize("connections", [1, 3])
def test_load_generator_sends_every_request_once_and_records_its_answer(port: int, connections: int) -> None:
    order = [0, 1, 2, 0, 3, 4, 0, 2, 1, 0] * 3
    answers = drive(REQUESTS, Plan(port=port, connections=connections, order=order, keep=True))
    assert sorted(answer.which for answer in answers) == sorted(order)
    assert len(SIZES) == len(order)
    expected = {0: (200, "200 4"), 1: (503, "503 0"), 2: (0, ""), 3: (200, "close 1")}
    for answer in answers:
        if answer.which == 4:
            assert answer.status == 200
            assert "chunked 3" in answer.body
        else:
            assert (answer.status, answer.body) == expected[answer.which]
        assert answer.done > answer.sent


def test_load_generator_sends_a_body_larger_than_every_buffer(port: int) -> None:
    big = post("/200", "application/octet-stream", bytes(8 << 20))
    answers = drive([big, REQUESTS[0]], Plan(port=port, connections=2, order=[0, 1] * 3, keep=True))
    assert {answer.body for answer in answers} == {f"200 {8 << 20}", "200 4"}


def test_latency_counts_from_the_due_time_even_without_a_free_connection(port: int) -> None:
    dues = [0.0, 0.0, 0.0, 0.05]
    answers = drive(REQUESTS, Plan(port=port, connections=1, order=[0] * 4, dues=dues))
    assert sorted(answer.sent for answer in answers) == dues
    assert all(answer.done > answer.sent for answer in answers)


def test_load_generator_in_its_own_process_runs_for_the_given_seconds(port: int) -> None:
    outcome = load([REQUESTS[0]], Plan(port=port, connections=2, seconds=0.2))
    assert outcome.bad == 0
    assert 0 < len(outcome.counted) < len(outcome.answers) == len(SIZES)  # what settles is not counted
    assert outcome.rate == pytest.approx(len(outcome.counted) / 0.2)
    assert outcome.cpu > 0


def test_throughput_and_percentiles_leave_out_warm_up_and_errors() -> None:
    answers = tuple(Answer(0, at / 10, at / 10 + 0.05, 200 if at != 7 else 500) for at in range(20))
    outcome = Outcome(answers, 0.0, since=0.5, until=1.5)
    assert len(outcome.counted) == 10
    assert outcome.rate == pytest.approx(9)  # a failure is no answer
    assert outcome.bad == 1
    assert outcome.percentile(0.5) == pytest.approx(0.05)


def test_ask_sends_a_single_request(port: int) -> None:
    assert ask(port, REQUESTS[0]) == (200, b"200 4")
