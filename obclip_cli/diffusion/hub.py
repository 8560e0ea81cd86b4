"""Where a model's files are on this machine, what is missing of them, and how they come from the Hugging Face hub.

Nothing heavy is imported before it is needed, so that `obclip models list` answers at once.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from obclip_cli.config import ModelConfig
from obclip_cli.diffusion.files import (
    APART,
    CHECKPOINTS,
    MODEL_CONFIG,
    PIPELINE_INDEX,
    UNUSED,
    conversion,
    lack_of_weights,
    loaded_files,
    missing_parts,
    named,
    single_file,
    weight_file,
    weights_to_take,
)
from obclip_cli.errors import UserError
from obclip_cli.resources import package_folder

PATIENCE = 10.0  # seconds after which a hub that does not answer counts as out of reach
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Copy:
    """A model's files on this machine.

    Attributes:
        source: `package:NAME`, a folder or a hub id, as configured.
        kind: package, folder or hub cache.
        folder: where they are; None where there is nothing yet.
        missing: parts that are not there, and why where that is known; empty for a whole copy.
        key: path, unet or vae, the setting that names it.
        files: patterns of the files that are loaded, in the hub's repository.
    """

    key: str
    source: str
    kind: str
    folder: Path | None
    missing: tuple[str, ...]
    files: tuple[str, ...] = ()

    @property
    def revision(self) -> str | None:
        """The commit of the hub repository; None for a local folder."""
        inside = self.folder is not None and self.folder.parent.name == "snapshots"
        return self.folder.name if inside and self.folder else None


def copies(model: ModelConfig) -> list[Copy]:
    """The pipeline's copy and, where UNet or autoencoder are kept apart, those of theirs."""
    apart = [key for key in APART if getattr(model, key) is not None]
    kind, folder = _find(model.path, model.revision, PIPELINE_INDEX)
    if folder is not None:
        missing = missing_parts(folder, apart, variant=_asked_for(kind, model))
    else:
        parts = [part for part in PARTS if part not in apart]
        missing = [PIPELINE_INDEX, *(parts if kind == "hub cache" else [])]
    found = [Copy("path", model.path, kind, folder, tuple(missing), loaded_files(model.variant, apart))]
    for key in apart:
        source, variant = getattr(model, key), model.variant if key == "unet" else None
        kind, folder = _find(source, getattr(model, f"{key}_revision"), MODEL_CONFIG)
        lack = "" if folder is None else lack_of_weights(folder, variant if kind == "hub cache" else None)
        lacks = () if lack is None else (named(key, lack),)
        found.append(Copy(key, source, kind, folder, lacks, (MODEL_CONFIG, weight_file(variant))))
    return found


def folders(model: ModelConfig) -> dict[str, Path]:
    """The pipeline's folder as `path` and, where they are kept apart, `unet` and `vae`; what is missing is downloaded.

    Only what no model can do without is: a cloud needs no autoencoder, and a device without one is refused later.

    Raises:
        UserError: a model is not here and cannot be fetched, or its folder is not whole.
    """
    found = copies(model)
    for copy in found:
        check_form(copy)
        if copy.kind == "folder" and needed(copy):
            raise UserError(f"not whole: {in_words([copy])}; name a whole folder in diffusers' format, or a hub id")
    if any(copy.kind == "hub cache" and needed(copy) for copy in found):
        _fetch_missing(model)
        found = copies(model)
    return {copy.key: copy.folder for copy in found if copy.folder is not None}


def needed(copy: Copy) -> list[str]:
    """What a copy lacks, but for the pipeline's own autoencoder."""
    return [part for part in copy.missing if copy.key != "path" or part.partition(":")[0] != "vae"]


def check_form(copy: Copy) -> None:
    """Refuse a path that is no folder in diffusers' format.

    Raises:
        UserError: says what is there, and what to type.
    """
    if copy.folder is not None or copy.kind == "hub cache":
        return
    if copy.kind == "package":
        raise UserError(f"{copy.source} is not in this installation; run `make mini` in a clone, or take another pair")
    path = Path(copy.source)
    if (path / MODEL_CONFIG).is_file():
        raise UserError(f"{path} is one part of a model, without {PIPELINE_INDEX}; name the folder around it")
    if file := single_file(path):
        raise UserError(f"{file} is a checkpoint of one file; convert it with {conversion(file)}, then name DIR")
    marker = PIPELINE_INDEX if copy.key == "path" else MODEL_CONFIG
    raise UserError(f"no model folder at {path} ({marker} is missing); give a folder in diffusers' format or a hub id")


def _fetch_missing(model: ModelConfig) -> None:
    try:
        ask_hub(model)
    except ConnectionError as error:
        lacking = [copy for copy in copies(model) if copy.missing]
        raise UserError(f"{how_to_get(lacking, str(error))}, then name DIR1 in place of the hub id") from error
    fetch(model)


def how_to_get(lacking: list[Copy], out_of_reach: str) -> str:
    """What is missing of copies, why, and where to take it from; DIR1, DIR2, ... stand for folders of theirs."""
    from_hub = [copy for copy in lacking if copy.kind == "hub cache"]
    commands = []
    for place, copy in enumerate(from_hub, 1):
        included = " ".join(f"--include '{pattern}'" for pattern in copy.files)
        commands.append(f"`hf download {copy.source} {included} --local-dir DIR{place}`")
    because = f"the hub is out of reach ({out_of_reach}); where it is not, run" if out_of_reach else "run"
    return f"not on this machine: {in_words(lacking)}; {because} {' and '.join(commands)}"


def in_words(lacking: list[Copy]) -> str:
    """Names of copies, and what each lacks."""
    return "; ".join(f"{copy.source} ({', '.join(copy.missing)})" for copy in lacking)


def is_hub_id(path: str) -> bool:
    """Whether a path is an OWNER/NAME of the hub, which folders and files of that name go before."""
    return HUB_ID.fullmatch(path) is not None and not path.endswith(CHECKPOINTS) and not Path(path).exists()


def fetch(model: ModelConfig) -> None:
    """Download the files of a hub model that are loaded; an interrupted download resumes.

    Raises:
        UserError: the download failed.
    """
    from diffusers import DiffusionPipeline
    from huggingface_hub import snapshot_download

    try:
        for copy in copies(model):
            revision = getattr(model, "revision" if copy.key == "path" else f"{copy.key}_revision")
            if not is_hub_id(copy.source):
                continue
            if copy.key != "path":
                snapshot_download(copy.source, revision=revision, allow_patterns=list(copy.files))
                continue
            unwanted = dict.fromkeys([*UNUSED, *(key for key in APART if getattr(model, key) is not None)])
            DiffusionPipeline.download(copy.source, revision=revision, variant=model.variant, **unwanted)
            if missing := [part.partition(":")[0] for part in copies(model)[0].missing]:
                _fetch_weights(copy.source, revision, missing, model.variant)
    except Exception as error:
        raise UserError(
            f"the download of {model.path} stopped ({reason(error)}); type the same command again, "
            "and it goes on where it stopped"
        ) from error


def _fetch_weights(repository: str, revision: str | None, parts: list[str], variant: str | None) -> None:
    """What diffusers leaves out: parts that are there in another format than the rest, or in a variant alone."""
    from huggingface_hub import HfApi, snapshot_download

    listed = [name.rpartition("/") for name in HfApi().list_repo_files(repository, revision=revision)]
    inside = {part: [name for folder, _, name in listed if folder == part] for part in parts}
    wanted = [f"{part}/{name}" for part, names in inside.items() for name in weights_to_take(names, variant)]
    wanted += [f"{part}/{name}" for part, names in inside.items() for name in names if name.endswith(".index.json")]
    if wanted:
        snapshot_download(repository, revision=revision, allow_patterns=wanted)


def ask_hub(model: ModelConfig) -> None:
    """Ask the hub for a model; diffusers itself would wait for ever for a hub that does not answer.

    Raises:
        UserError: there is no such repository or revision.
        ConnectionError: the hub is out of reach.
    """
    apart = ((getattr(model, key), getattr(model, f"{key}_revision")) for key in APART)
    for repository, revision in ((model.path, model.revision), *apart):
        if repository is not None and is_hub_id(repository):
            _ask_for(repository, revision)


def _ask_for(repository: str, revision: str | None) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().model_info(repository, revision=revision, timeout=PATIENCE)
    except GatedRepoError as error:
        raise UserError(
            f"{repository} asks for consent to its licence; give it on the model's page, then run `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{repository} has no revision {revision}; give a commit or null") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"the hub shows no model {repository}; check the name, or run `hf auth login`") from error
    except Exception as error:
        raise ConnectionError(reason(error)) from error


def reason(error: BaseException) -> str:
    """The first line of an error, or of the one behind it."""
    error = error.__cause__ or error
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _find(path: str, revision: str | None, marker: str) -> tuple[str, Path | None]:
    """The kind of place, and the folder there if it holds the file `marker`."""
    if path.startswith("package:"):
        kind, folder = "package", package_folder() / path.removeprefix("package:")
    elif not is_hub_id(path):
        kind, folder = "folder", Path(path)
    else:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(path, marker, revision=revision)
        return "hub cache", Path(cached).parent if isinstance(cached, str) else None
    return kind, folder if (folder / marker).is_file() else None


def _asked_for(kind: str, model: ModelConfig) -> str | None:
    """The variant that a download must have brought; from other folders whatever there is is loaded."""
    return model.variant if kind == "hub cache" else None
