"""Inputs opened once: all the models with one tokenizer share it in memory, as they share a trunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from graft.inputs.open_input import Input, open_input
from graft.inputs.text import TextInput


class InputCache:
    """Opens inputs as `graft.inputs.open_input.open_input` does. Called from one thread at a time."""

    def __init__(self) -> None:
        # Weak: a tokenizer leaves the memory with the last model that has it.
        self._text_inputs: WeakValueDictionary[str, TextInput] = WeakValueDictionary()

    def __call__(self, spec: Mapping[str, Any], tokenizer_json: bytes | None) -> Input:
        """Return the input that a spec describes, the one that is open already if there is one.

        Raises:
            BundleBroken: `tokenizer_json` is not the file that the spec names.
            BundleUnsupported: this Graft cannot do exactly that.
        """
        key_spec = {name: value for name, value in spec.items() if name != "decoder_version"}
        key = json.dumps([key_spec, hashlib.sha256(tokenizer_json or b"").hexdigest()], sort_keys=True)
        if shared_input := self._text_inputs.get(key):
            return shared_input
        new_input = open_input(spec, tokenizer_json)
        if isinstance(new_input, TextInput):
            self._text_inputs[key] = new_input
        return new_input
