"""The peers: each as its documentation starts it, and tuned by hand for the cores of this machine."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from types import MappingProxyType

from benchmarks.serving.contender import Workload
from benchmarks.serving.peers import wires
from benchmarks.serving.peers.peer import Peer, Wire
from graft.runtime.cpu_threads import available_cores

CORES = str(available_cores())
QUIET_BENTOML = {"BENTOML_DO_NOT_TRACK": "True"}
ONE_THREAD = {"THREADS": "1", "WORKERS": CORES}

MOSEC = (
    Peer(
        name="mosec",
        environment="mosec",
        program="mosec_docs.py",
        command=("{program}", "--address", "127.0.0.1", "--port", "{port}"),
        wires={
            "jpeg": wires.msgpack("/inference", "image"),
            "json_tensor": wires.nested("/inference", "image"),
            "binary_tensor": wires.msgpack("/inference", "image"),
            "text": wires.raw("/inference", "text/plain"),
        },
    ),
    Peer(
        name="mosec tuned",
        environment="mosec",
        program="mosec_tuned.py",
        command=("{program}", "--address", "127.0.0.1", "--port", "{port}"),
        wires={
            "jpeg": wires.raw("/inference"),
            "json_tensor": wires.flat("/inference", "image"),
            "binary_tensor": wires.raw("/inference"),
            "text": wires.raw("/inference", "text/plain"),
        },
        knobs=ONE_THREAD,
    ),
)

FASTAPI = (
    Peer(
        name="fastapi",
        environment="fastapi",
        program="fastapi_docs.py",
        command=("-m", "uvicorn", "fastapi_docs:app", "--port", "{port}"),
        wires={
            "jpeg": wires.multipart("/jpeg", "file"),
            "json_tensor": wires.nested("/json_tensor", "image"),
            "binary_tensor": wires.raw("/binary_tensor"),
            "text": wires.text("/text", "text"),
        },
    ),
    Peer(
        name="fastapi tuned",
        environment="fastapi",
        program="fastapi_tuned.py",
        wires={
            "jpeg": wires.raw("/jpeg"),
            "json_tensor": wires.flat("/json_tensor", "image"),
            "binary_tensor": wires.raw("/binary_tensor"),
            "text": wires.raw("/text", "text/plain"),
        },
        knobs=ONE_THREAD,
    ),
)

LITSERVE = (
    Peer(
        name="litserve",
        environment="litserve",
        program="litserve_docs.py",
        wires={
            "jpeg": wires.multipart("/predict", "request"),
            "json_tensor": wires.nested("/predict", "image"),
        },
    ),
    Peer(
        name="litserve tuned",
        environment="litserve",
        program="litserve_tuned.py",
        wires={
            "jpeg": wires.raw("/predict"),
            "json_tensor": wires.flat("/predict", "image"),
            "binary_tensor": wires.raw("/predict"),
        },
        knobs=ONE_THREAD,
    ),
)

PYTRITON_WIRES: Mapping[Workload, Wire] = {
    "jpeg": wires.oip_binary("/v2/models/photos/infer", "image", "BYTES", (1, 1)),
    "json_tensor": wires.oip_tensor("/v2/models/photos/infer", "image"),
    "binary_tensor": wires.oip_binary("/v2/models/photos/infer", "image", "UINT8", wires.SHAPE),
}
# Triton's Python backend links libpython: it must be the one whose standard library it is going to read.
PYTRITON_KNOBS = {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
PYTRITON = (
    Peer(
        name="pytriton",
        environment="pytriton",
        program="pytriton_server.py",
        wires=PYTRITON_WIRES,
        knobs=PYTRITON_KNOBS,
    ),
    Peer(
        name="pytriton tuned",
        environment="pytriton",
        program="pytriton_server.py",
        wires=PYTRITON_WIRES,
        knobs={**PYTRITON_KNOBS, **ONE_THREAD, "BATCH": "8"},
    ),
)

BENTOML = (
    Peer(
        name="bentoml",
        environment="bentoml",
        program="bentoml_docs.py",
        command=("-m", "bentoml", "serve", "bentoml_docs:Photos", "--host", "127.0.0.1", "--port", "{port}"),
        wires={
            "jpeg": wires.multipart("/jpeg", "image"),
            "json_tensor": wires.nested("/json_tensor", "image"),
        },
        knobs=QUIET_BENTOML,
    ),
    Peer(
        name="bentoml tuned",
        environment="bentoml",
        program="bentoml_tuned.py",
        command=("-m", "bentoml", "serve", "bentoml_tuned:Photos", "--host", "127.0.0.1", "--port", "{port}"),
        wires={
            "jpeg": wires.raw("/predict"),
            "json_tensor": wires.flat("/predict", "image"),
            "binary_tensor": wires.raw("/predict"),
        },
        knobs={**QUIET_BENTOML, **ONE_THREAD},
    ),
)

MLSERVER_WIRES: Mapping[Workload, Wire] = {
    "jpeg": wires.oip_bytes("/v2/models/photos/infer", "image"),
    "json_tensor": wires.oip_tensor("/v2/models/photos/infer", "image"),
}
MLSERVER = (
    Peer(name="mlserver", environment="mlserver", program="mlserver_start.py", wires=MLSERVER_WIRES),
    Peer(
        name="mlserver tuned",
        environment="mlserver",
        program="mlserver_start.py",
        wires=MLSERVER_WIRES,
        knobs=ONE_THREAD,
    ),
)

RAY = (
    Peer(
        name="ray",
        environment="ray",
        program="ray_server.py",
        wires={
            "jpeg": wires.raw("/"),
            "json_tensor": wires.nested("/", "image"),
            "binary_tensor": wires.raw("/"),
        },
        knobs={"RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Peer(
        name="ray tuned",
        environment="ray",
        program="ray_server.py",
        wires={
            "jpeg": wires.raw("/"),
            "json_tensor": wires.flat("/", "image"),
            "binary_tensor": wires.raw("/"),
        },
        knobs={**ONE_THREAD, "RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    ),
)

KERAS = (
    Peer(
        name="keras",
        environment="keras",
        program="keras_docs.py",
        command=("-m", "uvicorn", "keras_docs:app", "--port", "{port}"),
        wires={"jpeg": wires.multipart("/jpeg", "file")},
        random_weights=True,
    ),
    Peer(
        name="keras tuned",
        environment="keras",
        program="keras_tuned.py",
        wires={"jpeg": wires.raw("/jpeg")},
        knobs=ONE_THREAD,
        random_weights=True,
    ),
)

PEERS: Mapping[str, Peer] = MappingProxyType(
    {peer.name: peer for peer in (*MOSEC, *FASTAPI, *LITSERVE, *PYTRITON, *BENTOML, *MLSERVER, *RAY, *KERAS)}
)
