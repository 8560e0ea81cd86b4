"""Whether a quick run agrees with the full one: each difference that claims rest on, against its stored counterpart."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from obclip_cli.evaluation.contrasts import independent
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.claims import Claim
from obclip_cli.runs import read_table, write_text

FILE = "contrasts.csv"
KEYS = ["source", "claim", "contrast"]
COLUMNS = [*KEYS, "value", "low", "high", "limit", "prompts", "decides", "would_take", "beside"]


def contrast_table(claims: Iterable[Claim]) -> pd.DataFrame:
    """One row a difference: its interval, its limit, and what so many prompts decide."""
    rows = [
        {
            "source": claim.source,
            "claim": claim.claim,
            "contrast": found.label,
            **{end: getattr(found.estimate, end) for end in ("value", "low", "high")},
            **{name: getattr(found, name) for name in ("limit", "prompts", "decides", "would_take", "beside")},
        }
        for claim in claims
        for found in claim.contrasts
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_contrasts(claims: Iterable[Claim], folder: Path) -> None:
    """Write `contrasts.csv`."""
    write_text(folder / FILE, contrast_table(claims).to_csv(index=False, float_format="%.5g"))


def agreement(quick: pd.DataFrame, full: pd.DataFrame) -> str:
    """How many differences lie within 95 % intervals of the full run's, and which do not; empty where none is in both.

    One in twenty lies outside by chance. The prompts of either run are taken as independent.
    """
    both = quick.merge(full, on=KEYS, suffixes=("", "_full"))
    if both.empty:
        return ""
    outside = []
    for row in both.to_dict("records"):
        here, there = (Estimate(*(row[f"{end}{of}"] for end in ("value", "low", "high"))) for of in ("", "_full"))
        apart = independent(here, less=there)
        if apart.low > 0 or apart.high < 0:
            outside.append(f"{row['contrast']} ({row['source']}): {here.value:.3g}, there {there.value:.3g}")
    said = f"Of {len(both)} differences {len(both) - len(outside)} agree with the full run within intervals of 95 %"
    return f"{said}; not: {'; '.join(outside)}" if outside else f"{said}."


def agreement_with(claims: Iterable[Claim], whole: Path) -> str:
    """The same against a folder's `contrasts.csv`; empty where there is none."""
    return agreement(contrast_table(claims), read_table(whole / FILE)) if (whole / FILE).exists() else ""
