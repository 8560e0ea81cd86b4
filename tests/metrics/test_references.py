"""Features of references are computed once for one content, preprocessing and extractor."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from obclip_cli.data.pictures import Pictures, folder_of_pictures
from obclip_cli.metrics.features import Features
from obclip_cli.metrics.references import reference_features
from obclip_cli.resources import cache_folder


class Counting:
    """A feature extractor of mean colours, and counts how often it is asked."""

    features_by = clip_by = attributes_by = "colours"
    labels: dict[str, list[str]] = {}  # noqa: RUF012

    def __init__(self, digest: str = "one") -> None:
        self.features_digest, self.seen = digest, 0

    def extract(self, images: torch.Tensor) -> Features:
        self.seen += len(images)
        means = images.float().mean((2, 3))
        return Features(means, means, means, {})

    def text(self, prompts: list[str]) -> torch.Tensor:
        return torch.ones(len(prompts), 3)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pictures:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for i in range(5):
        Image.new("RGB", (12, 10), (i, 2 * i, 3 * i)).save(tmp_path / f"{i}.png")
    return folder_of_pictures(tmp_path, size=8)


def test_the_second_time_nothing_is_computed(pictures: Pictures) -> None:
    extractor = Counting()
    first = reference_features(pictures, extractor)
    assert torch.equal(first, reference_features(pictures, extractor)) and extractor.seen == 5
    assert first[3].tolist() == [3, 6, 9]


def test_another_content_preprocessing_or_weights_is_computed_again(pictures: Pictures) -> None:
    for again in (
        pictures,
        Pictures(pictures.names, pictures.read, size=9),
        Pictures(pictures.names, pictures.read, size=8, crop="center"),
        Pictures(pictures.names[:4], pictures.read, size=8),
    ):
        extractor = Counting()
        reference_features(again, extractor)
        assert extractor.seen == len(again)
    extractor = Counting("other weights")
    reference_features(pictures, extractor)
    assert extractor.seen == 5
    Image.new("RGB", (12, 10), (9, 9, 9)).save(pictures.names[0])
    extractor = Counting()
    assert reference_features(pictures, extractor)[0].tolist() == [9, 9, 9] and extractor.seen == 5


def test_a_broken_copy_is_made_again(pictures: Pictures) -> None:
    first = reference_features(pictures, Counting())
    (copy,) = cache_folder("references").iterdir()
    copy.write_bytes(copy.read_bytes()[:20])
    extractor = Counting()
    assert torch.equal(reference_features(pictures, extractor), first) and extractor.seen == 5


def test_plain_batches_are_never_cached(pictures: Pictures) -> None:
    extractor = Counting()
    for _ in range(2):
        assert len(reference_features(iter([torch.zeros(2, 3, 4, 4, dtype=torch.uint8)]), extractor)) == 2
    assert extractor.seen == 4 and not cache_folder("references").exists()
    assert len(reference_features((), extractor)) == 0
