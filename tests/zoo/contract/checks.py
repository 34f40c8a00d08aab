"""What a trunk must be: as its entry declares, awake, and like the library itself."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from graft.errors import TrunkError
from graft.types import Float32Array
from tests.zoo.contract.stand_in import Network
from zoo.catalog.backbone import Backbone, ImageSpec
from zoo.convert.parity import PARITY_TOLERANCE

_ALIVE: Final = 1e-3  # of the largest feature: so far must features of two samples be apart


def check_facts(entry: Backbone, stand_in: dict[str, Any], built: dict[str, Any]) -> None:
    """Raise TrunkError unless width, parameters and input are the declared ones, as far as any are."""
    network = stand_in["network"]
    said = {"width": None if network == Network.CLASS else entry.width}
    real = {"width": built["signature"]["outputs"][0]["shape"][-1]}
    is_image = isinstance(entry.takes, ImageSpec)
    if network == Network.WHOLE and (is_image or "params" in stand_in):  # an encoder's trunk may lack its pooler
        said["params"], real["params"] = entry.params, stand_in.get("params") or built["params"]
    if is_image:
        said["size"], real["size"] = entry.takes.size, built["input"]["size"]
    else:
        said["max_tokens"], real["max_tokens"] = entry.takes.max_tokens, built["input"]["max_tokens"]
    wrong = [f"{k} is {real[k]}, declared {said[k]}" for k in said if said[k] is not None and real[k] != said[k]]
    if wrong:
        raise TrunkError(f"{entry.name} is not what the catalog says: {'; '.join(wrong)}.")


def check_alive(features: Float32Array) -> None:
    """Raise TrunkError unless features of several samples, [n,d], are finite and apart."""
    apart, largest = float(np.abs(features[0] - features[1]).max()), float(np.abs(features).max())
    if not apart > _ALIVE * largest:  # NaN fails too
        raise TrunkError(f"features of two samples are apart by {apart:.3g} only, of {largest:.3g}: it sees nothing.")


def check_same(ours: Float32Array, theirs: Float32Array) -> None:
    """Raise TrunkError unless features are those of the library with its own preprocessing, [n,d]."""
    off, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    if not off <= PARITY_TOLERANCE * largest:
        raise TrunkError(f"the library's own preprocessing gives other features: off by {off:.3g} of {largest:.3g}.")
