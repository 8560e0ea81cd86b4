"""The page that leads through `results/`, written by `obclip reproduce`."""

from dataclasses import dataclass
from pathlib import Path

from obclip_cli.runs import write_text

OPENING = """# Results

Written by `obclip reproduce`. Every figure names the run folder behind it (`runs/`), which holds its configuration,
versions, hardware and raw scores. On the embedded pair `mini` scores are by the pair's own judge and are not comparable
with the paper's; what can be compared is the trend. The paper's own figures are quoted beside ours and marked.
"""
EXAMPLES = """## Examples

`examples/` holds what `obclip generate` wrote for three prompts: images, contact sheets and `summary.json`.

![Contact sheet](examples/contact_sheet_000.png)
"""
BENCH = """## Speed

Written by `make bench`: the cloud phase of each method against vanilla OG, measured and by multiply-accumulates.

![Measured speed-up against multiply-accumulates saved](bench/speed.png)

Table: [bench/speed.md](bench/speed.md)
"""


@dataclass(frozen=True)
class Section:
    """One experiment.

    Attributes:
        name: what its files in the folder begin with.
        text: its caption and, after an empty line, what it shows; or why it was not run.
    """

    title: str
    name: str
    text: str
    was_run: bool


def write_page(folder: Path, sections: list[Section], claims: str) -> None:
    """Write `folder/README.md`, in the order of `sections`.

    Args:
        claims: how many claims hold.
    """
    parts = [OPENING, f"## Claims\n\n{claims} One by one, with figures: [claims.md](claims.md).\n"]
    parts += [_shown(section) if section.was_run else _missing(section) for section in sections]
    if (folder / "bench" / "speed.png").exists():
        parts.append(BENCH)
    if (folder / "examples" / "contact_sheet_000.png").exists():
        parts.append(EXAMPLES)
    write_text(folder / "README.md", "\n".join(parts))


def _shown(section: Section) -> str:
    title, name = section.title, section.name
    caption, _, finding = section.text.partition("\n\n")
    files = ", ".join(f"[{name}.{kind}]({name}.{kind})" for kind in ("md", "csv", "tex"))
    return f"## {title}\n\n![{title}]({name}.png)\n\n{finding}\n\n> {caption}\n\nTable: {files}\n"


def _missing(section: Section) -> str:
    return f"## {section.title}\n\nNot run: {section.text}\n"
