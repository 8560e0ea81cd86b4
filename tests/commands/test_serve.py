"""`obclip generate --server` and `obclip eval cloud.server=`: what a server in this process gives, over a wire."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from fastapi import FastAPI, Response

from obclip_cli.cloud.http import create_app
from obclip_cli.compose import compose_config
from obclip_cli.data import Sample
from obclip_cli.errors import UserError
from obclip_cli.evaluation.generate import generate_images, load_pair
from obclip_cli.evaluation.methods import baselines_and_obclip
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy
from tests.cloud.serving import Served, running, serving
from tests.conftest import Run, assert_one_line_error

PROMPT = "a woman firefighter with dark skin"
QUICK = ["hybrid.steps=4", "hybrid.switch_point=2"]
NOT_HERE = "pair.cloud.path=/nowhere/large"


@pytest.fixture(scope="module")
def served(tiny_pair: list[str]) -> Iterator[Served]:
    with serving([*tiny_pair, *QUICK]) as served:
        yield served


def test_the_same_image_without_the_large_model_on_the_device(
    obclip: Callable[..., Run], tiny_pair: list[str], served: Served, tmp_path: Path
) -> None:
    here = obclip("generate", PROMPT, *tiny_pair, *QUICK, "-o", str(tmp_path / "here"))
    there = obclip(
        "generate", PROMPT, *tiny_pair, NOT_HERE, *QUICK, "--server", served.url, "-o", str(tmp_path / "there")
    )
    assert (here.code, there.code) == (0, 0), there.err
    assert (tmp_path / "here" / "image.png").read_bytes() == (tmp_path / "there" / "image.png").read_bytes()
    assert (tmp_path / "there" / "contact_sheet.png").exists()
    facts = [json.loads((tmp_path / side / "summary.json").read_text())["images"][0] for side in ("here", "there")]
    for fact in ("cloud_macs", "device_macs", "bytes_up", "bytes_down", "cloud_saw", "cloud_steps"):
        assert facts[0][fact] == facts[1][fact]


def test_a_server_that_dies_leaves_nothing_half_written_and_the_same_command_goes_on(
    obclip: Callable[..., Run], tiny_pair: list[str], served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obclip_cli.device.remote.time.sleep", lambda _: None)
    offer = served.cloud.offer(4).to_bytes()
    app, asked = FastAPI(), []

    @app.get("/models")
    def models() -> Response:
        return Response(offer)

    @app.post("/denoise")
    def denoise() -> Response:
        asked.append(1)
        return Response(bytes(10), headers={"content-length": "1000"})  # the connection ends in the middle

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    command = ["generate", PROMPT, *tiny_pair, *QUICK, "--server", f"http://127.0.0.1:{port}", "-o", str(tmp_path)]
    with running(app, listening):
        assert_one_line_error(obclip(*command), "out of reach", "type the same command again")
    assert asked and not list(tmp_path.iterdir())
    assert_one_line_error(obclip(*command), "out of reach")  # nobody listens
    again = socket.create_server(("127.0.0.1", port))
    with running(create_app(served.config, lambda: served.server, None), again):
        assert obclip(*command).code == 0
    assert {"image.png", "contact_sheet.png", "summary.json"} == {path.name for path in tmp_path.iterdir()}


def test_a_server_of_another_pair_is_refused_in_one_line(
    obclip: Callable[..., Run], served: Served, tmp_path: Path
) -> None:
    assert_one_line_error(
        obclip("generate", PROMPT, "--server", served.url, "-o", str(tmp_path)), "latent spaces differ"
    )
    assert_one_line_error(obclip("generate", PROMPT, "--server", "nowhere"), "write http://HOST:PORT")
    assert_one_line_error(obclip("attack", "--all", f"cloud.server={served.url}"), "leave cloud.server out")


@pytest.mark.parametrize("handover", ["restart", "history"])
def test_evaluation_over_the_wire_makes_the_same_images(
    tiny_pair: list[str], served: Served, taxonomy: Taxonomy, handover: str
) -> None:
    """But for rounding: in one process the cloud computes only the rows that are kept, many prompts at once."""
    steps = ["hybrid.steps=7", "hybrid.switch_point=2", f"hybrid.handover={handover}"]
    here = compose_config([*tiny_pair, *steps])
    there = compose_config([*tiny_pair, NOT_HERE, *steps, f"cloud.server={served.url}"])
    prompts = [PROMPT, "a man with light skin"]
    samples = [Sample(prompt, seed, {}) for seed, prompt in enumerate(prompts)]
    sets = [build_candidates(prompt, taxonomy, max_candidates=64) for prompt in prompts]
    methods = baselines_and_obclip(here)
    images = [
        generate_images(load_pair(config), samples, methods, sets, lambda *_: lambda _: None)
        for config in (here, there)
    ]
    assert len(images[0]) >= 4 and list(images[0]) == list(images[1])
    for name in images[0]:
        difference = (images[0][name].int() - images[1][name].int()).abs()
        assert difference.max() <= 1, name  # one of 256 levels
    assert not torch.equal(images[0]["cloud-only"], images[0]["device-only"])
    assert load_pair(there).macs(methods[-1], 10) == load_pair(here).macs(methods[-1], 10)


def test_what_a_wire_cannot_compare_is_refused(tiny_pair: list[str], served: Served) -> None:
    remote = [*tiny_pair, *QUICK, f"cloud.server={served.url}"]
    with pytest.raises(UserError, match="use cache=none"):
        load_pair(compose_config([*remote, "cache.reuse=all"]))
    with pytest.raises(UserError, match="client_first"):
        load_pair(compose_config([*remote, "privacy=none", "hybrid.order=client_first"]))
