"""What the parts of `fidelity` cost: multiply-accumulates and seconds as they ran, and how both grow with N."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from obclip_cli import runs
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config
from obclip_cli.cost.latency import synchronise
from obclip_cli.protocol import CloudRequest
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import peers
from obclip_cli.reproduction.fidelity import OWN, UNCACHED, Bench, Part
from obclip_cli.runs import read_table


def run_cloud(bench: Bench, part: Part, prompts: Sequence[str]) -> None:
    """What the cloud does for one request; a prompt without attributes stands for all candidates."""
    pair = bench.at(part.guidance)
    prompts = prompts[:1] if part.method.general else prompts
    stretch = pair.split(part.method).cloud
    if part.peer != OWN:
        peers.states(part.peer, part.settings, pair.cloud, prompts, stretch, [0] * len(prompts))
        return
    asked = stretch.steps, stretch.start, stretch.stop, stretch.guidance_scale, 0
    request = CloudRequest(tuple(prompts), *asked, positions=stretch.positions)
    CloudServer(pair.cloud, batch=pair.batch, cache=part.method.cache).denoise(request)


def macs(bench: Bench, part: Part, group: str, candidates: int) -> int:
    """Multiply-accumulates of the cloud's UNet, both attention products counted: ours without weights, for N
    candidates; others' works in a real run, for one.
    """
    if group == OWN:
        return bench.at(part.guidance).macs(part.method, candidates)[0]
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run_cloud(bench, part, distinct(1))
    return sum(counter.get_flop_counts()[type(bench.pair.cloud.unet).__name__].values()) // 2


def timed(bench: Bench, part: Part, prompts: Sequence[str]) -> float:
    """Seconds of the cloud's part, text encoding included."""
    synchronise()
    started = time.perf_counter()
    run_cloud(bench, part, prompts)
    synchronise()
    return float(f"{time.perf_counter() - started:.4g}")


def of_group(config: Config, run: Path, parts: list[Part], candidates: int, rounds: int) -> None:
    """Make all parts of one group, then count and time them in turn."""
    bench, group, words = Bench(config, run), parts[0].peer, distinct(candidates)
    for part in parts:
        bench.make(part)
    compared = _first_of_each([each for part in parts if not part.others for each in (part.reference, part)])
    counts, times = run / f"costs-{group}.csv", run / f"seconds-{group}.csv"
    if not counts.exists():
        rows = [{"k": part.k, "name": part.name, "macs": macs(bench, part, group, candidates)} for part in compared]
        runs.write_text(counts, pd.DataFrame(rows).to_csv(index=False))
    if not times.exists():
        rows = [
            {"k": part.k, "name": part.name, "round": place}
            # Each beside the unaccelerated one, so that what slows the machine down slows both.
            | {"plain": timed(bench, part.reference, words), "seconds": timed(bench, part, words)}
            for place in range(rounds)
            for part in compared
            if part.name != UNCACHED
        ]
        runs.write_text(times, pd.DataFrame(rows).to_csv(index=False))


def make_all(config: Config, run: Path, parts: Iterable[Part], candidates: int, rounds: int, bar: ProgressBar) -> None:
    """Every part, group by group; ours first, as the others are compared with them, each in a process of its own."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.peer, []).append(part)
    advance = bar("groups", len(groups))
    for group, chosen in groups.items():
        if group == OWN:
            of_group(config, run, chosen, candidates, rounds)
        else:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                process.submit(of_group, config, run, chosen, candidates, rounds).result()
        advance(1)


def shares_of_macs(run: Path, groups: Iterable[str]) -> pd.DataFrame:
    """`share`: multiply-accumulates of every part over those of the unaccelerated one of its group."""
    found = []
    for group in groups:
        table = read_table(run / f"costs-{group}.csv")
        plain = table[table["name"] == UNCACHED].set_index("k")["macs"].rename("plain")
        rows = table if group == OWN else table[table["name"] != UNCACHED]
        found.append(rows.assign(share=rows["macs"] / rows["k"].map(plain)))
    return pd.concat(found, ignore_index=True)


def shares_of_seconds(run: Path, groups: Iterable[str]) -> pd.DataFrame:
    """`share`: seconds of every part over those of the unaccelerated one that ran just before; one row a round."""
    table = pd.concat([read_table(run / f"seconds-{group}.csv") for group in groups], ignore_index=True)
    return table.assign(share=table["seconds"] / table["plain"])


def growth(bench: Bench, parts: list[Part], counts: Sequence[int], bar: ProgressBar) -> pd.DataFrame:
    """UNet rows and seconds of the cloud's part for each N: `method`, `n`, `rows`, `seconds`."""
    advance, found = bar("growth", len(parts) * len(counts)), []
    unet = bench.pair.cloud.unet
    for n in counts:
        for part in parts:
            seen: list[int] = []
            handle = unet.conv_out.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(len(given[0])))
            try:
                seconds = timed(bench, part, distinct(n))
            finally:
                handle.remove()
            found.append({"method": part.name, "n": n, "rows": sum(seen), "seconds": seconds})
            advance(1)
    return pd.DataFrame(found)


def distinct(count: int) -> list[str]:
    """Prompts that differ, so that nothing may be shared by mistake."""
    return [f"a person, number {place}" for place in range(count)]


def _first_of_each(parts: list[Part]) -> list[Part]:
    """One part a name and k: what it costs does not depend on the guidance scale."""
    found: dict[tuple[int, str], Part] = {}
    for part in parts:
        found.setdefault((part.k, part.name), part)
    return list(found.values())
