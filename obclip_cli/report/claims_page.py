"""The page of claims: what the paper says, its figures, ours, and a computed verdict."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Claim
from obclip_cli.runs import write_text

WORDS = (HOLDS, DOES_NOT_HOLD, NOT_TESTABLE)
OPENING = """# The paper's claims, and what these runs say

The claims are the paper's (arXiv 2510.04153) in our words. Ours are figures of the runs in this folder with 95 %
intervals in brackets. The verdict is computed: a claim *holds* or *does not hold* where the whole interval says so, and
is *not testable here* where the interval allows both, or where a model or data are missing. On the embedded pair `mini`
a verdict speaks of that pair: small images, its own judge, its own data. It is no verdict on the paper's models.
"""


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """One row a claim."""
    rows = [{**asdict(claim), "verdict": claim.verdict.word, "why": claim.verdict.why} for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "source", "paper", "ours", "verdict", "why"])


def write_claims(claims: list[Claim], folder: Path) -> str:
    """Write `claims.md` and `claims.csv`; return how many of each verdict there are."""
    table = claims_table(claims)
    counted = Counter(table["verdict"])
    summary = ", ".join(f"{counted[word]} {word}" for word in WORDS)
    summary = f"Of {len(table)} claims: {summary}."
    shown = table.rename(columns={"paper": "the paper", "ours": "here", "why": "computed from"})
    shown = shown.map(lambda cell: str(cell).replace("|", r"\|"))
    write_text(folder / "claims.csv", table.to_csv(index=False))
    write_text(folder / "claims.md", f"{OPENING}\n{summary}\n\n{shown.to_markdown(index=False)}\n")
    return summary
