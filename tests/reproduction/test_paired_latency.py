"""Two methods timed in turn."""

from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.config import compose_config
from obclip_cli.evaluation import Method
from obclip_cli.reproduction.paired_latency import REPEATS, ratio, time_in_turn


def test_each_repeat_times_every_method(tiny_pair: list[str], tmp_path: Path) -> None:
    methods = [Method("one step", "server_first", 1), Method("ten steps", "server_first", 10)]
    done: list[int] = []
    config = compose_config(tiny_pair)
    time_in_turn(config, methods, candidates=2, path=tmp_path / "s.csv", progress=lambda *_: done.append)
    table = pd.read_csv(tmp_path / "s.csv")
    assert list(table.columns) == ["one step", "ten steps"] and len(table) == REPEATS == sum(done)
    assert ratio(tmp_path / "s.csv", "ten steps", "one step").low > 1


def test_the_ratio_is_taken_repeat_by_repeat(tmp_path: Path) -> None:
    """A busy machine slows both: 2/1 and 20/10 are both twice as long."""
    pd.DataFrame({"a": [2.0, 20.0, 4.0], "b": [1.0, 10.0, 2.0]}).to_csv(tmp_path / "s.csv", index=False)
    found = ratio(tmp_path / "s.csv", "a", "b")
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
