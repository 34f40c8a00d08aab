"""The outputs of a head, joined to the columns of one array and split again."""

import numpy as np

from graft.bundle.head_runner import concat_outputs, split_outputs
from graft.bundle.signature import TensorSpec

SCORES = np.arange(6, dtype=np.float32).reshape(2, 3)
NOVELTY = np.array([7, 8], np.float32)
TENSORS = (TensorSpec("scores", "float32", (-1, 3)), TensorSpec("novelty", "float32", (-1,)))


def test_split_outputs_reverses_concat_outputs() -> None:
    parts = split_outputs(concat_outputs([SCORES, NOVELTY]), TENSORS)
    assert list(parts) == ["scores", "novelty"]
    np.testing.assert_array_equal(parts["scores"], SCORES)
    np.testing.assert_array_equal(parts["novelty"], NOVELTY)


def test_concat_outputs_does_not_copy_a_single_output() -> None:
    assert concat_outputs([SCORES]) is SCORES
