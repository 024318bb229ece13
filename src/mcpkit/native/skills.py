"""Agent Skills from folders: each is a SKILL.md with front matter, and the files beside and below it."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from mcpkit.native.content import Contents, present
from mcpkit.native.errors import DefinitionError
from mcpkit.native.link import Link

MANIFEST = "SKILL.md"
DIRECTORY = "inode/directory"
MAX_FILES = 512
MAX_BYTES = 16 << 20
"""Of one skill, all files together: what every host accepts (the extension's limits)."""

_NAME = re.compile(r"(?!.*--)[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_FRONT = re.compile(r"\ufeff?---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class SkillFile(msgspec.Struct, frozen=True):
    """One file of a skill, served as a resource."""

    uri: str
    name: str
    mime_type: str
    data: bytes
    digest: str
    description: str | None = None
    title: None = None
    annotations: None = None
    icons: None = None
    meta: None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data)

    def describe(self) -> dict[str, Any]:
        """As a folder's listing shows it."""
        more = present(description=self.description)
        return {"uri": self.uri, "name": self.name, **more, "mimeType": self.mime_type, "size": self.size}

    def contents(self) -> Contents:
        """Text where it is text."""
        try:
            data: str | bytes = self.data.decode()
        except UnicodeDecodeError:
            data = self.data
        return Contents(data, self.uri, self.mime_type)

    async def read(self, link: Link) -> list[dict[str, Any]]:
        """The member of ``contents``."""
        return [self.contents().item()]


class Skill(msgspec.Struct, frozen=True):
    """One skill: its front matter, word for word, and all its files, nested skills' included."""

    uri: str
    """Of its SKILL.md."""
    frontmatter: dict[str, Any]
    files: tuple[SkillFile, ...]

    def entry(self) -> dict[str, Any]:
        """As `skills/list` and `skills/get` show it."""
        resources = [{"uri": file.uri, "digest": file.digest, "size": file.size} for file in self.files]
        return {"uri": self.uri, "frontmatter": self.frontmatter, "resources": resources}

    def folders(self) -> dict[str, list[dict[str, Any]]]:
        """Every folder's URI, and what is directly in it."""
        root = self.uri.removesuffix(f"/{MANIFEST}")
        found: dict[str, dict[str, dict[str, Any]]] = {root: {}}
        for file in self.files:
            *path, _ = file.uri.removeprefix(f"{root}/").split("/")
            here = root
            for part in path:
                there = f"{here}/{part}"
                found[here][there] = {"uri": there, "name": part, "mimeType": DIRECTORY}
                found.setdefault(there, {})
                here = there
            found[here][file.uri] = file.describe()
        return {uri: [children[child] for child in sorted(children)] for uri, children in found.items()}


def load_skills(folder: Path, prefix: str = "") -> list[Skill]:
    """The skills in `folder`: itself if it has a SKILL.md, and every folder below that has one.

    Their URIs are ``skill://PREFIX/PATH/SKILL.md``; PATH begins with the folder's own name if it is a skill itself,
    else below it. Raises DefinitionError for what is no proper skill, or where there is none.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise DefinitionError(f"{folder}: there is no such folder")
    base = root.parent if (root / MANIFEST).is_file() else root
    manifests = sorted(path for path in root.rglob(MANIFEST) if path.is_file())
    if not manifests:
        raise DefinitionError(f"{folder}: there is no {MANIFEST} in it or below it")
    return [_load(manifest, base, prefix.strip("/")) for manifest in manifests]


def _load(manifest: Path, base: Path, prefix: str) -> Skill:
    frontmatter = _frontmatter(manifest)
    name = frontmatter.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{manifest}: name is {name!r}; it has 1 to 64 of a-z, 0-9 and single hyphens between them"
        )
    if name != manifest.parent.name:
        raise DefinitionError(
            f"{manifest}: name is {name!r}, but the folder is {manifest.parent.name!r}: make them equal"
        )
    if not isinstance(frontmatter.get("description"), str) or not frontmatter["description"]:
        raise DefinitionError(f"{manifest}: description is missing: say in it what the skill does and when to use it")

    files = []
    for path in _files(manifest.parent):
        uri = _uri(path.relative_to(base), prefix)
        data = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if path == manifest:
            files.append(SkillFile(uri, name, "text/markdown", data, digest, frontmatter["description"]))
        else:
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            files.append(SkillFile(uri, path.name, kind, data, digest))
    size = sum(file.size for file in files)
    if len(files) > MAX_FILES or size > MAX_BYTES:
        raise DefinitionError(
            f"{manifest.parent}: {len(files)} files of {size} bytes; "
            f"hosts need not accept more than {MAX_FILES} files of {MAX_BYTES} bytes"
        )
    return Skill(_uri(manifest.relative_to(base), prefix), frontmatter, tuple(files))


def _files(folder: Path) -> Iterator[Path]:
    """All files below, in the order of their names. Links must not lead out of the folder."""
    for path in sorted(folder.rglob("*")):
        if not path.resolve().is_relative_to(folder):
            raise DefinitionError(f"{path}: leads out of the skill's folder; put a copy in its place")
        if path.is_file():
            yield path


def _uri(path: Path, prefix: str) -> str:
    return f"skill://{prefix + '/' if prefix else ''}{quote(path.as_posix())}"


def _frontmatter(manifest: Path) -> dict[str, Any]:
    try:
        text = manifest.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{manifest}: is not UTF-8: {error}") from None
    front = _FRONT.match(text)
    if front is None:
        raise DefinitionError(f"{manifest}: has to begin with front matter: a line ---, YAML, and a line ---")
    return _yaml(front[1], manifest)


def _yaml(text: str, where: Path) -> dict[str, Any]:
    """A mapping, with the types of YAML 1.2's core schema: dates and `yes` stay the words that they are."""
    import yaml

    class Core(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 -- the loader's way

    for tag, pattern, first in (
        ("null", r"null|Null|NULL|~|", [*"nN~", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
        ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    ):
        Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), first)
    Core.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(str(node.value)))
    try:
        read = yaml.load(text, Core)  # noqa: S506 -- a safe loader with fewer types
    except yaml.YAMLError as error:
        raise DefinitionError(f"{where}: front matter: {error}") from None
    if not isinstance(read, dict):
        raise DefinitionError(f"{where}: front matter has to be a mapping")
    try:
        msgspec.json.encode(read)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{where}: front matter has no JSON form: {error}") from None
    return read
