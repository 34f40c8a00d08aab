"""Every text entry says what is true: about its preset, its addresses, its size and its tokens."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from tests.support.presets.keras_hub_text_presets import keras_hub, keras_hub_family, tokenizer_class
from tests.support.presets.published_encoder_layers import HALVES, PROTEINS
from tests.support.presets.published_layers import TEXTS
from tests.support.presets.text_preset_names import QUICK_TEXT_PRESETS, SLOW_TEXT_PRESETS
from zoo.catalog import keras_hub_backbones
from zoo.catalog.backbone import Backbone, FileSource, Pooling, Precision, TextSpec, unsupported_reason
from zoo.catalog.find import all_backbones, get_backbone
from zoo.catalog.tokenizer_differences import CASED_WORDPIECE, TOKENIZER_DIFFERENCES
from zoo.cli.main import cli
from zoo.convert.tokenizer_json.families import TOKENIZER_FAMILIES

ENTRIES = [
    entry for entry in keras_hub_backbones.BACKBONES if isinstance(entry.takes, TextSpec) and entry.name not in PROTEINS
]
entries = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
# Real sizes are counted of each; of all but a few only where there is time.
COUNTED = [
    name
    if name in (*QUICK_TEXT_PRESETS, *SLOW_TEXT_PRESETS, "all_minilm_l6_v2.sentences")
    else pytest.param(name, marks=pytest.mark.slow)
    for name in TEXTS
]


def test_text_families_are_all_in_the_catalog_and_built() -> None:
    assert {f"{keras_hub_family(entry.name)}Tokenizer" for entry in ENTRIES} == TOKENIZER_FAMILIES.keys()
    assert {keras_hub_family(name) for name in (*QUICK_TEXT_PRESETS, *SLOW_TEXT_PRESETS)} == {
        keras_hub_family(entry.name) for entry in ENTRIES
    }
    assert {entry.name for entry in all_backbones() if isinstance(entry.takes, TextSpec)} == {
        *TEXTS,
        *HALVES,
        *PROTEINS,
    }


@entries
def test_text_entries_have_their_fields(entry: Backbone) -> None:
    assert entry.builder == "text:preset"
    assert entry.library == "keras-hub"
    assert isinstance(entry.takes, TextSpec)
    assert entry.takes.max_tokens == 512
    assert entry.takes.pooling is not Pooling.POOLER
    assert entry.precision is Precision.FP32
    assert entry.license in ("Apache-2.0", "MIT", None)  # not every card of a sentence encoder has one
    assert entry.width is not None


@pytest.mark.parametrize("name", COUNTED)
def test_text_width_and_params_equal_the_published_layers(name: str) -> None:
    import keras

    entry, family = get_backbone(name), keras_hub_family(name)
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
def test_text_params_of_an_encoder_decoder_count_the_encoder(name: str) -> None:
    one, two = counted(name, 1), counted(name, 2)
    more = HALVES[name]["num_layers"] - 1  # each layer is as large as any other: two are counted, the quicker way
    whole, half = (first + more * (second - first) for first, second in zip(one, two, strict=True))
    if name == "bart_large.en_cnn":  # KerasHub's number is that of no such network
        assert get_backbone(name).params is None
        assert whole == 406_286_336 != get_backbone(name).ships
    else:
        assert (whole, half) == (get_backbone(name).ships, get_backbone(name).params)
    assert get_backbone(name).width == HALVES[name]["hidden_dim"]


def counted(name: str, layers: int) -> tuple[int, int]:
    """Parameters of encoder and decoder together, and of the encoder, with so many layers each."""
    import keras

    with keras.StatelessScope(initialize_variables=False), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # T5's attention says that it keeps no mask
        model = getattr(keras_hub().models, f"{keras_hub_family(name)}Backbone")(
            **HALVES[name] | {"num_layers": layers}
        )
        inputs = [model.input[f"encoder_{array}"] for array in ("token_ids", "padding_mask")]
        half = keras.Model(inputs, model.output["encoder_sequence_output"])
    read = [weight for weight in half.weights if not weight.path.endswith("reverse_embeddings")]
    whole, part = (sum(math.prod(weight.shape) for weight in weights) for weights in (model.weights, read))
    return whole, part


@pytest.mark.parametrize("name", PROTEINS)
def test_protein_models_are_counted_and_refused(name: str) -> None:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        model = keras_hub().models.ESMBackbone(**PROTEINS[name])
    assert get_backbone(name).params == sum(math.prod(weight.shape) for weight in model.weights)
    assert get_backbone(name).width == model.output.shape[-1]
    assert "unknown token" in str(unsupported_reason(get_backbone(name)))


def test_protein_models_still_cannot_be_built() -> None:
    alphabet = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    tokenizer = keras_hub().tokenizers.ESMTokenizer(vocabulary=alphabet)
    assert [int(id) for id in tokenizer("MKTV")] == [alphabet.index("<unk>")]
    sizes = {"num_layers": 1, "num_heads": 4, "hidden_dim": 16, "intermediate_dim": 32, "dropout": 0.0}
    model = keras_hub().models.ESMBackbone(vocabulary_size=33, pad_token_id=1, **sizes)
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    alone, padded = (model({"token_ids": np.array([[0, 20, 15, 2, *[1] * pads]])}) for pads in (0, 3))
    assert np.abs(np.array(alone) - np.array(padded)[:, :4]).max() > 1e-2


@entries
def test_text_entries_have_the_differences_of_their_tokenizer(entry: Backbone) -> None:
    assert isinstance(entry.source, FileSource)
    cased = "case is maintained" in (entry.about or "") or entry.name.endswith(".zh")
    wordpiece = any(file.path.endswith("vocabulary.txt") for file in entry.source.files)
    assert entry.differences == (
        CASED_WORDPIECE if cased and wordpiece else TOKENIZER_DIFFERENCES[tokenizer_class(entry.name)]
    )


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
def test_text_embedding_models_keep_their_pooling(name: str, pooling: Pooling) -> None:
    takes = get_backbone(name).takes
    assert isinstance(takes, TextSpec)
    assert takes.pooling is pooling


@pytest.mark.parametrize("name", ["roberta_base", "all_minilm_l6_v2"])
def test_zoo_show_tokenizer_differences_and_license(name: str) -> None:
    message = CliRunner().invoke(cli, ["show", name]).stdout
    for difference in get_backbone(name).differences:
        assert f"{difference.kind}: {difference.ours}; keras-hub: {difference.keras_hub}" in message
    assert message.count("in plain text too") == sum(difference.plain for difference in get_backbone(name).differences)
    assert "pooling: mean" in message
    assert (get_backbone(name).restricts or "nothing beyond the licence's notice") in message
