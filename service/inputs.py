"""Inputs opened once: all the models with one tokenizer share it in memory, as they share a trunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from zoo.inputs import Input, open_input
from zoo.text import TextInput


class SharedInputs:
    """Opens inputs as `zoo.inputs.open_input` does. Called from one thread at a time."""

    def __init__(self) -> None:
        # Weak: a tokenizer leaves the memory with the last model that has it.
        self._opened: WeakValueDictionary[str, TextInput] = WeakValueDictionary()

    def __call__(self, spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
        """Return the input that a spec describes, the one that is open already if there is one.

        Raises:
            BundleBroken: `tokenizer_json` is not the file that the spec names.
            BundleUnsupported: this Graft cannot do exactly that.
        """
        asked = {name: value for name, value in spec.items() if name != "decoder_version"}
        key = json.dumps([asked, hashlib.sha256(tokenizer_json or b"").hexdigest()], sort_keys=True)
        if found := self._opened.get(key):
            return found
        opened = open_input(spec, tokenizer_json)
        if isinstance(opened, TextInput):
            self._opened[key] = opened
        return opened
