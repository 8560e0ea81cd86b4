"""Features of a dataset's reference images, computed once: 40,504 images take Inception-v3 hours on a CPU."""

from collections.abc import Iterable
from contextlib import suppress

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from obclip_cli.data.pictures import Pictures
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.resources import cache_folder
from obclip_cli.runs import digest_of, write_bytes


def reference_features(references: Iterable[torch.Tensor], extractor: FeatureExtractor) -> torch.Tensor:
    """Features (m, d) of reference images; m = 0 for a dataset without any.

    Those of `Pictures` are cached by the pictures' content, their preprocessing and the examiner's weights.
    """
    if not isinstance(references, Pictures):
        return _computed(references, extractor)
    key = digest_of([references.digest(), references.preprocessing, extractor.features_digest])
    cached = cache_folder("references") / f"{key}.safetensors"
    with suppress(FileNotFoundError, SafetensorError):  # a broken copy is made again
        return load_file(cached)["features"]
    features = _computed(references, extractor)
    if len(features):
        write_bytes(cached, save({"features": features.contiguous()}))
    return features


def _computed(references: Iterable[torch.Tensor], extractor: FeatureExtractor) -> torch.Tensor:
    found = [extractor.extract(batch).pooled for batch in references]
    return torch.cat(found) if found else torch.empty(0, 0)
