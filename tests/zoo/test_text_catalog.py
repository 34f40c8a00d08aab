"""Every text entry says what is true: about its preset, its addresses, its size and its tokens."""

from __future__ import annotations

import math

import pytest
from click.testing import CliRunner

from tests.zoo.encoders import WITH_POOLER
from tests.zoo.presets import family_of, keras_hub
from tests.zoo.test_build_text import QUICK, SLOW
from zoo.backbone import Backbone, FileSource, Pooling, Precision, Tokens, catalog, get
from zoo.build.tokenizers import FAMILIES
from zoo.catalog import hub
from zoo.cli import cli
from zoo.differences import CASED, DIFFERENCES

ENCODERS = {  # what makes the parameters: taken from the papers, proven by KerasHub's own counts
    "albert_base.en_uncased": {"vocabulary_size": 30000, "num_layers": 12, "embedding_dim": 128},
    "all_minilm_l6_v2.sentences": {"vocabulary_size": 30522, "num_layers": 6},
    "bert_base.en_uncased": {"vocabulary_size": 30522, "num_layers": 12},
    "bert_base.multi": {"vocabulary_size": 119547, "num_layers": 12},
    "bert_small.en_uncased": {"vocabulary_size": 30522, "num_layers": 4},
    "bert_tiny.en_uncased": {"vocabulary_size": 30522, "num_layers": 2},
    "deberta_v3_extra_small.en": {"vocabulary_size": 128100, "num_layers": 12, "bucket_size": 256},
    "distil_bert_base.en_uncased": {"vocabulary_size": 30522, "num_layers": 6},
    "electra_small_discriminator.uncased_en": {"vocab_size": 30522, "num_layers": 12, "embedding_dim": 128},
    "f_net_base.en": {"vocabulary_size": 32000, "num_layers": 12},
    "roberta_base.en": {"vocabulary_size": 50265, "num_layers": 12},
    "xlm_roberta_base.multi": {"vocabulary_size": 250002, "num_layers": 12},
}
entries = pytest.mark.parametrize("entry", hub.TABLE, ids=lambda entry: entry.name)


def preset_of(entry: Backbone) -> str:
    return entry.name.replace(".", "_")


def handle_of(entry: Backbone) -> str:
    """Kaggle's handle, as KerasHub tells it."""
    preset = getattr(keras_hub().models, f"{family_of(entry.name)}Backbone").presets[preset_of(entry)]
    return str(preset["kaggle_handle"]).removeprefix("kaggle://")


def test_every_family_is_there_and_built_by_a_test() -> None:
    assert {f"{family_of(entry.name)}Tokenizer" for entry in hub.TABLE} == FAMILIES.keys()
    assert {family_of(name) for name in (*QUICK, *SLOW)} == {family_of(entry.name) for entry in hub.TABLE}
    assert {entry.name for entry in catalog() if isinstance(entry.takes, Tokens)} == ENCODERS.keys()


@entries
def test_the_fields_are_filled(entry: Backbone) -> None:
    assert entry.builder == "text:preset"
    assert entry.library == "keras-hub"
    assert isinstance(entry.takes, Tokens)
    assert entry.takes.max_tokens == 512
    assert entry.takes.pooling is not Pooling.POOLER or family_of(entry.name) in WITH_POOLER
    assert entry.precision is Precision.FP32
    assert entry.license in ("Apache-2.0", "MIT")


@entries
def test_its_preset_is_keras_hub_s_and_none_of_the_family_is_smaller(entry: Backbone) -> None:
    presets = getattr(keras_hub().models, f"{family_of(entry.name)}Backbone").presets
    assert presets[preset_of(entry)]["metadata"]["params"] == entry.params
    model = handle_of(entry).rpartition("/keras/")[0]  # other models of the same class are other families
    family = [preset["metadata"] for preset in presets.values() if f"//{model}/" in preset["kaggle_handle"]]
    listed = [other.params for other in hub.TABLE if family_of(other.name) == family_of(entry.name)]
    assert min(facts["params"] for facts in family) > 0.95 * min(listed)  # cased and uncased differ by the vocabulary


@entries
def test_its_addresses_are_the_ones_kagglehub_would_ask(entry: Backbone) -> None:
    from kagglehub.config import DEFAULT_KAGGLE_API_ENDPOINT
    from kagglehub.handle import parse_model_handle
    from kagglehub.http_resolver import _build_model_download_request

    assert isinstance(entry.source, FileSource)
    handle = parse_model_handle(handle_of(entry))
    for file in entry.source.files:
        asked = _build_model_download_request(handle, file.path)
        path = asked.endpoint().replace(asked.framework.name, handle.framework)
        assert file.url == DEFAULT_KAGGLE_API_ENDPOINT + path
        assert file.sha256 is None  # none is published
    assert entry.source.files[0].path == "model.weights.h5"


@pytest.mark.parametrize("name", ENCODERS)
def test_width_positions_and_parameters_belong_together(name: str) -> None:
    import keras

    entry = get(name)
    family, width = family_of(name), entry.width
    heads = {} if family == "FNet" else {"num_heads": 4}
    sizes = {"hidden_dim": width, "intermediate_dim": 4 * width, "max_sequence_length": 512}
    with keras.StatelessScope(initialize_variables=False):  # shapes without memory
        model = getattr(keras_hub().models, f"{family}Backbone")(**ENCODERS[name], **sizes, **heads)
    assert sum(math.prod(weight.shape) for weight in model.weights) == entry.params


@pytest.mark.parametrize("name", ENCODERS)
def test_differences_are_those_of_its_tokenizer(name: str) -> None:
    cased = name == "bert_base.multi"
    assert get(name).differences == (CASED if cased else DIFFERENCES[f"{family_of(name)}Tokenizer"])


@pytest.mark.parametrize("name", ["roberta_base", "all_minilm_l6_v2"])
def test_show_tells_the_differences_and_the_licence(name: str) -> None:
    said = CliRunner().invoke(cli, ["show", name]).stdout
    for difference in get(name).differences:
        assert f"{difference.kind}: {difference.ours}; keras-hub: {difference.keras_hub}" in said
    assert said.count("in plain text too") == sum(difference.plain for difference in get(name).differences)
    assert "pooling: mean" in said
    assert (get(name).restricts or "nothing beyond the licence's notice") in said
