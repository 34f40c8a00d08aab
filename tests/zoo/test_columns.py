import numpy as np

from zoo.columns import apart, together
from zoo.signature import Tensor

SCORES = np.arange(6, dtype=np.float32).reshape(2, 3)
NOVELTY = np.array([7, 8], np.float32)
TENSORS = (Tensor("scores", "float32", (-1, 3)), Tensor("novelty", "float32", (-1,)))


def test_what_was_put_together_comes_apart() -> None:
    parts = apart(together([SCORES, NOVELTY]), TENSORS)
    assert list(parts) == ["scores", "novelty"]
    np.testing.assert_array_equal(parts["scores"], SCORES)
    np.testing.assert_array_equal(parts["novelty"], NOVELTY)


def test_a_single_output_is_not_copied() -> None:
    assert together([SCORES]) is SCORES
