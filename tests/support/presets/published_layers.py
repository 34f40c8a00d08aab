"""The layers of published networks, as their papers and repositories have them: what makes their parameters."""

from __future__ import annotations

from typing import Any

_UNCASED, _CASED, _CHINESE, _MULTI = 30522, 28996, 21128, 119547  # words of BERT's vocabularies
_XLM = 250002


def _bert(layers: int, width: int, vocabulary: int = _UNCASED, positions: int = 512) -> dict[str, Any]:
    return {
        "vocabulary_size": vocabulary,
        "num_layers": layers,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "max_sequence_length": positions,
    }


def _electra(layers: int, width: int, embedding: int) -> dict[str, Any]:
    sizes = _bert(layers, width)
    return {"vocab_size": sizes.pop("vocabulary_size"), "embedding_dim": embedding, **sizes}


def _deberta(layers: int, width: int, vocabulary: int = 128100) -> dict[str, Any]:
    return _bert(layers, width, vocabulary) | {"bucket_size": 256}


def _albert(layers: int, width: int) -> dict[str, Any]:
    return _bert(layers, width, 30000) | {"embedding_dim": 128}


_MINILM = {3: _bert(3, 384), 6: _bert(6, 384), 12: _bert(12, 384)}
TEXTS: dict[str, dict[str, Any]] = {
    "albert_base.en_uncased": _albert(12, 768),
    "albert_extra_extra_large.en_uncased": _albert(12, 4096),
    "albert_extra_large.en_uncased": _albert(24, 2048),
    "albert_large.en_uncased": _albert(24, 1024),
    "all_minilm_l12_v2.en": _MINILM[12],
    "all_minilm_l6_v1.en": _MINILM[6],
    "all_minilm_l6_v2.en": _MINILM[6],
    "all_minilm_l6_v2.sentences": _MINILM[6],
    "bert_base.en": _bert(12, 768, _CASED),
    "bert_base.en_uncased": _bert(12, 768),
    "bert_base.multi": _bert(12, 768, _MULTI),
    "bert_base.zh": _bert(12, 768, _CHINESE),
    "bert_large.en": _bert(24, 1024, _CASED),
    "bert_large.en_uncased": _bert(24, 1024),
    "bert_medium.en_uncased": _bert(8, 512),
    "bert_small.en_uncased": _bert(4, 512),
    "bert_tiny.en_uncased": _bert(2, 128),
    "bert_tiny.en_uncased_sst2": _bert(2, 128),
    "bge_base.en": _bert(12, 768),
    "bge_base.zh": _bert(12, 768, _CHINESE),
    "bge_base_v1_5.en": _bert(12, 768),
    "bge_base_v1_5.zh": _bert(12, 768, _CHINESE),
    "bge_large.en": _bert(24, 1024),
    "bge_large.zh": _bert(24, 1024, _CHINESE),
    "bge_large_v1_5.en": _bert(24, 1024),
    "bge_large_v1_5.zh": _bert(24, 1024, _CHINESE),
    "bge_llm_embedder.en": _bert(12, 768),
    "bge_m3.multi": _bert(24, 1024, _XLM, 8192),
    "bge_small.en": _MINILM[12],
    "bge_small_v1_5.en": _MINILM[12],
    "bge_small_v1_5.zh": _bert(4, 512, _CHINESE),  # KerasHub's words say 12 layers of 384, its number says this
    "deberta_v3_base.en": _deberta(12, 768),
    "deberta_v3_base.multi": _deberta(12, 768, 251000),
    "deberta_v3_extra_small.en": _deberta(12, 384),
    "deberta_v3_large.en": _deberta(24, 1024),
    "deberta_v3_small.en": _deberta(6, 768),
    "distil_bert_base.en": _bert(6, 768, _CASED),
    "distil_bert_base.en_uncased": _bert(6, 768),
    "distil_bert_base.multi": _bert(6, 768, _MULTI),
    "electra_base_discriminator.uncased_en": _electra(12, 768, 768),
    "electra_base_generator.uncased_en": _electra(12, 256, 768),
    "electra_large_discriminator.uncased_en": _electra(24, 1024, 1024),
    "electra_large_generator.uncased_en": _electra(24, 256, 1024),
    "electra_small_discriminator.uncased_en": _electra(12, 256, 128),
    "electra_small_generator.uncased_en": _electra(12, 256, 128),
    "f_net_base.en": _bert(12, 768, 32000),
    "f_net_large.en": _bert(24, 1024, 32000),
    "msmarco_minilm_l12_cos_v5.en": _MINILM[12],
    "msmarco_minilm_l6_cos_v5.en": _MINILM[6],
    "multi_qa_minilm_l6_cos_v1.en": _MINILM[6],
    "multi_qa_minilm_l6_dot_v1.en": _MINILM[6],
    "multilingual_e5_base.multi": _bert(12, 768, _XLM),
    "multilingual_e5_large.multi": _bert(24, 1024, _XLM),
    "multilingual_e5_small.multi": _bert(12, 384, 250037),
    "mxbai_embed_2d_large_v1.en": _bert(24, 1024),
    "mxbai_embed_large_v1.en": _bert(24, 1024),
    "mxbai_embed_xsmall_v1.en": _bert(6, 384, _UNCASED, 4096),
    "paraphrase_minilm_l12_v2.en": _MINILM[12],
    "paraphrase_minilm_l3_v2.en": _MINILM[3],
    "paraphrase_minilm_l6_v2.en": _MINILM[6],
    "roberta_base.en": _bert(12, 768, 50265),
    "roberta_large.en": _bert(24, 1024, 50265),
    "xlm_roberta_base.multi": _bert(12, 768, _XLM),
    "xlm_roberta_large.multi": _bert(24, 1024, _XLM),
}


def _resnet(blocks: list[int], kind: str, vd: bool = False, v2: bool = False) -> dict[str, Any]:
    stem = ([32, 32, 64], [3, 3, 3]) if vd else ([64], [7])
    return {
        "input_conv_filters": stem[0],
        "input_conv_kernel_sizes": stem[1],
        "stackwise_num_filters": [64, 128, 256, 512],
        "stackwise_num_blocks": blocks,
        "stackwise_num_strides": [1, 2, 2, 2],
        "block_type": f"{kind}_block{'_vd' if vd else ''}",
        "use_pre_activation": v2,
    }


def _vgg(repeats: list[int]) -> dict[str, Any]:
    return {"stackwise_num_repeats": repeats, "stackwise_num_filters": [64, 128, 256, 512, 512]}


def _vit(layers: int, width: int, patch: int, size: int, mlp: str = "mlp_dim") -> dict[str, Any]:
    return {
        "image_shape": (size, size, 3),
        "patch_size": patch,
        "num_layers": layers,
        "num_heads": width // 64,
        "hidden_dim": width,
        mlp: 4 * width,
    }


def _dinov2(layers: int, width: int, registers: int = 0) -> dict[str, Any]:
    return _vit(layers, width, 14, 518, "intermediate_dim") | {
        "num_register_tokens": registers,
        "position_embedding_shape": (518, 518, 3),
    }


def _swin(width: int, depths: tuple[int, ...], heads: int, window: int, size: int) -> dict[str, Any]:
    return {
        "image_shape": (size, size, 3),
        "embed_dim": width,
        "depths": depths,
        "num_heads": tuple(heads * 2**stage for stage in range(4)),
        "window_size": window,
    }


def _mit(depths: list[int], widths: tuple[int, ...] = (64, 128, 320, 512)) -> dict[str, Any]:
    return {
        "layerwise_depths": depths,
        "num_layers": 4,
        "layerwise_num_heads": [1, 2, 5, 8],
        "layerwise_sr_ratios": [8, 4, 2, 1],
        "max_drop_path_rate": 0.1,
        "layerwise_patch_sizes": [7, 3, 3, 3],
        "layerwise_strides": [4, 2, 2, 2],
        "hidden_dims": list(widths),
        "image_shape": (224, 224, 3),
    }


_MIT = {
    0: _mit([2, 2, 2, 2], (32, 64, 160, 256)),
    1: _mit([2, 2, 2, 2]),
    2: _mit([3, 4, 6, 3]),
    3: _mit([3, 4, 18, 3]),
    4: _mit([3, 8, 27, 3]),
    5: _mit([3, 6, 40, 3]),
}
_LARGE = (2, 2, 18, 2)
IMAGES: dict[str, dict[str, Any]] = {
    "deit_base_distilled_patch16_224.imagenet": _vit(12, 768, 16, 224, "intermediate_dim"),
    "deit_base_distilled_patch16_384.imagenet": _vit(12, 768, 16, 384, "intermediate_dim"),
    "deit_small_distilled_patch16_224.imagenet": _vit(12, 384, 16, 224, "intermediate_dim"),
    "deit_tiny_distilled_patch16_224.imagenet": _vit(12, 192, 16, 224, "intermediate_dim"),
    "densenet_121.imagenet": {"stackwise_num_repeats": [6, 12, 24, 16]},
    "densenet_169.imagenet": {"stackwise_num_repeats": [6, 12, 32, 32]},
    "densenet_201.imagenet": {"stackwise_num_repeats": [6, 12, 48, 32]},
    "dinov2_base.lvd142m": _dinov2(12, 768),
    "dinov2_large.lvd142m": _dinov2(24, 1024),
    "dinov2_small.lvd142m": _dinov2(12, 384),
    "dinov2_with_registers_base.lvd142m": _dinov2(12, 768, 4),
    "dinov2_with_registers_large.lvd142m": _dinov2(24, 1024, 4),
    "dinov2_with_registers_small.lvd142m": _dinov2(12, 384, 4),
    **{f"mit_b{n}.ade20k_{640 if n == 5 else 512}": _MIT[n] for n in _MIT},
    **{f"mit_b{n}.cityscapes_1024": _MIT[n] for n in _MIT},
    "resnet_18.imagenet": _resnet([2, 2, 2, 2], "basic"),
    "resnet_50.imagenet": _resnet([3, 4, 6, 3], "bottleneck"),
    "resnet_101.imagenet": _resnet([3, 4, 23, 3], "bottleneck"),
    "resnet_152.imagenet": _resnet([3, 8, 36, 3], "bottleneck"),
    "resnet_v2_50.imagenet": _resnet([3, 4, 6, 3], "bottleneck", v2=True),
    "resnet_v2_101.imagenet": _resnet([3, 4, 23, 3], "bottleneck", v2=True),
    "resnet_vd_18.imagenet": _resnet([2, 2, 2, 2], "basic", vd=True),
    "resnet_vd_34.imagenet": _resnet([3, 4, 6, 3], "basic", vd=True),
    "resnet_vd_50.imagenet": _resnet([3, 4, 6, 3], "bottleneck", vd=True),
    "resnet_vd_50.ssld_imagenet": _resnet([3, 4, 6, 3], "bottleneck", vd=True),
    "resnet_vd_50.ssld_v2_fix_imagenet": _resnet([3, 4, 6, 3], "bottleneck", vd=True),
    "resnet_vd_50.ssld_v2_imagenet": _resnet([3, 4, 6, 3], "bottleneck", vd=True),
    "resnet_vd_101.imagenet": _resnet([3, 4, 23, 3], "bottleneck", vd=True),
    "resnet_vd_101.ssld_imagenet": _resnet([3, 4, 23, 3], "bottleneck", vd=True),
    "resnet_vd_152.imagenet": _resnet([3, 8, 36, 3], "bottleneck", vd=True),
    "resnet_vd_200.imagenet": _resnet([3, 12, 48, 3], "bottleneck", vd=True),
    "swin_base_patch4_window12_384.imagenet": _swin(128, _LARGE, 4, 12, 384),
    "swin_base_patch4_window7_224.imagenet": _swin(128, _LARGE, 4, 7, 224),
    "swin_large_patch4_window12_384.imagenet": _swin(192, _LARGE, 6, 12, 384),
    "swin_large_patch4_window7_224.imagenet": _swin(192, _LARGE, 6, 7, 224),
    "swin_small_patch4_window7_224.imagenet": _swin(96, _LARGE, 3, 7, 224),
    "swin_tiny_patch4_window7_224.imagenet": _swin(96, (2, 2, 6, 2), 3, 7, 224),
    "vgg_11.imagenet": _vgg([1, 1, 2, 2, 2]),
    "vgg_13.imagenet": _vgg([2, 2, 2, 2, 2]),
    "vgg_16.imagenet": _vgg([2, 2, 3, 3, 3]),
    "vgg_19.imagenet": _vgg([2, 2, 4, 4, 4]),
    "vit_base_patch16_224.imagenet": _vit(12, 768, 16, 224),
    "vit_base_patch16_224.imagenet21k": _vit(12, 768, 16, 224),
    "vit_base_patch16_384.imagenet": _vit(12, 768, 16, 384),
    "vit_base_patch32_224.imagenet21k": _vit(12, 768, 32, 224),
    "vit_base_patch32_384.imagenet": _vit(12, 768, 32, 384),
    "vit_huge_patch14_224.imagenet21k": _vit(32, 1280, 14, 224),
    "vit_large_patch16_224.imagenet": _vit(24, 1024, 16, 224),
    "vit_large_patch16_224.imagenet21k": _vit(24, 1024, 16, 224),
    "vit_large_patch16_384.imagenet": _vit(24, 1024, 16, 384),
    "vit_large_patch32_224.imagenet21k": _vit(24, 1024, 32, 224),
    "vit_large_patch32_384.imagenet": _vit(24, 1024, 32, 384),
}
_CV_RESNET = {
    "stackwise_filters": [64, 128, 256, 512],
    "stackwise_blocks": [3, 4, 6, 3],
    "stackwise_strides": [1, 2, 2, 2],
}
CV: dict[str, dict[str, Any]] = {
    "csp_darknet_l.cv_imagenet": {
        "stackwise_channels": [128, 256, 512, 1024],
        "stackwise_depth": [3, 9, 9, 3],
    },
    "csp_darknet_tiny.cv_imagenet": {
        "stackwise_channels": [48, 96, 192, 384],
        "stackwise_depth": [1, 3, 3, 1],
    },
    "mit_b0.cv_imagenet": {"depths": [2, 2, 2, 2], "embedding_dims": [32, 64, 160, 256]},
    "resnet50.cv_imagenet": _CV_RESNET,
    "resnet50_v2.cv_imagenet": _CV_RESNET,
}
