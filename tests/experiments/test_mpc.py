"""The verdict on orders of magnitude comes from what was measured, and without a run nothing is claimed."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments import mpc
from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS
from obclip_cli.reproduction.experiment import run_folder, standing_names
from tests.conftest import Run, assert_one_line_error


def planted(folder: Path, *, cpu: float, sent: int) -> None:
    """A run of two steps by two servers, beside ObCLIP with 1,000 bytes and 1 to 2 CPU seconds."""
    run = run_folder(compose_config(["experiment=mpc"]), folder)
    run.mkdir(parents=True)
    each = {"protocol": "ABY3", "weights": "secret", "steps": 5, "cpu_seconds": cpu / 4, "bytes": sent // 4}
    pd.DataFrame([each | {"step": step, "party": rank} for step in (0, 1) for rank in (0, 1)]).to_csv(run / "steps.csv")
    obclip = {"sent": 10, "bytes_up": 400, "bytes_down": 600}
    rows = [obclip | {"cpu_seconds": taken} for taken in (1.0, 2.0)] + [obclip | {"sent": 1, "cpu_seconds": 50.0}]
    pd.DataFrame(rows).to_csv(run / "obclip.csv")


@pytest.mark.parametrize(
    ("cpu", "sent", "word"), [(200, 100_000, HOLDS), (199, 100_000, DOES_NOT_HOLD), (200, 99_996, DOES_NOT_HOLD)]
)
def test_orders_of_magnitude_are_a_hundred_in_bytes_and_in_cpu(
    tmp_path: Path, cpu: float, sent: int, word: str
) -> None:
    planted(tmp_path, cpu=cpu, sent=sent)
    (claim,) = mpc.claims(compose_config(["experiment=mpc"]), tmp_path)
    assert claim.verdict.word == word and "1e6" in claim.paper and "N = 10" in claim.ours


def test_it_is_read_only_where_its_run_is(obclip: Callable[..., Run], tmp_path: Path) -> None:
    assert_one_line_error(obclip("reproduce", "mpc", "-o", str(tmp_path)), "`obclip profile --mpc`")
    assert "mpc" not in standing_names(tmp_path)
    (tmp_path / "runs" / "mpc-mini-00000000").mkdir(parents=True)  # of other weights
    assert "mpc" not in standing_names(tmp_path)
    planted(tmp_path, cpu=1, sent=1)
    assert "mpc" in standing_names(tmp_path)
