"""A device that asks a server over HTTP: the same images, and one line whatever the server does."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, LCMScheduler, SchedulerMixin
from fastapi import FastAPI, Request, Response
from safetensors.torch import load, save

from obclip_cli.cloud.http import Cloud
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.device.client import Client
from obclip_cli.device.remote import RemoteCloud, check_fits
from obclip_cli.diffusion.schedule import noise_levels
from obclip_cli.errors import UserError
from obclip_cli.pipeline import assemble, oblivious_generation
from obclip_cli.protocol import CloudRequest, CloudResponse, order_digest
from tests.cloud.serving import running, serving

PROMPT = "a woman firefighter with dark skin"
QUICK = ["hybrid.steps=4", "hybrid.switch_point=2"]


@dataclass
class Double:
    """A server that answers as the real one would, changed by `spoil`; it counts what it is asked."""

    cloud: Cloud
    steps: int
    offer: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[bytes], bytes] = lambda answer: answer
    order: Callable[[tuple[str, ...]], tuple[str, ...]] = lambda candidates: candidates
    refusals: list[Response] = field(default_factory=list)
    asked: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/models")
        async def models(steps: int) -> Response:
            return Response(json.dumps(json.loads(self.cloud.offer(steps).to_bytes()) | self.offer))

        @app.post("/denoise")
        async def denoise(http: Request) -> Response:
            message = await http.body()
            self.asked.append((message, dict(http.headers)))
            if self.refusals:
                return self.refusals.pop(0)
            answer = self.cloud.server.answer(message)
            order = order_digest(self.order(CloudRequest.from_bytes(message).candidates))
            return Response(self.spoil(answer), headers={"x-row-order": order})

        return app


@pytest.fixture(scope="module")
def sides(tiny_pair: list[str]) -> tuple[Config, Client, CloudServer]:
    config = compose_config([*tiny_pair, *QUICK])
    return config, *assemble(config)


@pytest.fixture
def double(sides: tuple[Config, Client, CloudServer]) -> Iterator[Double]:
    config, _, server = sides
    with standing_in(Double(Cloud(config, server), 4)) as double:
        yield double


@contextmanager
def standing_in(double: Double) -> Iterator[Double]:
    listening = socket.create_server(("127.0.0.1", 0))
    double.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with running(double.app(), listening):
        yield double


@pytest.mark.parametrize("solver", [DPMSolverMultistepScheduler, LCMScheduler])
def test_noise_levels_do_not_depend_on_the_solver(solver: type[SchedulerMixin]) -> None:
    """At a timestep both kinds have the same, which is what makes schedules comparable by them."""
    scheduler = solver(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    levels = noise_levels(scheduler, 8)
    scheduler.set_timesteps(8)
    expected = (1 / scheduler.alphas_cumprod[scheduler.timesteps] - 1) ** 0.5
    assert len(levels) == 9 and levels[-1] == 0
    assert levels[:-1] == pytest.approx(expected.tolist(), rel=0.01)  # DPM-Solver++ interpolates between timesteps
    with pytest.raises(UserError, match="no schedule of 100 steps"):
        noise_levels(LCMScheduler(original_inference_steps=50), 100)


def message_of(client: Client) -> bytes:
    return client.request(client.prepare(PROMPT, seed=1)).to_bytes()


def test_the_image_is_bit_identical_to_the_one_made_in_this_process(
    tiny_pair: list[str], sides: tuple[Config, Client, CloudServer]
) -> None:
    config, client, server = sides
    seen: list[tuple[int, int]] = []
    with serving([*tiny_pair, *QUICK], step=0.08) as served:
        remote = RemoteCloud(served.url, watch=lambda done, of: seen.append((done, of)))
        check_fits(remote, client.pipeline, client.split, config.pair)
        over_the_wire = oblivious_generation(client, remote, PROMPT, seed=3)
    here = oblivious_generation(client, server, PROMPT, seed=3)
    assert torch.equal(over_the_wire.latents, here.latents)
    assert (over_the_wire.bytes_up, over_the_wire.bytes_down) == (here.bytes_up, here.bytes_down)
    assert seen and seen == sorted(seen) and {of for _, of in seen} == {2}  # the last event may come after the answer


def test_what_goes_over_the_wire_does_not_tell_which_candidate_is_real(
    double: Double, sides: tuple[Config, Client, CloudServer]
) -> None:
    """Non-interference: method, headers and body are the same for every prompt of the closure; all of it is read."""
    _, client, _ = sides
    prompts = client.prepare(PROMPT, seed=1).candidates.prompts
    answers = set()
    for prompt in prompts:
        with_id = RemoteCloud(double.url)
        answers.add(with_id.answer(client.request(client.prepare(prompt, seed=1)).to_bytes()))
        with_id.close()
    assert len(answers) == 1  # whole, whatever the own row is
    bodies, headers = zip(*double.asked, strict=True)
    assert set(bodies) == {message_of(client)}
    assert len({tuple(sorted((k, v) for k, v in h.items() if k != "x-request-id")) for h in headers}) == 1
    assert len({h["x-request-id"] for h in headers}) == len(prompts)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": 2}, "version 2"),
        ({"solver": "lcm"}, "solver"),
        ({"dtype": "float16"}, "dtype"),
        ({"latent_space": {"latent channels": 8}}, "latent spaces differ"),
        ({"noise_levels": [14.6, 3.0, 0.9, 0.3, 0.0]}, "another schedule"),
        ({"noise_levels": [1.0]}, "no noise levels"),
        ({"noise_levels": [float("nan")] * 5}, "finite"),
        ({"latent_shape": [4, 8]}, "three sizes"),
        ({"latent_shape": [4, 8, 1 << 40]}, "three sizes"),
        ({"cache": "none"}, "cache"),
        ({"rows": True}, "rows"),
        ({"pair": "x" * (1 << 20)}, "more than"),
    ],
)
def test_a_server_that_does_not_fit_is_refused_before_any_prompt_is_sent(
    double: Double, sides: tuple[Config, Client, CloudServer], changed: dict[str, Any], words: str
) -> None:
    config, client, _ = sides
    double.offer = changed
    with pytest.raises(UserError, match=words):
        check_fits(RemoteCloud(double.url), client.pipeline, client.split, config.pair)
    assert not double.asked


def test_a_request_that_the_server_would_refuse_is_not_sent(
    double: Double, sides: tuple[Config, Client, CloudServer]
) -> None:
    double.offer = {"max_candidates": 4}
    with pytest.raises(UserError, match="takes 4 candidates"):
        RemoteCloud(double.url).answer(message_of(sides[1]))
    assert not double.asked


def changed(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[bytes], bytes]:
    return lambda answer: save({"latents": change(load(answer)["latents"]).contiguous()})


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a row less": (changed(lambda x: x[1:]), "shape"),
    "a row more": (changed(lambda x: torch.cat([x, x[:1]])), "shape"),
    "channels last": (changed(lambda x: x.permute(0, 2, 3, 1)), "shape"),
    "another type": (changed(lambda x: x.half()), "float16"),
    "NaN": (changed(lambda x: x.where(x < 0.5, torch.nan)), "NaN"),
    "infinity": (changed(lambda x: x.where(x < 0.5, torch.inf)), "NaN or infinity"),
    "history unasked": (lambda a: save({"latents": load(a)["latents"], "history": load(a)["latents"]}), "history"),
    "another name": (lambda a: save({"images": load(a)["latents"]}), "no other tensor"),
    "no latents": (lambda _: save({}), "no latents"),
    "cut short": (lambda answer: answer[:-1], "not safetensors"),
    "without end": (lambda answer: answer + bytes(1 << 17), "more than"),
    "text": (lambda _: b"<html>hello</html>", "not safetensors"),
    "a pickle": (lambda _: b"\x80\x04" + bytes(100), "not safetensors"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_one_line_and_the_prompt_is_not_sent_again(
    double: Double, sides: tuple[Config, Client, CloudServer], name: str
) -> None:
    double.spoil, words = WRONG[name]
    with pytest.raises(UserError, match=words) as raised:
        RemoteCloud(double.url).answer(message_of(sides[1]))
    assert "\n" not in str(raised.value)
    assert len(double.asked) == 1


def test_rows_in_another_order_are_refused_where_the_server_says_so(
    double: Double, sides: tuple[Config, Client, CloudServer]
) -> None:
    """A server that sorts its rows and says in which order they are. One that lies about it spoils the image and
    learns nothing: the device cannot notice, and takes the row that it would have taken."""
    _, client, _ = sides
    double.order = lambda candidates: candidates[::-1]
    with pytest.raises(UserError, match="not in the order"):
        RemoteCloud(double.url).answer(message_of(client))
    assert len(double.asked) == 1
    double.order, double.spoil = lambda candidates: candidates, changed(lambda x: x.flip(0))
    query = client.prepare(PROMPT, seed=1)
    answer = CloudResponse.from_bytes(RemoteCloud(double.url).answer(client.request(query).to_bytes()))
    assert torch.equal(client.select(query, answer).latents[0], answer.latents[query.candidates.index])


def test_only_a_busy_server_is_asked_again_and_with_the_same_bytes(
    double: Double, sides: tuple[Config, Client, CloudServer]
) -> None:
    message = message_of(sides[1])
    double.refusals = [Response(status_code=503, headers={"Retry-After": "0"}) for _ in range(2)]
    answer = RemoteCloud(double.url).answer(message)
    assert CloudResponse.from_bytes(answer).latents.shape == (10, 4, 8, 8)
    assert [body for body, _ in double.asked] == [message] * 3
    for status in (400, 401, 413, 422, 500, 504):
        double.asked.clear()
        double.refusals = [Response('{"detail": "no\\u001b[31m\\n"}', status_code=status)]
        with pytest.raises(UserError, match="no") as raised:
            RemoteCloud(double.url).answer(message)
        assert len(double.asked) == 1
        assert str(raised.value).isprintable()
    double.refusals = [Response(status_code=503, headers={"Retry-After": "0"}) for _ in range(9)]
    with pytest.raises(UserError, match="is busy"):
        RemoteCloud(double.url, tries=3).answer(message)


def test_a_server_that_comes_up_late_is_reached(sides: tuple[Config, Client, CloudServer]) -> None:
    config, client, server = sides
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    double = Double(Cloud(config, server), 4)
    got: list[bytes] = []
    remote = RemoteCloud(f"http://127.0.0.1:{port}", tries=8)
    asking = threading.Thread(target=lambda: got.append(remote.answer(message_of(client))))
    asking.start()
    threading.Event().wait(0.3)
    with running(double.app(), socket.create_server(("127.0.0.1", port))):
        asking.join(timeout=30)
    assert len(got) == 1


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://here", "http://", "not an address"])
def test_addresses(url: str) -> None:
    with pytest.raises(UserError, match="write http://HOST:PORT"):
        RemoteCloud(url)


def test_the_token_never_travels_in_the_clear(double: Double, sides: tuple[Config, Client, CloudServer]) -> None:
    with pytest.raises(UserError, match="in the clear"):
        RemoteCloud("http://example.com", token="0123456789abcdef")
    remote = RemoteCloud(double.url, token="0123456789abcdef")
    assert "0123456789abcdef" not in repr(remote)
    remote.answer(message_of(sides[1]))
    assert double.asked[0][1]["authorization"] == "Bearer 0123456789abcdef"


DYING = """
import sys, uvicorn
from pathlib import Path
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
app = FastAPI()
@app.get("/models")
def models(): return Response(Path("offer").read_bytes())
async def half():
    yield bytes(100)
    print("half", flush=True)
    import asyncio; await asyncio.sleep(60)
@app.post("/denoise")
async def denoise(): return StreamingResponse(half())
uvicorn.run(app, fd=int(sys.argv[1]), log_config=None)
"""


def test_a_server_killed_in_the_middle_is_one_line(tmp_path: Path, sides: tuple[Config, Client, CloudServer]) -> None:
    config, client, server = sides
    (tmp_path / "offer").write_bytes(Cloud(config, server).offer(4).to_bytes())
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    number = listening.fileno()
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, str(number)], cwd=tmp_path, pass_fds=[number], stdout=subprocess.PIPE
    )
    listening.close()
    assert process.stdout is not None
    killing = threading.Thread(target=lambda out=process.stdout: (out.readline(), process.kill()))
    killing.start()
    with pytest.raises(UserError, match="is out of reach") as raised:
        RemoteCloud(url, tries=2).answer(message_of(client))
    assert "\n" not in str(raised.value) and "type the same command again" in str(raised.value)
    killing.join()
    process.wait()
