"""The whole story in one command: fine-tune on real data, serve, ask, answer.

    make demo

1,797 handwritten digits of 8x8 pixels (sample:digits) are grafted on EfficientNet-Lite0, once in int8
and once in fp32; the server answers for digits that training never saw. Seed 0, split 60/20/20.
"""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from graft.bundle.open_bundle import open_bundle
from graft.errors import NotReady, Unreachable
from service import Client

COMMANDS = Path(sys.executable).parent
MODELS = Path("models")


def say(line: str) -> None:
    print(f"\n\033[1m{line}\033[0m" if sys.stdout.isatty() else f"\n{line}", flush=True)


def finetune(precision: str) -> dict[str, Any]:
    """Fine-tune on sample:digits and return what `finetune --json` says."""
    command = [COMMANDS / "finetune", "sample:digits", "--models", MODELS, "--precision", precision, "--json"]
    process = subprocess.run([*command, "--name", f"digits-{precision}"], stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def drawn(picture: bytes) -> str:
    """Return a small grey picture as text."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L")) // 52
    return "\n".join("    " + "".join(" .:*#"[level] * 2 for level in row) for row in pixels)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(client: Client, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            if client.models():
                return
        except (Unreachable, NotReady):
            time.sleep(0.05)
    raise SystemExit(f"the server ended with status {server.returncode}; what it said stands above.")


def main() -> None:
    say("1. Fine-tune: EfficientNet-Lite0 learns to read digits")
    result = {precision: finetune(precision) for precision in ("int8", "fp32")}

    say("2. Serve, without TensorFlow")
    port = free_port()
    server = subprocess.Popen([COMMANDS / "serve", "--models", MODELS, "--port", str(port)])
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            wait_until_ready(client, server)
            say("3. Ask about digits that training never saw")
            unseen = open_bundle(Path(result["int8"]["path"])).read_golden().samples[:3]
            for picture, answer in zip(unseen, client.predict("digits-int8", list(unseen)), strict=True):
                print(f"{drawn(picture)}\n    → {answer.label} ({answer.probability:.1%})\n")
    finally:
        server.terminate()
        server.wait(30)

    say("4. How good is it?")
    for precision, model in result.items():
        metrics = model["metrics"]
        print(
            f"    {precision}: accuracy {metrics['accuracy']:.1%}, macro F1 {metrics['macro_f1']:.3f}, "
            f"calibration error {metrics['ece']:.3f}, on the test part"
        )
    print(f"    the reports are in {result['int8']['path']} and {result['fp32']['path']} (report.html)")


if __name__ == "__main__":
    main()
