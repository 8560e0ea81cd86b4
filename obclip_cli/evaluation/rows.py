"""What a method's tables hold: its settings and mean cost, its scores, and a row for each image."""

from functools import cache
from statistics import mean
from typing import Any

import pandas as pd

from obclip_cli.evaluation.generate import Pair
from obclip_cli.evaluation.hiding import Hidden
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.scores import Measurements


def method_row(method: Method, pair: Pair, hidden: Hidden) -> dict[str, Any]:
    """A method's name, settings and mean cost, over the candidate counts of the prompts."""
    counts = [len(found.prompts) for found in hidden.sets]
    cost = cache(lambda candidates: pair.macs(method, candidates))
    return {
        "method": method.name,
        "order": method.order,
        "k": method.switch_point,
        "cache": method.cache.name,
        "n": round(mean(counts), 2) if method.hidden else 1,
        "cloud_gmacs": round(mean(cost(n)[0] for n in counts) / 1e9, 2),
        "device_gmacs": round(cost(counts[0])[1] / 1e9, 2),
    }


def image_rows(
    method: Method, pair: Pair, hidden: Hidden, images: StoredImages, measured: Measurements
) -> pd.DataFrame:
    """Per-image results, one row for each prompt."""
    cost = cache(lambda candidates: pair.macs(method, candidates))
    rows = []
    for place, (sample, found) in enumerate(zip(hidden.samples, hidden.sets, strict=True)):
        on_cloud, on_device = cost(len(found.prompts))
        rows.append(
            {
                "method": method.name,
                "prompt": sample.prompt,
                "seed": sample.seed,
                "image": f"images/{images.folder.name}/{images.path(place).name}",
                "n": len(found.prompts) if method.hidden else 1,
                "cloud_macs": on_cloud,
                "device_macs": on_device,
                **{score: _short(values[place]) for score, values in measured.each.items()},
            }
        )
    return pd.DataFrame(rows)


def score_columns(metrics: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """Every score, then the ends of every interval."""
    values = {name: _short(found["value"]) for name, found in metrics.items()}
    ends = {f"{name}_{end}": _short(found[end]) for name, found in metrics.items() for end in ("low", "high")}
    return values | ends


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
