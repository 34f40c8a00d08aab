from __future__ import annotations

QUICK_TEXT_PRESETS = ("bert_tiny.en_uncased", "f_net_base.en")  # with a padding mask, and without
SLOW_TEXT_PRESETS = (
    "albert_base.en_uncased",
    "bart_base.en",
    "bert_base.multi",
    "deberta_v3_extra_small.en",
    "distil_bert_base.en_uncased",
    "electra_small_discriminator.uncased_en",
    "roberta_base.en",
    "t5_1_1_small.c4",
    "xlm_roberta_base.multi",
)
