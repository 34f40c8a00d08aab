"""Backbones of keras.applications; addresses and MD5 sums are the ones in Keras' own sources."""

from __future__ import annotations

from typing import Final

from zoo.backbone import Backbone, FileSource, Pixels, RemoteFile, Scaling

_ROOT: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


def _file(path: str, md5: str | None = None) -> FileSource:
    return FileSource(files=(RemoteFile(url=f"{_ROOT}/{path}", path=path.rpartition("/")[2], md5=md5),))


TABLE: Final = (
    Backbone(
        name="mobilenet_v2.imagenet",
        builder="applications:mobilenet_v2",
        source=_file("mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"),
        library="keras.applications",
        takes=Pixels(size=224, scaling=Scaling.UNIT_SIGNED),
        width=1280,
        params=2_257_984,
        megabytes=9.4,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1801.04381",
        top1=71.3,
    ),
    Backbone(
        name="mobilenet_v3_small.imagenet",
        builder="applications:mobilenet_v3_small",
        source=_file(
            "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", md5="d3e8ec802a04aa4fc771ee12a9a9b836"
        ),
        library="keras.applications",
        takes=Pixels(size=224, scaling=Scaling.UNIT_SIGNED),
        width=576,
        params=939_120,
        megabytes=4.0,
        license="Apache-2.0",
        paper="https://arxiv.org/abs/1905.02244",
        top1=68.1,
    ),
    Backbone(
        name="resnet50.imagenet",
        builder="applications:resnet50",
        source=_file(
            "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="4d473c1dd8becc155b73f8504c6f6626"
        ),
        library="keras.applications",
        takes=Pixels(size=224, scaling=Scaling.CAFFE),
        width=2048,
        params=23_587_712,
        megabytes=94.8,
        license="MIT",
        paper="https://arxiv.org/abs/1512.03385",
        top1=74.9,
    ),
    Backbone(
        name="vgg16.imagenet",
        builder="applications:vgg16",
        source=_file("vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="6d6bbae143d832006294945121d1f1fc"),
        library="keras.applications",
        takes=Pixels(size=224, scaling=Scaling.CAFFE),
        width=512,
        params=14_714_688,
        megabytes=58.9,
        license="CC-BY-4.0",
        restricts="name the Visual Geometry Group, University of Oxford, wherever you publish results or the model",
        paper="https://arxiv.org/abs/1409.1556",
        top1=71.3,
    ),
)
