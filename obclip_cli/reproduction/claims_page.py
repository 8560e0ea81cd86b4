"""The page of claims: what the paper says, its figures, ours, and a computed verdict."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, Claim
from obclip_cli.runs import write_text

SUMMED = {HOLDS: "hold", DOES_NOT_HOLD: "do not hold", NOT_TESTABLE: "are not testable here"}
OPENING = """# The paper's claims, and what these runs say

The claims are the paper's (arXiv 2510.04153) in our words, but for those whose source says that they are this
project's own. The figures here are of the runs in this folder, with 95 % intervals in brackets. The verdict is
computed: a claim *holds* or *does not hold* where the whole interval says so, and is *not testable here* where the
interval allows both, or where a model or data are missing. On the embedded pair `mini` a verdict speaks of that pair:
small images, its own judge, its own data. It is no verdict on the paper's models.
"""


def claims_table(claims: list[Claim]) -> pd.DataFrame:
    """One row a claim."""
    rows = [{**asdict(claim), "verdict": claim.verdict.word, "why": claim.verdict.why} for claim in claims]
    return pd.DataFrame(rows, columns=["claim", "source", "paper", "ours", "verdict", "why"])


def write_claims(claims: list[Claim], folder: Path) -> str:
    """Write `claims.md`, verdicts before figures, and `claims.csv`; return how many claims hold."""
    table = claims_table(claims)
    counted = Counter(table["verdict"])
    summary = f"Of {len(table)} claims {', '.join(f'{counted[word]} {said}' for word, said in SUMMED.items())}."
    short = table[["claim", "source", "verdict"]].map(lambda cell: str(cell).replace("|", r"\|"))
    short.insert(0, "", range(1, len(short) + 1))
    details = [_details(number, claim) for number, claim in enumerate(claims, start=1)]
    write_text(folder / "claims.csv", table.to_csv(index=False))
    parts = [OPENING, summary, short.to_markdown(index=False), *details]
    write_text(folder / "claims.md", "\n\n".join(parts) + "\n")
    return summary


def _details(number: int, claim: Claim) -> str:
    """One claim with all its figures."""
    lines = {"The paper": claim.paper, "Here": claim.ours, f"**{claim.verdict.word}**": claim.verdict.why}
    told = [f"* {head}: {text or 'nothing'}" for head, text in lines.items()]
    return "\n".join([f"## {number}. {claim.claim} ({claim.source})\n", *told])
