"""Inputs that cannot be right, drawn at random: each is refused in one line of ours, and leaves nothing behind.

No model is loaded: an input that comes as far as one was not refused, and fails its test.
"""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from obclip_cli.overrides import GROUPS, names_of
from tests.conftest import Run, assert_one_line_error

# Words of Hydra, OmegaConf, pandas and Python that no user should read.
RAW = r"Lexer|[Mm]erg|Incompatible|lambda_|full_key|expecting|NoneType|Traceback|object has no|not supported between"
EXAMPLES = {
    "generate": ["generate", "a man"],
    "candidates": ["candidates", "a man"],
    "eval": ["eval"],
    "sweep": ["sweep", "-k", "1,2", "--cfg"],
    "attack": ["attack", "position"],
    "profile": ["profile"],
    "reproduce": ["reproduce", "figure3"],
    "serve": ["serve"],
}
WHOLE = ("hybrid.steps", "hybrid.switch_point", "seed", "privacy.max_candidates", "cache.cache_point", "cloud.batch")
NUMBERS = ("privacy.lambda", "pair.guidance_scale")
CHOICES = ("hybrid.order", "hybrid.handover", "privacy.strategy", "privacy.on_exposure", "cache.reuse_layers")
SPECIAL = st.text(st.sampled_from("=(){}[]#%~$\"'\\,:&!|;<>?* aé"), min_size=1, max_size=12)
WORD = st.from_regex(r"[a-z]{3,12}", fullmatch=True).filter(lambda word: word not in ("null", "true", "nan", "inf"))
NO_NUMBER = st.one_of(WORD, SPECIAL, st.sampled_from(["null", "[1,2]", "{a: 1}", "${nowhere}", "1..2", "--", "-9", ""]))
SETTINGS = st.one_of(
    st.tuples(st.sampled_from(WHOLE), st.one_of(NO_NUMBER, st.floats(0.001, 0.999).map(str))),
    st.tuples(st.sampled_from(NUMBERS), st.one_of(WORD, SPECIAL, st.sampled_from(["nan", "-1", "inf", "null", "[]"]))),
    st.tuples(st.sampled_from(CHOICES), st.one_of(WORD, st.integers().map(str))),
    st.tuples(
        st.sampled_from(GROUPS), st.one_of(WORD, st.integers().map(str), st.sampled_from(["null", "../x", "[a]"]))
    ),
    st.tuples(st.one_of(WORD, WORD.map(lambda word: f"hybrid.{word}"), SPECIAL), st.integers().map(str)),
).map("=".join)
HARMLESS = {"hybrid=default", "cache=none", "cloud.batch=null", "cache.cache_point=null", "experiment=null"}


def is_bad(setting: str) -> bool:
    """Whether it is not, by chance, one that may be typed."""
    key, _, value = setting.partition("=")
    value = value.strip(" '\"")
    named = key in GROUPS and value in names_of(key)
    chosen = value in (
        "all",
        "auto",
        "bucket",
        "dp",
        "fresh",
        "none",
        "replacement",
        "ask",
        "warn",
        "refuse",
        "self",
        "both",
    )
    return not (named or chosen or setting in HARMLESS or (re.fullmatch(r"\d+", value) and key in (*WHOLE, *NUMBERS)))


@pytest.fixture(scope="module", autouse=True)
def no_models() -> Iterator[None]:
    """Whoever would load one, start a server or ask a hub fails."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("a bad input came as far as the models")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("obclip_cli.diffusion.models.load_pipeline", reached)
        patch.setattr("obclip_cli.pipeline.load_pipelines", reached)
        patch.setattr("obclip_cli.evaluation.generate.load_pipelines", reached)
        patch.setattr("obclip_cli.game.run.load_pipelines", reached)
        patch.setattr("os.execv", reached)
        yield


def refused(*arguments: str, files: dict[str, bytes] | None = None) -> None:
    """Type a command in a folder that holds some files, and see it refused with the folder as it was."""
    from obclip_cli.main import run

    out, err, code = io.StringIO(), io.StringIO(), 0
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        for name, content in (files or {}).items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(content)
        before = sorted(str(path) for path in Path().rglob("*"))
        patch.setattr(sys, "argv", ["obclip", *arguments])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                run()
            except SystemExit as stop:
                code = int(stop.code or 0)
        assert sorted(str(path) for path in Path().rglob("*")) == before, arguments
    assert_one_line_error(Run(code, out.getvalue(), err.getvalue()))
    assert not re.search(RAW, err.getvalue().replace(" ".join(arguments), "")), (arguments, err.getvalue())


@pytest.mark.parametrize("command", EXAMPLES)
@settings(max_examples=35, suppress_health_check=list(HealthCheck))
@given(setting=SETTINGS.filter(is_bad))
def test_settings(command: str, setting: str) -> None:
    refused(*EXAMPLES[command], *(["--"] if setting.startswith("-") else []), setting)


OPTIONS = {
    "--seed": ["generate", "eval", "attack", "reproduce"],
    "-k": ["generate", "eval", "profile"],
    "--limit": ["eval", "reproduce"],
    "--lambda": ["generate", "candidates", "eval", "attack"],
    "--pair": ["generate", "candidates", "eval", "sweep", "attack", "profile", "reproduce", "serve"],
    "--dataset": ["eval", "sweep"],
    "-N": ["profile"],
    "--repeats": ["profile"],
    "-n": ["generate"],
    "--port": ["serve"],
    "--replicas": ["serve"],
}
TYPED = st.sampled_from([(command, option) for option, commands in OPTIONS.items() for command in commands])


@settings(max_examples=70, suppress_health_check=list(HealthCheck))
@given(
    typed=TYPED,
    value=st.one_of(WORD, st.sampled_from(["", " ", "-1", "1e3", "9" * 30, "é", "a=b", "(", "0x1", "../x"])),
)
def test_options(typed: tuple[str, str], value: str) -> None:
    command, option = typed
    if value.isdecimal() and option in ("--repeats", "-n", "--port", "--replicas"):
        value = f"-{value}x"
    refused(*EXAMPLES[command], option, value)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    command=st.sampled_from(["attack", "reproduce", "models", "data", ""]), words=st.lists(WORD, min_size=1, max_size=3)
)
def test_commands_and_names(command: str, words: list[str]) -> None:
    refused(*filter(None, [command]), *words)
    refused("eval", f"--{words[0]}-{words[-1]}")


JUNK = st.one_of(
    st.binary(max_size=60).map(lambda content: b"\xff\xfe\x00" + content),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORD, inner, max_size=3)),
        max_leaves=6,
    ).map(lambda content: json.dumps(content).encode()),
    st.sampled_from([b"", b" \n ", b"{", b"[]", b"{}", b"null", b"\x00", b"a: [", b"1,2\n3"]),
)
FILES: dict[str, list[str]] = {
    "labelled.jsonl": ["attack", "detection", "--file", "labelled.jsonl"],
    "corpus.csv": ["attack", "context", "--corpus", "corpus.csv"],
    "coco/annotations/captions_val2014.json": ["eval", "--dataset", "coco", "dataset.root=coco"],
    "mjhq/meta_data.json": ["eval", "--dataset", "mjhq", "dataset.root=mjhq"],
    "emoji/images.zip": ["eval", "dataset.root=emoji"],
    "run/config.yaml": ["eval", "-o", "run"],
    "run/methods.json": ["eval", "-o", "run"],
    "sweep/sweep.json": ["sweep", "-k", "1,2", "-o", "sweep"],
}
WITH = {"emoji/images.zip": {"emoji/captions.csv": b"a"}, "sweep/sweep.json": {"sweep/runs/a/config.yaml": b""}}


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(content=JUNK)
def test_files(name: str, content: bytes) -> None:
    if name == "labelled.jsonl" and not content.strip():
        content = b"{"
    refused(*FILES[name], files={name: content} | WITH.get(name, {}))


@pytest.mark.parametrize("option", ["--prompt-file", "--file", "--corpus", "-o"])
def test_a_folder_or_a_file_in_the_place_of_the_other(option: str) -> None:
    arguments = {"--prompt-file": ["generate"], "--file": ["attack", "detection"], "--corpus": ["attack", "context"]}
    if option == "-o":
        refused("eval", "-o", "file/below", files={"file": b""})
        refused("eval", "-o", "", files={})
        return
    refused(*arguments[option], option, "folder", files={"folder/x": b""})
    refused(*arguments[option], option, "nowhere", files={})


def test_an_ascii_terminal_is_told_what_it_cannot_show(tmp_path: Path) -> None:
    import subprocess

    command = [sys.executable, "-m", "obclip_cli.main", "candidates", "a woman at a café 😀", "--lambda", "0.1"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0 and b"caf\\xe9" in done.stdout, done.stderr
