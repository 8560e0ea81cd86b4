"""A run's folder: when it is finished."""

from pathlib import Path

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.evaluation.store import RunFolder


def test_a_run_whose_mark_is_committed_is_read_without_its_images(tmp_path: Path) -> None:
    config = compose_config(["pair=mini"])
    run = RunFolder(tmp_path, config, [])
    (tmp_path / "scores.csv").write_text("method\ncloud-only\n")
    assert not run.is_finished
    runs.mark_finished(tmp_path, config)
    assert run.is_finished
    (tmp_path / runs.FINISHED).write_text("other weights")
    assert not run.is_finished
