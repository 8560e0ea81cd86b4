"""`obclip generate` as a user types it, on a tiny random pair."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from obclip_cli.compose import compose_config
from obclip_cli.device.client import Client
from obclip_cli.pipeline import ObCLIPPipeline
from obclip_cli.prompts.english import word_lists
from obclip_cli.prompts.learnt import roles_of, warning
from tests.conftest import Run, assert_one_line_error, read_only

PROMPT = "a woman firefighter with dark skin"
FAST = ["hybrid.steps=4", "hybrid.switch_point=2"]
Obclip = Callable[..., Run]


def test_one_prompt_writes_image_sheet_and_summary(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("generate", PROMPT, "-o", str(tmp_path / "out"), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert Image.open(tmp_path / "out" / "image.png").size == (16, 16)
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 500
    facts = json.loads((tmp_path / "out" / "summary.json").read_text())["images"][0]
    assert facts["n"] == len(facts["cloud_saw"]) == 10
    assert (facts["cloud_steps"], facts["device_steps"]) == (2, 2)
    assert facts["cloud_macs"] > 10 * facts["device_macs"] / 2 > 0
    assert facts["bytes_up"] > 0 and facts["bytes_down"] > 10 * 4 * 8 * 8 * 4
    for words in ("10 candidates", "bytes up", "GMAC", "image.png", "loading", "decoded in", "--no-sheet", "thread"):
        assert words in run.out
    assert "comparison_seconds" not in facts
    assert facts["schedule"] == "both sides run on one schedule"


def test_sheet_comparison_and_enlarged_copy_are_made_where_they_are_wanted(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    asked = ["generate", PROMPT, "-o", str(tmp_path), *tiny_pair, *FAST]
    assert obclip(*asked, "--no-sheet").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.png", "summary.json"]
    own = (tmp_path / "image.png").read_bytes()
    assert obclip(*asked, "--compare", "--upscale").code == 0  # the same image with more beside it
    assert (tmp_path / "image.png").read_bytes() == own
    facts = json.loads((tmp_path / "summary.json").read_text())["images"][0]
    assert facts["comparison_seconds"] > 0 and facts["sheet_seconds"] > 0
    small, large = (Image.open(tmp_path / name) for name in ("image.png", "image_large.png"))
    assert large.size == (512, 512) and large.getpixel((511, 40)) == small.getpixel((15, 1))


def test_a_finished_image_is_read_and_another_run_is_refused(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["generate", PROMPT, "--no-sheet", "-o", str(tmp_path), *tiny_pair, *FAST]
    assert obclip(*asked).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(ObCLIPPipeline, "from_config", None)  # no model is loaded for it
    with read_only(tmp_path):
        again = obclip(*asked)
    assert again.code == 0 and "image.png" in again.out and "only read" in again.err
    for other, words in (
        (["-k", "1"], ["hybrid.switch_point=2", "-o"]),
        (["-n", "2"], ["other prompts, seeds or pictures", "-o"]),
        ([f"pair.cloud.path={tiny_pair[1].partition('=')[2]}"], ["pair.cloud.path"]),
    ):
        assert_one_line_error(obclip(*asked, *other), *words)
    (tmp_path / "summary.json").write_text('{"images": []}')
    assert_one_line_error(obclip(*asked), "summary.json of another kind")
    (tmp_path / "summary.json").write_bytes(before.pop("summary.json"))
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())


def test_a_picture_shapes_the_image_and_nothing_that_is_sent(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    Image.effect_mandelbrot((50, 20), (-3, -2, 2, 2), 40).convert("CMYK").save(tmp_path / "a.tiff")
    Image.new("LA", (9, 200), 90).save(tmp_path / "b.png")
    asked = ["generate", PROMPT, "--no-sheet", *tiny_pair, *FAST]
    runs = {None: obclip(*asked, "-o", str(tmp_path / "None"))}
    for name in ("a.tiff", "b.png"):
        runs[name] = obclip(*asked, "-o", str(tmp_path / "out" / name), "--image", str(tmp_path / name))
        assert runs[name].code == 0 and "nothing of it was sent" in runs[name].out, runs[name].err
    folders = [tmp_path / "None", *(tmp_path / "out" / name for name in ("a.tiff", "b.png"))]
    facts = [json.loads((folder / "summary.json").read_text())["images"][0] for folder in folders]
    assert len({one["bytes_up"] for one in facts}) == 1 and "picture" not in facts[0]
    assert len({(folder / "image.png").read_bytes() for folder in folders}) == 3
    other = obclip(*asked, "-o", str(folders[1]), "--image", str(tmp_path / "b.png"))
    assert_one_line_error(other, "other prompts, seeds or pictures")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--image", "{0}/no.png"], ["no picture", "no.png"]),
        (["--image", "{0}"], ["not a readable picture"]),
        (["--image", "{0}/text.png"], ["not a readable picture", "text.png"]),
        (["--image", "{0}/cut.png"], ["not a readable picture", "cut.png"]),
        (["--image", "{0}/whole.png", "--strength", "0.9"], ["strength=0.9", "0.25..0.5", "-k"]),
        (["--image", "{0}/whole.png", "--cells", "0"], ["cells=0"]),
        (["--image", "{0}/whole.png", "-k", "4"], ["smaller -k"]),
        (["--strength", "0.5"], ["--image"]),
    ],
)
def test_a_picture_that_is_none_is_one_line(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, options: list[str], words: list[str]
) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    (tmp_path / "text.png").write_text("no picture")
    out = tmp_path / "out"
    run = obclip("generate", PROMPT, "-o", str(out), *tiny_pair, *FAST, *(text.format(tmp_path) for text in options))
    assert_one_line_error(run, *words)
    assert not out.exists()


def test_ctrl_c_keeps_finished_images_and_a_record_of_the_one_that_was_stopped(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["generate", PROMPT, "-n", "2", "--no-sheet", *tiny_pair, *FAST]
    assert obclip(*asked, "-o", str(tmp_path / "whole")).code == 0
    finish, calls = Client.finish, []

    def stopped(self: Client, *arguments: Any) -> torch.Tensor:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return finish(self, *arguments)

    monkeypatch.setattr(Client, "finish", stopped)
    out = tmp_path / "out"
    run = obclip(*asked, "-o", str(out))
    assert run.code == 130 and run.err.strip().splitlines()[-1].startswith("obclip: stopped")
    summary = json.loads((out / "summary.json").read_text())
    record = {"prompt": PROMPT, "seed": 1, "in": "the cloud's steps", "steps": 2}
    assert ([image["seed"] for image in summary["images"]], summary["stopped"]) == ([0], [record])
    assert obclip(*asked, "-o", str(out)).code == 0
    assert len(calls) == 3  # the finished one was not made again
    summary = json.loads((out / "summary.json").read_text())
    assert ([image["seed"] for image in summary["images"]], summary["stopped"]) == ([0, 1], [record])
    for name in ("image_000.png", "image_001.png"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_ctrl_c_is_one_line_also_while_libraries_are_imported(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", "from obclip_cli.main import run; print('here', flush=True); run()"]
    command += ["generate", PROMPT, "-o", str(tmp_path / "out")]
    as_in_a_terminal = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, preexec_fn=as_in_a_terminal) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith("obclip: stopped") and err.count("\n") == 1


def test_every_candidates_image_is_foretold_at_the_hand_over(tiny_pair: list[str]) -> None:
    """Before the last step the prediction is what that step reaches; the small model's own, so no server is asked."""
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=3"])
    pipe = ObCLIPPipeline.from_config(config)
    outcome = pipe(PROMPT).outcome
    foretold = pipe.client.foretold(outcome.request, outcome.candidate_latents, rows=3)
    assert foretold is not None and foretold.shape == outcome.candidate_latents.shape
    place = outcome.query.candidates.index
    torch.testing.assert_close(foretold[place : place + 1], outcome.latents, rtol=1e-3, atol=1e-4)
    clean = ObCLIPPipeline.from_config(compose_config([*tiny_pair, "hybrid.steps=2", "hybrid.switch_point=2"]))
    finished = clean(PROMPT).outcome
    assert clean.client.foretold(finished.request, finished.candidate_latents, rows=9) is None


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("portrait of an elderly man", ['"portrait", "elderly"', "roles"]),
        ("a dog", ['"dog"', "obclip models list"]),
        ("a woman firefigther", ["the nearest role is firefighter"]),
        ("an old physician with dark skin", ['"physician"', "the nearest role is health worker"]),
        ("a queen and two wizards", ["the nearest role is princess"]),
        ("a woman firefighter with dark skin, Noto style", None),
        ("a man", None),
    ],
)
def test_a_prompt_that_mini_has_not_learnt_is_told(prompt: str, words: list[str] | None) -> None:
    told = warning(prompt, compose_config().pair)
    assert (told is None) == (words is None), told
    assert all(word in (told or "") for word in words or [])
    assert warning(prompt, compose_config(["pair=sdxl-koala"]).pair) is None
    roles = roles_of(compose_config().pair)
    assert {*word_lists("roles")} <= {*roles}  # every role of the list is one that mini knows


def test_json_prints_the_summary_and_nothing_else(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("generate", PROMPT, "--json", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert json.loads(run.out) == json.loads((tmp_path / "summary.json").read_text())


def test_prompt_file_and_count_number_the_images(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a man\n\na woman\n")
    out = tmp_path / "out"
    run = obclip("generate", "--prompt-file", str(prompts), "-n", "2", "--seed", "5", "-o", str(out), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    images = json.loads((out / "summary.json").read_text())["images"]
    assert [(i["prompt"], i["seed"]) for i in images] == [("a man", 5), ("a man", 6), ("a woman", 5), ("a woman", 6)]
    assert all((out / i["image"]).exists() and (out / i["contact_sheet"]).exists() for i in images)
    assert (out / "image_000.png").read_bytes() != (out / "image_001.png").read_bytes()


def test_what_would_go_up_in_the_clear_is_refused_unless_told_otherwise(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    """Without a terminal nobody can be asked; markup in a prompt is shown as it is typed."""
    for prompt in ("a red apple [/b]", "eine alte Frau im Park"):
        assert_one_line_error(
            obclip("generate", prompt, "-o", str(tmp_path / "out"), *tiny_pair, *FAST),
            prompt,
            "privacy.on_exposure=warn",
        )
    assert not (tmp_path / "out").exists()
    run = obclip("generate", "a red apple", "privacy.on_exposure=warn", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0
    assert "warning" in run.err and "nothing is hidden" in run.err
    assert json.loads((tmp_path / "summary.json").read_text())["images"][0]["n"] == 1


def test_a_bad_prompt_of_a_file_is_named_by_its_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    """A line ends at a line end only, and a file may begin with a byte order mark."""
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out"
    for bad, words in (
        ("a red apple", "on_exposure=warn"),
        ("a young old man", "two values of age"),
        ("a\x07man", "U+0007"),
    ):
        prompts.write_bytes(f"\ufeffa man\u2028with a hat\r\n\r\n{bad}\n".encode())
        run = obclip(
            "generate", "--prompt-file", str(prompts), "-o", str(out), "pair.taxonomy=paper", *tiny_pair, *FAST
        )
        assert_one_line_error(run, f"{prompts}, line 3: ", words)
    assert not out.exists()


def test_the_summary_has_the_reading_and_the_cloud_sees_a_person_for_a_name(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    """The byte tokenizer of the tiny pair reads 62 letters."""
    arguments = ["privacy.names=generalise", "--no-sheet", "-o", str(tmp_path), *tiny_pair, *FAST]
    run = obclip(
        "generate",
        "Sarah with a beard and her dog, in a very large and very green [/b] park by the sea, an old man",
        *arguments,
    )
    assert run.code == 0, run.err
    facts = json.loads((tmp_path / "summary.json").read_text())["images"][0]
    assert facts["prompt"].startswith("Sarah") and all(seen.startswith("A person") for seen in facts["cloud_saw"])
    reading = facts["reading"]
    assert (reading["n"], reading["lambda"], reading["language"], reading["replaced_names"]) == (12, 0, "en", ["Sarah"])
    assert reading["may_reveal"] == [{"text": "beard", "kind": "body", "attribute": "gender"}]
    assert reading["window"]["tokens"] == 64 and reading["window"]["without_effect"]
    assert {found["text"] for found in reading["window"]["hidden_in_name_only"]} == {"old man"}
    assert "\n".join(facts["cloud_saw"]) in run.out and "in name only" in run.err


def test_cfg_prints_what_would_run_and_writes_nothing(
    obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = obclip("generate", PROMPT, "-k", "5", "--cfg")
    assert run.code == 0 and "switch_point: 5" in run.out and "lambda: 0.0" in run.out
    assert list(tmp_path.iterdir()) == []


def test_results_go_to_a_folder_named_after_the_prompt(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert obclip("generate", "a man", "--no-sheet", *tiny_pair, *FAST).code == 0
    (folder,) = (tmp_path / "results" / "generate").iterdir()
    assert folder.name.startswith("a-man-") and (folder / "image.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], ["prompt is empty"]),
        (["   "], ["prompt is empty"]),
        ([], ["there is no prompt"]),
        (["a man", "--pair", "minni"], ["did you mean mini"]),
        (["a man", "-k", "26"], ["hybrid.switch_point=26", "0..25"]),
        (["a man", "stray words"], ["stray words", "quotes"]),
        (["a man", "hybrid.stepps=3"], ["hybrid.stepps", "did you mean steps"]),
        (["a woman with dark skin", "privacy.max_candidates=4"], ["10 candidates", "leave out tone"]),
        (["a man", "--lambda", "0.6"], ["privacy.lambda=0.6", "N = 2"]),
        (["a man", "--prompt-file", "x.txt"], ["not both"]),
        (["--prompt-file", "missing.txt"], ["cannot read missing.txt"]),
        (["a man", "pair.cloud.path=/nowhere/model"], ["/nowhere/model"]),
        (["a man", f"seed={2**63 - 2}", "-n", "3"], ["2^63-1"]),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    obclip: Obclip, arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(obclip("generate", *arguments), *words)
    assert not list(tmp_path.rglob("*.*"))


def test_a_broken_weights_file_is_one_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "cloud"
    shutil.copytree(tiny_pair[0].partition("=")[2], folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    run = obclip("generate", PROMPT, "-o", str(tmp_path / "out"), f"pair.cloud.path={folder}", tiny_pair[1])
    assert_one_line_error(run, str(folder), "cannot be read")


def test_an_unwritable_folder_is_one_line(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert_one_line_error(obclip("generate", PROMPT, "-o", str(blocked / "out"), *tiny_pair), "cannot write", "-o")


def test_debug_shows_the_traceback(obclip: Obclip) -> None:
    from obclip_cli.errors import UserError

    with pytest.raises(UserError):
        obclip("--debug", "generate", "")
