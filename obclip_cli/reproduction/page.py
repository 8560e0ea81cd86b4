"""The pages that lead through `results/`, written by `obclip reproduce`: README.md, claims.md and index.html."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from obclip_cli.reproduction.agreement import write_contrasts
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, NOT_TESTABLE, Claim
from obclip_cli.reproduction.index import write_index
from obclip_cli.runs import write_text

OPENING = """# Results

Written by `obclip reproduce`. Every figure names the run folder behind it (`runs/`), which holds its configuration,
versions, hardware and raw scores. On the embedded pair `mini` scores are by the pair's own judge and are not comparable
with the paper's; what can be compared is the trend. The paper's own figures are quoted beside ours and marked.
To look through all of it in a browser, with the pictures of every prompt: [index.html](index.html).
"""
CLAIMS = """# The paper's claims, and what these runs say

The claims are the paper's (arXiv 2510.04153) in our words, but for those whose source says that they are this
project's own. The figures here are of the runs in this folder, with 95 % intervals in brackets. The verdict is
computed: a claim *holds* or *does not hold* where the whole interval says so; it is *not decided here* where the
interval allows both, and *not testable here* where a model or data are missing. That something is better does not hold
either where the interval leaves out every advantage that counts: a fifth of the gap between device-only and cloud-only,
five points of a share, the smallest λ tried (a rule set after most results had been seen). The likelier reason, where
one is given, is our judgement and no computation. On the embedded pair `mini` a verdict speaks of that pair: small
images, its own judge, its own data. It is no verdict on the paper's models.
"""
OWN = "our"  # how the source begins of a claim that is not the paper's
SUMMED = {
    HOLDS: "hold",
    DOES_NOT_HOLD: "do not hold",
    NOT_DECIDED: "are not decided here",
    NOT_TESTABLE: "are not testable here",
}
# A file of the folder: what the page says where it is there.
FURTHER = {
    "bench/speed.png": """## Speed

Written by `make bench`: the cloud phase of each method against vanilla OG, measured and by multiply-accumulates.

![Measured speed-up against multiply-accumulates saved](bench/speed.png)

Table: [bench/speed.md](bench/speed.md). On a GPU: [the command](bench/README.md), and no figure yet.
""",
    "examples/contact_sheet_000.png": """## Examples

`examples/` holds what `obclip generate` wrote for three prompts: images, contact sheets and `summary.json`.

![Contact sheet](examples/contact_sheet_000.png)
""",
}


@dataclass(frozen=True)
class Section:
    """One experiment.

    Attributes:
        name: what its files in the folder begin with.
        text: its caption, or why it was not run.
    """

    title: str
    name: str
    text: str
    was_run: bool
    claims: list[Claim]


def write_page(folder: Path, sections: list[Section]) -> None:
    """Write `folder/README.md`, in the order of `sections`, and the page of all claims."""
    claims = [claim for section in sections for claim in section.claims]
    summary = write_claims(claims, folder)
    write_contrasts(claims, folder)
    parts = [OPENING, f"## Claims\n\n{summary} One by one, with figures: [claims.md](claims.md).\n"]
    parts += [_shown(section) for section in sections]
    parts += [text for file, text in FURTHER.items() if (folder / file).exists()]
    write_text(folder / "README.md", "\n".join(parts))
    shown = ("title", "name", "text", "was_run")
    write_index(folder, [{key: getattr(section, key) for key in shown} for section in sections])


def _shown(section: Section) -> str:
    title, name = section.title, section.name
    if not section.was_run:
        return f"## {title}\n\nNot run: {section.text}\n"
    files = ", ".join(f"[{name}.{kind}]({name}.{kind})" for kind in ("md", "csv", "tex"))
    claims = "\n".join(f"* {claim.claim} ({claim.source}) **{claim.verdict.word}**" for claim in section.claims)
    parts = [f"## {title}", f"![{title}]({name}.png)", f"> {section.text}", f"Table: {files}", claims]
    return "\n\n".join(filter(None, parts)) + "\n"


def write_claims(claims: list[Claim], folder: Path) -> str:
    """Write `claims.md`, verdicts before figures, and `claims.csv`; return how many claims hold."""
    rows = [{**asdict(claim), "verdict": claim.verdict.word, "why": claim.verdict.why} for claim in claims]
    table = pd.DataFrame(rows, columns=["claim", "source", "paper", "ours", "verdict", "why", "reason"])
    quoted = [claim for claim in claims if not claim.source.startswith(OWN)]
    summary = f"Of {len(claims)} claims {_counted(claims)}."
    if 0 < len(quoted) < len(claims):
        summary += f" Among them are {len(quoted)} of the paper's: {_counted(quoted)}."
    short = table[["claim", "source", "verdict"]].map(lambda cell: str(cell).replace("|", r"\|"))
    short.insert(0, "", range(1, len(short) + 1))
    details = [_details(number, claim) for number, claim in enumerate(claims, start=1)]
    write_text(folder / "claims.csv", table.to_csv(index=False))
    write_text(folder / "claims.md", "\n\n".join([CLAIMS, summary, short.to_markdown(index=False), *details]) + "\n")
    return summary


def _counted(claims: list[Claim]) -> str:
    counted = Counter(claim.verdict.word for claim in claims)
    return ", ".join(f"{counted[word]} {said}" for word, said in SUMMED.items())


def _details(number: int, claim: Claim) -> str:
    """One claim with all its figures."""
    lines = {"The paper": claim.paper, "Here": claim.ours, f"**{claim.verdict.word}**": claim.verdict.why}
    told = [f"* {head}: {text or 'no figures'}" for head, text in lines.items()]
    told += [f"* Likelier reason: {claim.reason}"] if claim.reason else []
    return "\n".join([f"## {number}. {claim.claim} ({claim.source})\n", *told])
