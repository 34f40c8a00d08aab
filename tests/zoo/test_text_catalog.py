"""Every text entry says what is true: about its preset, its addresses, its size and its tokens."""

from __future__ import annotations

import math
import warnings

import pytest
from click.testing import CliRunner

from tests.zoo.encoder_halves import HALVES
from tests.zoo.presets import family_of, keras_hub
from tests.zoo.test_build_text import QUICK, SLOW
from tests.zoo.true_sizes import TEXTS
from zoo.backbone import Backbone, FileSource, Pooling, Precision, Tokens, catalog, get
from zoo.build.tokenizers import FAMILIES
from zoo.catalog import hub
from zoo.cli import cli
from zoo.differences import CASED, DIFFERENCES

ENTRIES = [entry for entry in hub.TABLE if isinstance(entry.takes, Tokens)]
entries = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
# Real sizes are counted of each; of all but a few only where there is time.
COUNTED = [
    name if name in (*QUICK, *SLOW, "all_minilm_l6_v2.sentences") else pytest.param(name, marks=pytest.mark.slow)
    for name in TEXTS
]


def test_every_family_is_there_and_built_by_a_test() -> None:
    assert {f"{family_of(entry.name)}Tokenizer" for entry in ENTRIES} == FAMILIES.keys()
    assert {family_of(name) for name in (*QUICK, *SLOW)} == {family_of(entry.name) for entry in ENTRIES}
    assert {entry.name for entry in catalog() if isinstance(entry.takes, Tokens)} == TEXTS.keys() | HALVES.keys()


@entries
def test_the_fields_are_filled(entry: Backbone) -> None:
    assert entry.builder == "text:preset"
    assert entry.library == "keras-hub"
    assert isinstance(entry.takes, Tokens)
    assert entry.takes.max_tokens == 512
    assert entry.takes.pooling is not Pooling.POOLER
    assert entry.precision is Precision.FP32
    assert entry.license in ("Apache-2.0", "MIT")
    assert entry.width is not None


@pytest.mark.parametrize("name", COUNTED)
def test_width_positions_and_parameters_belong_together(name: str) -> None:
    import keras

    entry, family = get(name), family_of(name)
    assert entry.width == TEXTS[name]["hidden_dim"]
    heads = {} if family == "FNet" else {"num_heads": 4}
    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_hub().models, f"{family}Backbone")(**TEXTS[name], **heads)
    counted = sum(math.prod(weight.shape) for weight in model.weights)
    if name == "paraphrase_minilm_l3_v2.en":  # KerasHub's number is that of no such network
        assert entry.params is None
        assert counted == 17_389_824 != entry.ships
    else:
        assert counted == entry.params


@pytest.mark.parametrize(
    "name", [name if "small" in name else pytest.param(name, marks=pytest.mark.slow) for name in HALVES]
)
def test_of_an_encoder_with_a_decoder_the_half_is_told(name: str) -> None:
    one, two = counted(name, 1), counted(name, 2)
    more = HALVES[name]["num_layers"] - 1  # each layer is as large as any other: two are counted, the quicker way
    whole, half = (first + more * (second - first) for first, second in zip(one, two, strict=True))
    if name == "bart_large.en_cnn":  # KerasHub's number is that of no such network
        assert get(name).params is None
        assert whole == 406_286_336 != get(name).ships
    else:
        assert (whole, half) == (get(name).ships, get(name).params)
    assert get(name).width == HALVES[name]["hidden_dim"]


def counted(name: str, layers: int) -> tuple[int, int]:
    """Parameters of encoder and decoder together, and of the encoder, with so many layers each."""
    import keras

    with keras.StatelessScope(initialize_variables=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # T5's attention says that it keeps no mask
        model = getattr(keras_hub().models, f"{family_of(name)}Backbone")(**HALVES[name] | {"num_layers": layers})
        inputs = [model.input[f"encoder_{array}"] for array in ("token_ids", "padding_mask")]
        half = keras.Model(inputs, model.output["encoder_sequence_output"])
    read = [weight for weight in half.weights if not weight.path.endswith("reverse_embeddings")]
    whole, part = (sum(math.prod(weight.shape) for weight in weights) for weights in (model.weights, read))
    return whole, part


@entries
def test_differences_are_those_of_its_tokenizer(entry: Backbone) -> None:
    assert isinstance(entry.source, FileSource)
    tokenizer = "XLMRoberta" if entry.name == "multilingual_e5_small.multi" else family_of(entry.name)
    cased = "case is maintained" in (entry.about or "") or entry.name.endswith(".zh")
    wordpiece = any(file.path.endswith("vocabulary.txt") for file in entry.source.files)
    assert entry.differences == (CASED if cased and wordpiece else DIFFERENCES[f"{tokenizer}Tokenizer"])


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("bge_small.en", Pooling.CLS),
        ("mxbai_embed_large_v1.en", Pooling.CLS),
        ("mxbai_embed_xsmall_v1.en", Pooling.MEAN),
        ("multilingual_e5_small.multi", Pooling.MEAN),
        ("f_net_base.en", Pooling.CLS),
    ],
)
def test_encoders_that_were_tuned_to_give_one_row_keep_their_pooling(name: str, pooling: Pooling) -> None:
    takes = get(name).takes
    assert isinstance(takes, Tokens)
    assert takes.pooling is pooling


@pytest.mark.parametrize("name", ["roberta_base", "all_minilm_l6_v2"])
def test_show_tells_the_differences_and_the_licence(name: str) -> None:
    said = CliRunner().invoke(cli, ["show", name]).stdout
    for difference in get(name).differences:
        assert f"{difference.kind}: {difference.ours}; keras-hub: {difference.keras_hub}" in said
    assert said.count("in plain text too") == sum(difference.plain for difference in get(name).differences)
    assert "pooling: mean" in said
    assert (get(name).restricts or "nothing beyond the licence's notice") in said
