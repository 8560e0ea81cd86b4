"""The page that leads through `results/`, written by `obclip reproduce`."""

from dataclasses import dataclass
from pathlib import Path

from obclip_cli.runs import write_text

OPENING = """# Results

Written by `make reproduce` on the embedded pair `mini`. Every figure names the run folder behind it (`runs/`), which
holds its configuration, versions, hardware and raw scores. Scores are by the pair's own judge and are not comparable
with the paper's; what can be compared is the trend.
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
    """One experiment: its title, picture and table (names of files in the folder), and what they show."""

    title: str
    picture: str
    table: str
    text: str


def write_page(folder: Path, sections: list[Section]) -> None:
    """Write `folder/README.md`, in the order of `sections`."""
    parts = [OPENING]
    for section in sections:
        parts.append(f"## {section.title}\n\n![{section.title}]({section.picture})\n\n{section.text}\n")
        parts.append(f"Table: [{section.table}]({section.table})\n")
    if (folder / "bench" / "speed.png").exists():
        parts.append(BENCH)
    if (folder / "examples" / "contact_sheet_000.png").exists():
        parts.append(EXAMPLES)
    write_text(folder / "README.md", "\n".join(parts))
