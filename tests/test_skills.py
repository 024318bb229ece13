"""Skills: folders with a SKILL.md, and the methods that list them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from mcpkit.mcp import McpError
from mcpkit.mcp.skills import PAGE, Skills
from mcpkit.native.errors import DefinitionError
from mcpkit.native.skills import MAX_FILES, Skill, load_skills

LINK: Any = None  # skills are the same for every client


def write(folder: Path, name: str, *, front: str | None = None, **files: str | bytes) -> Path:
    """A skill; names of files with __ for / and _ for ."""
    root = folder / name
    root.mkdir(parents=True)
    front = front or f"name: {name}\ndescription: About {name}"
    (root / "SKILL.md").write_text(f"---\n{front}\n---\n\n# {name}\n", "utf-8")
    for path, content in files.items():
        file = root / path.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def ask(skills: list[Skill], method: str, **params: Any) -> dict[str, Any]:
    served = Skills({skill.uri: skill for skill in skills})
    return asyncio.run(served.methods[method](params, LINK))


def read(skill: Skill, uri: str) -> dict[str, Any]:
    [file] = [file for file in skill.files if file.uri == uri]
    return file.contents().item()


def test_a_skill_and_its_manifest(tmp_path: Path) -> None:
    root = write(
        tmp_path, "pdf-forms", references__GUIDE_md="# Guide", scripts__fill_py=b"print()", logo_png=b"\x89PNG\xff"
    )
    [skill] = load_skills(root)
    listed = ask([skill], "skills/list")
    assert listed == {"skills": [skill.entry()]}
    assert ask([skill], "skills/get", uri=skill.uri) == {"skill": skill.entry()}
    assert skill.uri == "skill://pdf-forms/SKILL.md"
    assert skill.frontmatter == {"name": "pdf-forms", "description": "About pdf-forms"}
    for entry in skill.entry()["resources"]:
        contents = read(skill, entry["uri"])
        raw = contents["text"].encode() if "text" in contents else base64.b64decode(contents["blob"])
        assert entry["size"] == len(raw)
        assert entry["digest"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    kinds = {file.uri.rpartition("/")[2]: file.mime_type for file in skill.files}
    assert kinds["SKILL.md"] == kinds["GUIDE.md"] == "text/markdown"
    assert kinds["logo.png"] == "image/png"
    described = skill.files[0].describe()
    assert (described["name"], described["description"]) == ("pdf-forms", "About pdf-forms")


def test_front_matter_is_rendered_word_for_word(tmp_path: Path) -> None:
    """With the types of YAML 1.2: a date is a string, and so is yes."""
    front = """\
name: typed
description: "Says: everything"
license: Apache-2.0
metadata: {version: "1.0", since: 2026-05-04, ready: yes, sure: true, count: 012, share: 0.5, none: ~}
allowed-tools:
  - read
  - "run: make"
"""
    [skill] = load_skills(write(tmp_path, "typed", front=front))
    assert skill.frontmatter == {
        "name": "typed",
        "description": "Says: everything",
        "license": "Apache-2.0",
        "metadata": {
            "version": "1.0",
            "since": "2026-05-04",
            "ready": "yes",
            "sure": True,
            "count": 12,
            "share": 0.5,
            "none": None,
        },
        "allowed-tools": ["read", "run: make"],
    }


def test_folders_are_listed_level_by_level(tmp_path: Path) -> None:
    skills = load_skills(write(tmp_path, "letters", templates__short__note_md="Dear", templates__long_md="Dear all"))

    def names(uri: str) -> list[tuple[str, str]]:
        children = ask(skills, "resources/directory/read", uri=uri)["resources"]
        return [(child["name"], child["mimeType"]) for child in children]

    assert names("skill://letters") == [("letters", "text/markdown"), ("templates", "inode/directory")]
    assert names("skill://letters/templates") == [("long.md", "text/markdown"), ("short", "inode/directory")]
    assert names("skill://letters/templates/short") == [("note.md", "text/markdown")]
    for other in ("skill://letters/SKILL.md", "skill://letters/", "skill://letter", "file:///etc"):
        with pytest.raises(McpError, match="not a directory") as caught:
            ask(skills, "resources/directory/read", uri=other)
        assert caught.value.code == -32602


def test_nested_skills_are_part_of_the_outer_one_and_skills_themselves(tmp_path: Path) -> None:
    outer = write(tmp_path / "teams", "billing", notes_md="…")
    write(outer, "refunds", examples__mail_md="Dear")
    [first, second] = load_skills(tmp_path / "teams", prefix="acme")
    assert first.uri == "skill://acme/billing/SKILL.md"
    assert second.uri == "skill://acme/billing/refunds/SKILL.md"
    assert {file.uri for file in second.files} < {file.uri for file in first.files}


def test_pages_never_split_a_skill(tmp_path: Path) -> None:
    for number in range(PAGE + 1):
        write(tmp_path, f"skill-{number:03}")
    skills = load_skills(tmp_path)
    first = ask(skills, "skills/list")
    second = ask(skills, "skills/list", cursor=first["nextCursor"])
    assert (len(first["skills"]), len(second["skills"])) == (PAGE, 1)
    assert "nextCursor" not in second
    for wrong in ("1", "-1", "x", "٣", str(2 * PAGE)):
        with pytest.raises(McpError, match="cursor"):
            ask(skills, "skills/list", cursor=wrong)


def test_an_unknown_skill() -> None:
    with pytest.raises(McpError, match="no skill is served at skill://none/") as caught:
        ask([], "skills/get", uri="skill://none/SKILL.md")
    assert caught.value.code == -32602


@pytest.mark.parametrize(
    ("front", "complaint"),
    [
        ("name: other\ndescription: x", "make them equal"),
        ("name: Bad_Name\ndescription: x", "a-z, 0-9 and single hyphens"),
        ("name: bad", "description is missing"),
        ("description: x", "name is None"),
        ("- bad", "has to be a mapping"),
        ("name: [bad", "front matter: "),
        ("name: bad\ndescription: x\nweight: .inf", "make them equal"),
    ],
)
def test_what_is_no_skill_is_refused_where_it_is_registered(tmp_path: Path, front: str, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        load_skills(write(tmp_path, "bad" if "make them equal" not in complaint else "else", front=front))


def test_files_that_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no such folder"):
        load_skills(tmp_path / "none")
    with pytest.raises(DefinitionError, match=r"no SKILL\.md"):
        load_skills(tmp_path)
    root = write(tmp_path / "a", "plain")
    (root / "SKILL.md").write_text("# No front matter", "utf-8")
    with pytest.raises(DefinitionError, match="begin with front matter"):
        load_skills(root)
    root = write(tmp_path / "b", "linked")
    (root / "secret").symlink_to("/etc/passwd")
    with pytest.raises(DefinitionError, match="leads out of the skill's folder"):
        load_skills(root)
    root = write(tmp_path / "c", "many")
    for number in range(MAX_FILES):
        (root / f"{number}.md").touch()
    with pytest.raises(DefinitionError, match=f"need not accept more than {MAX_FILES} files"):
        load_skills(root)
