"""The cloud behind HTTP: right answers for honest clients, one line for everyone else."""

import json
import logging
import random
import signal
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import torch
import trustme
from safetensors.torch import save

from obclip_cli.cloud.__main__ import check_address, listen
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import ServeConfig
from obclip_cli.device.remote import RemoteCloud
from obclip_cli.errors import UserError
from obclip_cli.protocol import MAX_HEADER, VERSION, CloudResponse, Offer, read_token
from tests.cloud.serving import BYTES, STEP, Process, Served, request, serving, until

TOKEN = "0123456789abcdef"
HEAD = f"POST /denoise HTTP/1.1\r\nHost: x\r\nContent-Type: {BYTES['content-type']}\r\n"
QUICK = ["hybrid.steps=4", "hybrid.switch_point=2"]


@pytest.fixture(scope="module")
def served(tiny_pair: list[str]) -> Iterator[Served]:
    limits = ["serve.max_body_bytes=20000", "serve.body_seconds=1", "serve.max_prompt_characters=100"]
    with serving([*tiny_pair, *QUICK, *limits]) as running:
        yield running


def local(served: Served) -> CloudServer:
    return CloudServer(served.server.pipeline, batch=served.server.batch, cache=served.config.cache)


# Honest clients


def test_the_answer_is_the_one_of_a_server_in_this_process(served: Served) -> None:
    message = request(10).to_bytes()
    answer = served.post(message)
    assert answer.status_code == 200
    assert answer.content == local(served).answer(message)


def test_models_health_and_metrics(served: Served) -> None:
    offer = Offer.from_bytes(httpx2.get(f"{served.url}/models", params={"steps": 4}).content)
    assert (offer.version, offer.solver, offer.latent_shape) == (VERSION, "dpm_solver", (4, 8, 8))
    assert len(offer.noise_levels) == 5 and offer.noise_levels[-1] == 0
    assert (offer.rows, offer.cache["reuse"]) == (served.config.rows_at_once, None)
    assert httpx2.get(f"{served.url}/health").json() == {"status": "ok"}
    served.post(request(3).to_bytes())
    assert 'obclip_requests_total{status="200"}' in httpx2.get(f"{served.url}/metrics").text
    for steps, said in ((100_000, "this server takes 1..200"), ("many", "must be a whole number")):
        refused = httpx2.get(f"{served.url}/models", params={"steps": steps})
        assert refused.status_code == 422 and said in refused.json()["detail"]


def test_progress_is_a_count(tiny_pair: list[str]) -> None:
    name = "00000000000000aa"
    with serving([*tiny_pair, *QUICK, "cloud.batch=2"], step=0.06) as served:
        asking = threading.Thread(target=served.post, args=(request(2).to_bytes(),), kwargs={"x-request-id": name})
        asking.start()
        text = httpx2.get(f"{served.url}/progress/{name}", timeout=30).text
        asking.join()
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]
    assert all(set(event) == {"done", "of"} for event in events)
    assert events[-1] == {"done": 4, "of": 4}  # two steps for each of two chunks


def test_the_log_never_holds_a_prompt_unless_asked(tiny_pair: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "obclip.serve")
    for asked in (False, True):
        caplog.clear()
        with serving([*tiny_pair, *QUICK, f"serve.log_prompts={asked}"]) as served:
            assert Offer.from_bytes(httpx2.get(f"{served.url}/models").content).logs_prompts is asked
            served.post(request(2).to_bytes(), **{"x-request-id": "00000000000000ab"})
            served.post(request(2).to_bytes()[:-1])
            served.post(replace(request(2), candidates=("a secret " * 200,)).to_bytes())
        lines = [record.getMessage() for record in caplog.records if record.name == "obclip.serve"]
        assert lines[0].startswith("00000000000000ab status=200 seconds=") and "candidates=2 steps=0..2/4" in lines[0]
        assert ("a person" in caplog.text) is asked
        assert ("a secret" in caplog.text) is asked


def test_a_bearer_token_is_asked_for(tiny_pair: list[str]) -> None:
    with serving([*tiny_pair, *QUICK], token=TOKEN) as served:
        message = request().to_bytes()
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            for path in ("/models", "/metrics", "/progress/00000000000000aa"):
                assert httpx2.get(f"{served.url}{path}", headers=given).status_code == 401
            assert served.post(message, **given).status_code == 401
        assert httpx2.get(f"{served.url}/health").status_code == 200
        assert served.post(message, Authorization=f"Bearer {TOKEN}").status_code == 200


def test_without_a_token_only_this_machine_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_address(ServeConfig(), None)
    check_address(ServeConfig(host="::1"), None)
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="without a token only this machine"):
        check_address(ServeConfig(host="0.0.0.0"), None)
    check_address(ServeConfig(host="0.0.0.0"), TOKEN)
    assert "without TLS" in capsys.readouterr().err
    with pytest.raises(UserError, match="both --tls-cert and --tls-key"):
        check_address(ServeConfig(tls_cert="c.pem"), TOKEN)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_token(tmp_path / "token") == TOKEN
    monkeypatch.setenv("OBCLIP_TOKEN", "short")
    with pytest.raises(UserError, match="at least 16"):
        read_token(None)


def test_tls(tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    files = [f"serve.tls_cert={tmp_path / 'cert.pem'}", f"serve.tls_key={tmp_path / 'key.pem'}"]
    with serving([*tiny_pair, *QUICK, *files]) as served:
        url = served.url.replace("http:", "https:")
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        assert httpx2.get(f"{url}/health", verify=trusting).json() == {"status": "ok"}
        with pytest.raises(UserError, match="certificate verify failed"):
            RemoteCloud(url, tries=1).offer(4)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert RemoteCloud(url, tries=1).offer(4).pair == "mini"


# Broken and hostile messages


def hostile() -> dict[str, bytes]:
    """Messages that are each wrong in one thing."""
    good = request().to_bytes()
    values = json.loads(json.loads(good[8 : 8 + struct.unpack("<Q", good[:8])[0]])["__metadata__"]["request"])

    def with_values(**changed: object) -> bytes:
        return save({}, metadata={"request": json.dumps(values | changed)})

    def with_latents(**tensors: torch.Tensor) -> bytes:
        return save(tensors, metadata={"request": json.dumps(values)})

    deep = b"[" * 100_000
    return {
        "nothing": b"",
        "garbage": random.Random(0).randbytes(1000),
        "a header of 2^62 bytes": struct.pack("<Q", 1 << 62) + good[8:],
        "a header longer than allowed": struct.pack("<Q", MAX_HEADER + 1) + bytes(100),
        "nested JSON": struct.pack("<Q", 10_000) + deep[:10_000],
        "a pickle": b"\x80\x04\x95" + good,
        "no metadata": save({"latents": torch.zeros(1, 4, 8, 8)}),
        "another field": with_values(index=0),
        "a field less": save({}, metadata={"request": json.dumps({"candidates": ["a"]})}),
        "no candidate": with_values(candidates=[]),
        "numbers as candidates": with_values(candidates=[1, 2]),
        "a text for a list": with_values(candidates="a man"),
        "half a surrogate pair": with_values(candidates=["\ud800"]),
        "65 candidates": with_values(candidates=["a"] * 65),
        "a long prompt": with_values(candidates=["a" * 101]),
        "100,000 steps": with_values(steps=100_000, stop=100_000),
        "steps outside the schedule": with_values(stop=5),
        "steps backwards": with_values(start=2, stop=1),
        "steps as text": with_values(steps="4"),
        "positions outside the steps": with_values(positions=[0, 4]),
        "positions that do not increase": with_values(positions=[0, 1, 1]),
        "positions from elsewhere": with_values(positions=[1]),
        "positions as text": with_values(positions="01"),
        "true for a number": with_values(start=True),
        "NaN as scale": with_values(guidance_scale=float("nan")),
        "infinity as scale": with_values(guidance_scale=float("inf")),
        "a negative seed": with_values(noise_seed=-1),
        "a seed of 2^63": with_values(noise_seed=1 << 63),
        "NaN latents": with_latents(latents=torch.full((1, 4, 8, 8), float("nan"))),
        "infinite latents": with_latents(latents=torch.full((1, 4, 8, 8), float("inf"))),
        "NaN history": with_latents(latents=torch.zeros(1, 4, 8, 8), history=torch.full((1, 4, 8, 8), float("nan"))),
        "history alone": with_latents(history=torch.zeros(1, 4, 8, 8)),
        "two rows of latents": with_latents(latents=torch.zeros(2, 4, 8, 8)),
        "latents of another size": with_latents(latents=torch.zeros(1, 4, 8, 9)),
        "latents of another type": with_latents(latents=torch.zeros(1, 4, 8, 8, dtype=torch.float16)),
        "whole numbers as latents": with_latents(latents=torch.zeros(1, 4, 8, 8, dtype=torch.int32)),
        "three dimensions": with_latents(latents=torch.zeros(4, 8, 8)),
        "another tensor": with_latents(index=torch.zeros(1, 4, 8, 8)),
    }


@pytest.mark.parametrize("name", hostile())
def test_malformed_messages_get_one_line(served: Served, name: str) -> None:
    answer = served.post(hostile()[name])
    assert answer.status_code == 422, answer.text
    line = answer.json()["detail"]
    assert "\n" not in line and len(line) < 200
    assert not any(inside in line for inside in ("Traceback", ".py", "obclip_cli", "/", "torch.nn"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_messages_are_refused(served: Served, share: float) -> None:
    message = replace(request(), latents=torch.zeros(1, 4, 8, 8)).to_bytes()
    assert served.post(message[: int(len(message) * share)]).status_code == 422


def test_100_byte_flips_never_break_the_server(served: Served) -> None:
    message, chance, seen = request().to_bytes(), random.Random(7), Counter[int]()
    with httpx2.Client(base_url=served.url, headers=BYTES, timeout=60) as client:
        for _ in range(100):
            flipped = bytearray(message)
            flipped[chance.randrange(len(message))] ^= 1 << chance.randrange(8)
            seen[client.post("/denoise", content=bytes(flipped)).status_code] += 1
    assert set(seen) <= {200, 422}, seen
    assert seen[422] > 10


def test_oversize_bodies(served: Served) -> None:
    assert served.post(bytes(20_001)).status_code == 413
    chunks = (bytes(1000) for _ in range(50))  # no length is declared
    assert httpx2.post(f"{served.url}/denoise", content=chunks, headers=BYTES, timeout=30).status_code == 413
    assert httpx2.post(f"{served.url}/denoise", content=b"x").status_code == 415


def test_stalled_bodies(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        head = (
            f"POST /denoise HTTP/1.1\r\nHost: x\r\nContent-Type: {BYTES['content-type']}\r\nContent-Length: 500\r\n\r\n"
        )
        line.sendall(head.encode() + b"abc")
        assert line.recv(100).startswith(b"HTTP/1.1 408")


def test_an_error_inside_tells_nothing_of_it(tiny_pair: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving([*tiny_pair, *QUICK]) as served:
        monkeypatch.setattr(CloudServer, "denoise", lambda *_: 1 / 0)
        answer = served.post(request().to_bytes())
        assert (answer.status_code, answer.json()["detail"]) == (500, "the server failed on this request")
        monkeypatch.undo()
        assert served.post(request().to_bytes()).status_code == 200


# Load, and clients that go away


def leave(served: Served, message: bytes, after: float) -> None:
    """A client that is killed: it sends a request and its connection ends."""
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"{HEAD}Content-Length: {len(message)}\r\n\r\n".encode() + message)
        time.sleep(after)


def test_a_client_that_goes_away_stops_its_work_at_the_next_step(tiny_pair: list[str]) -> None:
    """The next one is served within two steps' time, on a model without any acceleration left on it."""
    cache = ["cache.reuse=all", "cache.cache_point=1", "cache.skip_point=2", "hybrid.switch_point=8"]
    step = 0.25  # long against what two connections take
    with serving([*tiny_pair, "hybrid.steps=40", *cache], step=step) as served:
        unet = served.server.pipeline.unet
        processors = dict(unet.attn_processors)
        leave(served, request(steps=40, stop=40).to_bytes(), after=2.5 * step)
        gone = time.monotonic()
        none = served.post(request(steps=40, stop=0).to_bytes())
        assert none.status_code == 200
        assert time.monotonic() - gone < 2 * step
        assert unet.attn_processors == processors
        assert not any("forward" in vars(module) for module in unet.modules())
        assert not served.cloud.jobs
        after = request(3, steps=8, stop=4).to_bytes()
        assert served.post(after).content == local(served).answer(after)


def test_a_client_that_goes_away_while_it_waits_leaves_the_queue(tiny_pair: list[str]) -> None:
    with serving([*tiny_pair, *QUICK, "serve.queue=1"], step=STEP) as served, ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.post, request(stop=4).to_bytes())
        until(lambda: served.cloud.worker.running)
        leave(served, request().to_bytes(), after=0.05)
        until(lambda: not served.cloud.worker.waiting)
        assert first.result().status_code == 200


def test_a_request_has_a_deadline(tiny_pair: list[str]) -> None:
    with serving([*tiny_pair, *QUICK, "serve.deadline_seconds=0.15"], step=STEP) as served:
        assert served.post(request(stop=4).to_bytes()).status_code == 504
        until(lambda: not served.cloud.worker.running)
        assert served.post(request(stop=0).to_bytes()).status_code == 200


def test_50_at_once_against_a_queue_of_32(tiny_pair: list[str]) -> None:
    with serving([*tiny_pair, *QUICK, "serve.queue=32"], step=0.02) as served, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda seed: served.post(request(seed=seed).to_bytes()), range(50)))
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {200, 503} and counts[200] >= 33
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers if answer.status_code == 503)


def test_several_clients_together_get_what_each_gets_alone(tiny_pair: list[str]) -> None:
    requests = [replace(request(1 + seed % 3, seed=seed), wants_history=seed % 2 == 0) for seed in range(6)]
    with serving([*tiny_pair, *QUICK, "serve.batching=true"], step=STEP) as served, ThreadPoolExecutor(6) as pool:
        sizes: list[int] = []
        served.server.pipeline.unet.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        messages = [message.to_bytes() for message in requests]
        answers = [CloudResponse.from_bytes(answer.content) for answer in pool.map(served.post, messages)]
        assert max(sizes) > 6  # more rows than any request has
        alone = [CloudResponse.from_bytes(local(served).answer(message)) for message in messages]
    for together, single in zip(answers, alone, strict=True):
        torch.testing.assert_close(together.latents, single.latents, rtol=1e-4, atol=1e-4)
        assert (together.history is None) == (single.history is None)


@pytest.mark.parametrize("setting", ["cache.reuse=all", "cache.skip_point=1", "cache.trunk=1"])
def test_batching_is_refused_where_rows_depend_on_each_other(tiny_pair: list[str], setting: str) -> None:
    config = compose_config([*tiny_pair, *QUICK, setting, "serve.batching=true"])
    with pytest.raises(UserError, match="set cache=none"):
        from obclip_cli.cloud.http import Cloud
        from tests.conftest import tiny_pipeline

        Cloud(config, CloudServer(tiny_pipeline(1, mid_block=True), batch=60, cache=config.cache))


# The process of `obclip serve`

LOOK = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGUSR1, lambda *_: Path({file!r}).write_text("\\n".join(sys.modules)))
"""


def test_the_running_server_holds_no_module_of_the_client_and_ends_in_order(tmp_path: Path) -> None:
    """The process itself says what it has loaded; SIGTERM finishes what runs and refuses what waits."""
    (tmp_path / "sitecustomize.py").write_text(LOOK.format(file=str(tmp_path / "modules")))
    with Process(["pair=mini"], tmp_path) as process, ThreadPoolExecutor(2) as pool:
        assert process.said.startswith("obclip serves mini on http://127.0.0.1:")

        def post(name: str, stop: int) -> httpx2.Response:
            message = request(6, stop=stop, steps=25).to_bytes()
            headers = BYTES | {"x-request-id": name}
            return httpx2.post(f"{process.url}/denoise", content=message, headers=headers, timeout=60)

        assert post("2" * 16, 1).status_code == 200
        process.send(signal.SIGUSR1)
        until(lambda: (tmp_path / "modules").exists() and (tmp_path / "modules").stat().st_size)
        first = pool.submit(post, "0" * 16, 25)
        with httpx2.stream("GET", f"{process.url}/progress/{'0' * 16}") as events:
            next(events.iter_lines())  # it runs
        second = pool.submit(post, "1" * 16, 1)
        time.sleep(0.2)
        process.send(signal.SIGTERM)
        assert first.result().status_code == 200
        assert (second.result().status_code, second.result().json()["detail"][:16]) == (503, "the server stops")
        process.wait()
    loaded = (tmp_path / "modules").read_text().splitlines()
    assert "obclip_cli.cloud.http" in loaded
    secret = ("obclip_cli.device", "obclip_cli.prompts", "obclip_cli.pipeline", "obclip_cli.game", "obclip_cli.main")
    assert [name for name in loaded if name.startswith(secret)] == []
    assert "Traceback" not in process.log.read_text()


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="choose another with --host"):
        listen(ServeConfig(port=taken.getsockname()[1]))
