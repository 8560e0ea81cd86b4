"""Seconds over the rate of the line, from tables that were stored before."""

from pathlib import Path

import pandas as pd

from obclip_cli.report.figures import panels, save_figure


def plot_wire(end_to_end: pd.DataFrame, exchanges: pd.DataFrame, path: Path, *, title: str) -> None:
    """Left: an image from prompt to latents, one line a method. Right: the exchange alone, one line a latent size.

    Args:
        end_to_end: `rate_mbit`, `method` and `seconds`; without a rate is loopback, which is left out.
        exchanges: `size`, `dtype`, `candidates`, `rate_mbit` and `seconds`.
    """
    figure, axes = panels(1, 2, (9.6, 3.8))
    whole, wire = axes[0]
    styles = dict(zip(end_to_end["method"].unique(), ("k--", "o-", "s-", "^:"), strict=False))
    for method, rows in end_to_end.dropna(subset="rate_mbit").groupby("method", sort=False):
        whole.plot(rows["rate_mbit"], rows["seconds"], styles.get(method, "-"), label=method, markersize=4)
    whole.set_title("prompt to final latents, mini, both sides on one processor", fontsize=9)
    lines = exchanges.dropna(subset="rate_mbit").query("dtype == 'float16' and candidates in (10, 30)")
    for (size, n), rows in lines.groupby(["size", "candidates"], sort=False):
        seconds = rows.groupby("rate_mbit")["seconds"].median()
        style = "-" if n == 10 else "--"
        wire.plot(seconds.index, seconds, f"o{style}", label=f"{size}, N = {n}", markersize=3)
    wire.set_title("one exchange of float16 latents, a server that computes nothing", fontsize=9)
    for axis in (whole, wire):
        axis.set(xscale="log", yscale="log", xlabel="rate of the line (Mbit/s)", ylabel="seconds")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    save_figure(figure, path, title=title)
