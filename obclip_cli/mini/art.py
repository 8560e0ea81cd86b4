"""Build the training set of the embedded pair from openly licensed emoji art.

The art comes from five npm packages (`PACKAGES`, versions pinned), fetched by `npm install`.
Every picture becomes 64x64 RGB on white. `art.npz` holds them all (42 MB) with a table that describes one
picture a row: style, label (Unicode CLDR), category and, for single people, role, gender, age and skin tone.

A *combination* (role, gender, age, tone, style) of people in a stated skin tone is held out of all
training when its hash says so (10 %, `is_held_out`): the held-out people are the reference set of
every FID and the test of whether attributes compose.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.progress import track

SIZE = 64
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
STYLES = {"noto": "Noto", "twemoji": "Twemoji", "fluent-3d": "Fluent 3D", "fluent-flat": "Fluent flat"}
PACKAGES = {
    "emoji-datasource-google": "16.0.0",
    "emoji-datasource-twitter": "16.0.0",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "@iconify-json/fluent-emoji-flat": "1.2.6",
    "emojibase-data": "17.0.0",
}
HELD_OUT_SHARE = 0.10
# Fluent 3D's package has the files of these two tones the wrong way round, for hands and single people;
# groups and technologists are named rightly, and its toned mountain bikers are in no order at all.
SWAPPED_TONES = {"medium-light": "medium", "medium": "medium-light"}
NAMED_RIGHTLY = "technologist"

# How CLDR names a person: (pattern of the label, gender, age).
PERSON_NOUNS = (
    (r"old man", "male", "old"),
    (r"old woman", "female", "old"),
    (r"older person", "", "old"),
    (r"boy", "male", "child"),
    (r"girl", "female", "child"),
    (r"child|baby", "", "child"),
    (r"man", "male", "adult"),
    (r"woman", "female", "adult"),
    (r"person", "", "adult"),
)
GENDERED_ROLES = {
    "prince": "male",
    "princess": "female",
    "merman": "male",
    "mermaid": "female",
    "santa claus": "male",
    "mrs. claus": "female",
    "ballet dancer": "",
}
GROUP_WORDS = re.compile(r"\b(people|men|women|kiss|couple|handshake|family|woman and man)\b")
HAND_SUBGROUP_LIMIT = 22  # emojibase subgroups below this hold hands and body parts


@dataclass(frozen=True)
class Art:
    """One picture's labels; empty strings where the art does not say.

    `kind` tells how the role joins the noun: "noun" (woman firefighter), "after" (woman running),
    "with" (woman with red hair), "before" (deaf woman) or "plain" (the label as it is).
    """

    hexcode: str
    style: str
    label: str
    category: str  # person, body, group or other
    role: str = ""
    kind: str = "plain"
    gender: str = ""
    age: str = ""
    tone: str = ""

    @property
    def combination(self) -> str:
        """The key by which people are held out."""
        return "|".join((self.role, self.gender, self.age, self.tone, self.style))


def is_held_out(art: Art) -> bool:
    """Whether this combination, its tone as the file is named, is kept out of all training (toned people only)."""
    if art.category != "person" or not art.tone:
        return False
    digest = hashlib.sha256(art.combination.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def person_labels(label: str) -> dict[str, str] | None:
    """Read role, kind, gender and age out of a CLDR label without its skin tone; None: no single person."""
    label = label.lower()
    if GROUP_WORDS.search(label):
        return None
    if label in GENDERED_ROLES:
        return {"role": label, "kind": "noun", "gender": GENDERED_ROLES[label], "age": "adult"}
    for pattern, gender, age in PERSON_NOUNS:
        if found := re.fullmatch(rf"(deaf|pregnant) ({pattern})", label):
            return {"role": found[1], "kind": "before", "gender": gender, "age": age}
        if found := re.fullmatch(rf"({pattern})\b(.*)", label):
            rest = found[2].strip()
            if rest.startswith(": "):
                return {"role": rest[2:], "kind": "with", "gender": gender, "age": age}
            rest = rest.replace(": ", " ")
            return {"role": rest, "kind": _kind_of(rest), "gender": gender, "age": age}
    return {"role": label, "kind": _kind_of(label), "gender": "", "age": "adult"}


def _kind_of(rest: str) -> str:
    """Whether what follows "woman" is a role of its own (firefighter) or what she does (running)."""
    words = rest.split()
    does_something = any(word.endswith("ing") for word in words)
    return "after" if not words or does_something or words[0] in {"in", "with"} else "noun"


def fetch_packages(folder: Path) -> Path:
    """Install the pinned npm packages into `folder`; return its node_modules.

    Raises:
        RuntimeError: npm is missing or could not install them.
    """
    modules = folder / "node_modules"
    if all((modules / name / "package.json").exists() for name in PACKAGES):
        return modules
    if shutil.which("npm") is None:
        raise RuntimeError("npm is needed to fetch the emoji art: install Node.js, or use the weights in the package")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", *wanted]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install the emoji art: {done.stderr.strip().splitlines()[-1]}")
    return modules


def catalogue(modules: Path) -> list[Art]:
    """Every emoji and skin-tone variant of emojibase, without a style."""
    entries = json.loads((modules / "emojibase-data/en/data.json").read_text())
    return [_labelled(entry, variant) for entry in entries for variant in (entry, *entry.get("skins", ()))]


def _labelled(entry: dict, variant: dict) -> Art:
    hexcode, label, tone = variant["hexcode"].lower(), entry["label"].lower(), variant.get("tone")
    if not entry.get("skins") or entry.get("group") != 1:
        return Art(hexcode, "", variant["label"].lower(), "other")
    if isinstance(tone, list):
        return Art(hexcode, "", variant["label"].lower(), "group")
    tone_name = TONES[tone - 1] if tone else ""
    if entry["subgroup"] <= HAND_SUBGROUP_LIMIT:
        return Art(hexcode, "", label, "body", tone=tone_name)
    labels = person_labels(label)
    if labels is None:
        return Art(hexcode, "", label, "group", tone=tone_name)
    return Art(hexcode, "", label, "person", tone=tone_name, **labels)


def on_white(image: Image.Image) -> Image.Image:
    """Composite on white and bring to 64x64 RGB."""
    image = image.convert("RGBA")
    if image.size != (SIZE, SIZE):
        image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def read_styles(modules: Path, entries: list[Art]) -> Iterator[tuple[Art, Image.Image]]:
    """All pictures that exist, style by style."""
    by_code = {art.hexcode.replace("-fe0f", ""): art for art in entries}
    folders = {
        "noto": modules / "emoji-datasource-google/img/google/64",
        "twemoji": modules / "emoji-datasource-twitter/img/twitter/64",
        "fluent-3d": modules / "@lobehub/fluent-emoji-3d/assets",
    }
    for style, folder in folders.items():
        for path in sorted(folder.iterdir()):
            if art := by_code.get(path.stem.replace("-fe0f", "")):
                yield replace(art, style=style), on_white(Image.open(path))
    yield from _read_flat(modules / "@iconify-json/fluent-emoji-flat", by_code)


def _read_flat(folder: Path, by_code: dict[str, Art]) -> Iterator[tuple[Art, Image.Image]]:
    import cairosvg  # needs the cairo system library, which only this script uses

    icons = json.loads((folder / "icons.json").read_text())
    names = json.loads((folder / "chars.json").read_text())
    for code, name in sorted(names.items()):
        art = by_code.get(code.replace("-fe0f", ""))
        icon = icons["icons"].get(name)
        if art is None or icon is None:
            continue
        width, height = icon.get("width", icons["width"]), icon.get("height", icons["height"])
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
        png = cairosvg.svg2png(svg.encode(), output_width=SIZE, output_height=SIZE)
        yield replace(art, style="fluent-flat"), on_white(Image.open(io.BytesIO(png)))


def as_drawn(art: Art) -> Art | None:
    """The picture's labels with the tone that it shows, where its file is named for another; None: unusable."""
    if art.style != "fluent-3d" or art.category not in ("person", "body") or NAMED_RIGHTLY in art.label:
        return art
    if art.label == "person mountain biking" and art.tone:
        return None
    return replace(art, tone=SWAPPED_TONES.get(art.tone, art.tone))


def build(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The table, one row a picture, and the pictures (n, 64, 64, 3) uint8; both are kept in `folder/art.npz`.

    A finished build is read back, not made again: that one file is all the data that training needs.
    """
    path = folder / "art.npz"
    if path.exists():
        stored = np.load(path)
        return read_table(io.StringIO(str(stored["table"]))), stored["images"]
    modules = fetch_packages(folder / "npm")
    arts, images, seen = [], [], set()
    for art, image in track(read_styles(modules, catalogue(modules)), "emoji art"):
        if (art.style, art.hexcode) in seen:
            continue
        seen.add((art.style, art.hexcode))
        if (drawn := as_drawn(art)) is not None:
            arts.append(asdict(drawn) | {"held_out": is_held_out(art)})
            images.append(np.asarray(image))
    np.savez_compressed(path, images=np.stack(images), table=pd.DataFrame(arts).to_csv(index=False))
    return build(folder)


def arts_of(table: pd.DataFrame) -> list[Art]:
    """The labels of every row of the table."""
    return [Art(**{str(k): v for k, v in row.items() if k != "held_out"}) for row in table.to_dict("records")]


def read_table(source: Path | io.StringIO) -> pd.DataFrame:
    """Read a table of art, empty labels as empty strings."""
    return pd.read_csv(source, keep_default_na=False, dtype={"hexcode": str})
