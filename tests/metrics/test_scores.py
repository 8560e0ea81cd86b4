"""Each score against independent, slow computations on shared features: equal to 1e-3."""

import math
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import linalg
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from obclip_cli.data import Sample
from obclip_cli.metrics import scores
from obclip_cli.metrics.features import Features
from obclip_cli.metrics.fid import fid
from obclip_cli.metrics.inception_score import inception_score
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.metrics.kid import kid, subset_kids
from obclip_cli.metrics.per_image import attribute_hits, clip_scores, ssims


def features(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_equals_the_formula_with_scipys_matrix_root() -> None:
    real, generated = features(0, 300), features(1, 200, shift=0.5)
    a, b = real.double().numpy(), generated.double().numpy()
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert fid(real, generated) == pytest.approx(expected, abs=1e-3)


def test_fid_equals_torch_fidelity() -> None:
    real, generated = features(0, 300), features(1, 200, shift=0.5)
    statistics = fid_features_to_statistics(generated), fid_features_to_statistics(real)
    expected = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(real, generated) == pytest.approx(expected, abs=1e-3)


def test_fid_is_zero_for_equal_sets_and_grows_with_distance() -> None:
    real = features(0, 300)
    assert fid(real, real.clone()) == pytest.approx(0, abs=1e-6)
    assert fid(real, features(1, 300, 1.0)) < fid(real, features(1, 300, 2.0))


def test_kid_equals_the_unbiased_estimator_written_out() -> None:
    real, generated = features(0, 40).double().numpy(), features(1, 40, shift=0.5).double().numpy()

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 6 + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return float(np.mean(pairs))

    across = float(np.mean([kernel(x, y) for x in real for y in generated]))
    expected = within(real) + within(generated) - 2 * across
    found = kid(torch.from_numpy(real), torch.from_numpy(generated), np.random.default_rng(0))
    assert found == pytest.approx(expected, abs=1e-6)


def test_kid_equals_torch_fidelity_on_whole_sets() -> None:
    real, generated = features(0, 200), features(1, 200, shift=0.5)
    expected = kid_features_to_metric(generated, real, kid_subsets=1, kid_subset_size=200, verbose=False)
    found = kid(real, generated, np.random.default_rng(0))
    assert found == pytest.approx(expected["kernel_inception_distance_mean"], abs=1e-3)


def test_kid_of_unequal_sets_is_the_mean_over_subsets_from_the_given_generator() -> None:
    real, generated = features(0, 90), features(1, 50)
    one, again, other = (kid(real, generated, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert one == pytest.approx(other, abs=0.02)
    assert len(subset_kids(real, generated, 50, np.random.default_rng(0))) == 100


def test_inception_score_equals_its_formula_and_torch_fidelity() -> None:
    logits = 3 * features(2, 100)
    chances = logits.double().softmax(1)
    divergence = (chances * (chances.log() - chances.mean(0, keepdim=True).log())).sum(1).mean()
    assert inception_score(logits) == pytest.approx(float(divergence.exp()), rel=1e-4)
    theirs = isc_features_to_metric(logits, splits=1, shuffle=False)["inception_score_mean"]
    assert inception_score(logits) == pytest.approx(theirs, abs=1e-3)


def test_inception_score_of_many_images_is_in_ten_parts_as_torch_fidelitys() -> None:
    logits = 3 * features(2, 10_000)
    theirs = isc_features_to_metric(logits, splits=10, shuffle=False)["inception_score_mean"]
    assert inception_score(logits) == pytest.approx(theirs, abs=1e-3)


def test_clip_scores_are_cosines() -> None:
    unit = torch.eye(4)
    assert clip_scores(unit, unit).tolist() == [1, 1, 1, 1]
    assert clip_scores(unit, unit.roll(1, 0)).tolist() == [0, 0, 0, 0]


def test_attribute_hits_know_only_what_was_asked_for() -> None:
    logits = torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 0, 1], [0, 0, 1]])
    wanted = ["a", "b", None, "unknown"]
    first, second, *rest = attribute_hits(logits, wanted, ["a", "b", "c"], top=1)
    assert (first, second) == (1, 0) and all(math.isnan(hit) for hit in rest)
    assert attribute_hits(logits, wanted, ["a", "b", "c"], top=2)[1] == 1


def test_ssim_is_one_for_equal_images_and_equals_wangs_formula_without_a_window() -> None:
    """On constant images only the luminance term is left: (2ab + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2."""
    images = torch.randint(0, 255, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ssims(images, images), torch.ones(3, dtype=torch.float64), atol=1e-12)
    a, b, c = 100.0, 150.0, (0.01 * 255) ** 2
    flat = [torch.full((1, 3, 32, 32), int(value), dtype=torch.uint8) for value in (a, b)]
    assert float(ssims(*flat)) == pytest.approx((2 * a * b + c) / (a * a + b * b + c), abs=1e-9)


def test_the_inception_score_does_not_depend_on_how_torchmetrics_shuffles() -> None:
    logits = 3 * torch.randn(300, 40, generator=torch.Generator().manual_seed(0))
    found = [inception_score(logits) for _ in range(5)]
    assert max(found) - min(found) < 1e-9 * found[0]


def test_a_metric_is_a_line_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured, estimated and plotted without another word; the scores beside it stay the same."""

    class Extractor:
        features_by = clip_by = attributes_by = features_digest = "pixels"
        labels: ClassVar = {"tone": ["dark", "light"]}

        def extract(self, images: torch.Tensor) -> Features:
            values = images.float().mean((2, 3))
            return Features(values, values[:, :0], values / values.norm(dim=1, keepdim=True), {"tone": values[:, :2]})

        def text(self, prompts: list[str]) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.tensor([len(prompt) % 3 for prompt in prompts]), 3).float()

    images = torch.randint(0, 255, (70, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    samples = [Sample("p" * place, place, {"tone": "dark"}) for place in range(70)]

    def found() -> dict[str, Estimate]:
        measured = scores.measure(Extractor(), images.split(32), samples, iter(images.split(32)))
        return scores.estimates(measured, torch.empty(0, 3), Extractor())

    before = found()
    of_sets, of_images = ["fid", "kid", "is", "fid_cloud", "fid_cloud_inf"], ["clip", "ssim", "distance", "tone"]
    assert list(before) == [*of_sets, *of_images] and before["distance"].value == 0
    assert math.isnan(before["fid"].value) and before["ssim"].value == 1
    brightness = scores.ImageMetric("brightness", "brightness ↑", lambda batch: batch.images.float().mean((1, 2, 3)))
    monkeypatch.setattr(scores, "METRICS", (*scores.METRICS, brightness))
    after = found()
    assert after["brightness"].value == pytest.approx(images.float().mean().item(), rel=1e-5)
    assert {name: vars(after[name]) for name in ("clip", "ssim", "tone")} == {
        name: vars(before[name]) for name in ("clip", "ssim", "tone")
    }
    row = {f"{name}{end}": 1.0 for name in after for end in ("", "_low", "_high")}
    assert scores.panels(pd.DataFrame([row])) == {
        "fid": "FID ↓",
        "clip": "CLIP score ↑",
        "ssim": "SSIM to cloud-only ↑",
        "fid_cloud": "FID to the cloud ↓",
        "brightness": "brightness ↑",
        "tone": "tone right ↑",
    }
