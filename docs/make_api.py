"""Write docs/api.md from the docstrings of what `obclip_cli` exports: `python docs/make_api.py`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obclip_cli as obclip

PAGE = Path(__file__).parent / "api.md"
HEAD = """# API

What `import obclip_cli as obclip` offers. Made from the docstrings by `python docs/make_api.py`; for examples see
[python.md](python.md).
"""
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
ITEM = re.compile(r"^ {4}(\S[^:]*): (.*)$")


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name in obclip.__all__:
        if name.startswith("__"):
            continue
        parts.extend(described(f"obclip.{name}", getattr(obclip, name), "##"))
    return "\n".join(parts)


def described(name: str, thing: Any, heading: str) -> Iterator[str]:
    """A function, class, method or property under its heading; a class with all that is public in it."""
    yield f"{heading} `{name}`\n"
    if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
        yield f"```python\n{name.rpartition('.')[2]}{signature(thing)}\n```\n"
    yield prose(inspect.getdoc(thing) or "")
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for member, value in vars(thing).items():
            if member == "__call__" or (not member.startswith("_") and inspect.getdoc(getattr(thing, member))):
                shown = getattr(thing, member) if isinstance(value, classmethod) else value
                if callable(shown) or isinstance(shown, property):
                    yield from described(f"{name}.{member}", shown, "###")


def signature(thing: Any) -> str:
    """Parameters without their modules, one a line where they are many."""
    found = inspect.signature(thing)
    kept = [p for p in found.parameters.values() if p.name != "self"]
    text = re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", str(found.replace(parameters=kept)))
    text = re.sub(r"'(ObCLIP\w+)'", r"\1", text)
    if len(text) < 110:
        return text
    inside, arrow, result = text[1:].rpartition(") -> ")
    return "(\n    " + inside.replace(", ", ",\n    ") + f",\n{arrow}{result}"


def prose(docstring: str) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines, inside = [], False
    for line in docstring.splitlines():
        if section := SECTION.match(line):
            inside = True
            lines.append(f"**{section[1]}**\n")
        elif inside and (item := ITEM.match(line)):
            lines.append(f"* `{item[1]}`: {item[2]}")
        elif inside and line.strip():
            lines.append(f"  {line.strip()}" if lines[-1].startswith(("* ", "  ")) else line.strip())
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
