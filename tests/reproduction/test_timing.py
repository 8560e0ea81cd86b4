"""Parts timed in turn, round by round."""

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.reproduction.timing import Part, ratio, seconds_of, spread


def test_each_round_times_every_part(tiny_pair: list[str]) -> None:
    parts = [
        Part("one step", "cloud", Stretch(10, 0, 1, 2.0), 2),
        Part("ten steps", "device", Stretch(10, 0, 10, 2.0), 2),
    ]
    done: list[int] = []
    times = seconds_of(compose_config(tiny_pair), parts, 4, lambda *_: done.append)
    assert list(times["part"]) == ["one step", "ten steps"] * 4 and sum(done) == 2 * (4 + 1)
    assert ratio(times, "ten steps", "one step").low > 1
    assert (spread(times)["seconds_low"] <= spread(times)["seconds"]).all()


def test_the_ratio_is_taken_round_by_round() -> None:
    """A busy machine slows both: 2/1 and 20/10 are both twice as long."""
    rows = [("a", 0, 2.0), ("b", 0, 1.0), ("b", 1, 10.0), ("a", 1, 20.0)]
    found = ratio(pd.DataFrame(rows, columns=["part", "round", "seconds"]), "a", "b")
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_a_side_without_steps_takes_no_time(tiny_pair: list[str]) -> None:
    parts = [Part("nothing", "device", Stretch(10, 10, 10, 2.0), 1)]
    assert list(seconds_of(compose_config(tiny_pair), parts, 2, lambda *_: lambda _: None)["seconds"]) == [0.0, 0.0]
