"""`make bench`: measured speed-ups of the cloud phase beside the multiply-accumulates saved, as a table and a plot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obclip_cli.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

# The goal: measured speed-up against that of the multiply-accumulates, in every row.
WANTED_SHARE = 0.9


def bench(
    models: Annotated[list[str] | None, typer.Argument(help="Which models, mini or sd14; none: all.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the table.")] = Path("results/bench"),
) -> None:
    """Measure, and write `speed.csv`, `.md`, `.tex`, `.png` and `environment.json`; a stopped run resumes."""
    import pandas as pd

    from obclip_cli.cost.bench import BENCHES, CANDIDATES, measure
    from obclip_cli.report.progress import progress_bars
    from obclip_cli.runs import check_writable, write_text

    wanted = models or list(BENCHES)
    if unknown := [name for name in wanted if name not in BENCHES]:
        raise UserError(f"there is no model {unknown[0]} to measure; {nearest(unknown[0], list(BENCHES))}")
    check_writable(output)
    partial = output / "speed.partial.csv"
    done = [pd.read_csv(partial)] if partial.exists() else []
    with progress_bars() as bar:
        advance = bar("phases", len(wanted) * len(CANDIDATES))
        for model in (BENCHES[name] for name in wanted):
            loaded = None
            for n in CANDIDATES:
                if not any(((table["model"] == model.name) & (table["n"] == n)).any() for table in done):
                    loaded = loaded or model.load()
                    done.append(measure(model, *loaded, n))
                    write_text(partial, pd.concat(done).to_csv(index=False))
                advance(1)
    _write(pd.concat(done), output)
    partial.unlink()


def _write(table: "pd.DataFrame", folder: Path) -> None:
    """The table with the machine it was measured on, and a plot."""
    import pandas as pd

    from obclip_cli.cost.bench import STEPS
    from obclip_cli.report.plots import plot_speed
    from obclip_cli.report.tables import write_table
    from obclip_cli.runs import environment, write_environment

    write_environment(folder)
    where = environment()
    place = where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
    kept = int((table["measured_over_macs"] >= WANTED_SHARE).sum())
    caption = (
        f"The cloud phase, T = {STEPS}, on {place}, torch {where['torch']}, float32. Speed-ups are against vanilla "
        f"OG of the same N; multiply-accumulates count both attention products. In {kept} of {len(table)} rows the "
        f"measured speed-up is at least {WANTED_SHARE} of that by multiply-accumulates."
    )
    write_table(table, folder / "speed", caption=caption)
    plot_speed(pd.read_csv(folder / "speed.csv"), folder / "speed.png", share=WANTED_SHARE)
    typer.echo(f"{caption}\nwritten to {folder}")
