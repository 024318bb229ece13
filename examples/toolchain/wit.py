"""Reads the part of WIT that plain tools need: one package, interfaces, one world that exports; and the documentation.

Not read, with an error that says so: imports and `use`, resources, streams and futures, nested packages.
The language: https://github.com/WebAssembly/component-model/blob/main/design/mvp/WIT.md
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn

PRIMITIVES = frozenset(("bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"))

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//(?!/)[^\n]*|/\*(?!\*)(?:.|\n)*?\*/)
      | (?P<doc>///[^\n]*|/\*\*(?:.|\n)*?\*/)
      | (?P<version>@?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)
      | (?P<name>%?[A-Za-z][A-Za-z0-9-]*)
      | (?P<number>\d+)
      | (?P<mark>->|[-{}()<>,:;=./_@*])""",
    re.VERBOSE,
)


class WitError(Exception):
    """The text is not WIT, or uses a part that is not read here. The message begins with the line."""


@dataclass
class Type:
    """A type; `kind`: a primitive's name, "name", list, option, tuple, result, record, variant, enum or flags."""

    kind: str
    name: str = ""
    """Of the type that a "name" stands for."""
    args: "list[Type | None]" = field(default_factory=list)
    """Element types in order; None is a `_` of a result or a case without payload."""
    labels: list[str] = field(default_factory=list)
    """Names of fields, cases or flags."""
    docs: dict[str, str] = field(default_factory=dict)
    """Documentation by label."""


@dataclass
class Function:
    """One function."""

    name: str
    params: list[tuple[str, Type]]
    result: Type | None
    docs: str = ""


@dataclass
class Interface:
    """Types and functions; also used for what a world exports at its root."""

    name: str
    docs: str = ""
    types: dict[str, tuple[Type, str]] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)


@dataclass
class World:
    """What the one world of a package exports."""

    name: str
    docs: str
    interfaces: list[Interface]
    root: Interface


@dataclass
class Package:
    """A whole file."""

    name: str
    version: str
    docs: str
    interfaces: dict[str, Interface]
    world: World

    def export_name(self, interface: Interface) -> str:
        """`example:calculator/calculator@1.0.0`."""
        return f"{self.name}/{interface.name}" + (f"@{self.version}" if self.version else "")


def parse(text: str) -> Package:
    """Read a file's text. Raises WitError."""
    return _Parser(text).package()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []
        position, line = 0, 1
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise WitError(f"line {line}: unexpected character {text[position]!r}")
            if match.lastgroup != "skip":
                self.tokens.append((match.lastgroup or "", match[0], line))
            line += match[0].count("\n")
            position = match.end()
        self.tokens.append(("end", "the end of the file", line))
        self.at = 0

    def fail(self, message: str) -> NoReturn:
        raise WitError(f"line {self.tokens[self.at][2]}: {message}")

    def peek(self) -> str:
        return self.tokens[self.at][1]

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def take(self, text: str) -> bool:
        if self.peek() != text:
            return False
        self.at += 1
        return True

    def expect(self, text: str) -> None:
        if not self.take(text):
            self.fail(f"expected {text!r}, found {self.peek()!r}")

    def name(self) -> str:
        if self.tokens[self.at][0] != "name":
            self.fail(f"expected a name, found {self.peek()!r}")
        return self.next().removeprefix("%")

    def docs(self) -> str:
        """Documentation and attributes before an item."""
        lines: list[str] = []
        while True:
            kind, text, _ = self.tokens[self.at]
            if kind == "doc" and text.startswith("///"):
                lines.append(text[3:].strip())
            elif kind == "doc":
                lines += [part.strip().removeprefix("*").strip() for part in text[3:-2].strip().splitlines()]
            elif text == "@":
                self.attribute()
                continue
            else:
                return "\n".join(lines)
            self.at += 1

    def attribute(self) -> None:
        self.expect("@")
        self.name()
        if self.take("("):
            while not self.take(")"):
                if self.tokens[self.at][0] == "end":
                    self.fail("an attribute is not closed")
                self.next()

    def package(self) -> Package:
        docs = self.docs()
        self.expect("package")
        namespace = self.name()
        self.expect(":")
        name = f"{namespace}:{self.name()}"
        version = ""
        if self.tokens[self.at][0] == "version":
            version = self.next().removeprefix("@")
        self.expect(";")
        package = Package(name, version, docs, {}, World("", "", [], Interface("")))
        while self.tokens[self.at][0] != "end":
            docs = self.docs()
            word = self.next()
            if word == "interface":
                interface = Interface(self.name(), docs)
                self.interface_body(interface, package)
                package.interfaces[interface.name] = interface
            elif word == "world" and not package.world.name:
                package.world = World(self.name(), docs, [], Interface(""))
                self.world_body(package)
            else:
                self.at -= 1
                self.fail(f"expected an interface or one world, found {word!r}")
        if not package.world.name:
            self.fail("there is no world, so nothing is exported; add: world tool { export <interface>; }")
        return package

    def interface_body(self, interface: Interface, package: Package) -> None:
        self.expect("{")
        while True:
            docs = self.docs()
            if self.take("}"):
                return
            if not self.type_definition(interface, docs):
                name = self.name()
                self.expect(":")
                interface.functions.append(self.function(name, docs))

    def world_body(self, package: Package) -> None:
        world = package.world
        self.expect("{")
        while True:
            docs = self.docs()
            if self.take("}"):
                return
            if self.peek() in ("import", "include"):
                self.fail(f"{self.peek()} is not supported: these tools import nothing")
            if self.type_definition(world.root, docs):
                continue
            self.expect("export")
            name = self.name()
            if self.take(":"):
                world.root.functions.append(self.function(name, docs))
                continue
            self.expect(";")
            if name not in package.interfaces:
                self.fail(f"the world exports the interface {name!r}, which is not defined above it")
            world.interfaces.append(package.interfaces[name])

    def type_definition(self, interface: Interface, docs: str) -> bool:
        word = self.peek()
        if self.tokens[self.at + 1][1] == ":":
            return False  # a function that bears the name of a keyword
        if word == "type":
            self.next()
            name = self.name()
            self.expect("=")
            body = self.type()
            self.expect(";")
        elif word in ("record", "variant", "enum", "flags"):
            self.next()
            name = self.name()
            body = self.labelled(word)
        elif word in ("use", "resource"):
            self.fail(f"{word} is not supported here")
        else:
            return False
        interface.types[name] = (body, docs)
        return True

    def labelled(self, kind: str) -> Type:
        body = Type(kind)
        self.expect("{")
        while True:
            docs = self.docs()
            if self.take("}"):
                return body
            label = self.name()
            payload: Type | None = None
            if kind == "record":
                self.expect(":")
                payload = self.type()
            elif kind == "variant" and self.take("("):
                payload = self.type()
                self.expect(")")
            body.labels.append(label)
            body.args.append(payload)
            if docs:
                body.docs[label] = docs
            if not self.take(","):
                self.docs()
                self.expect("}")
                return body

    def function(self, name: str, docs: str) -> Function:
        if self.peek() == "async":
            self.fail("async functions are not supported here")
        self.expect("func")
        self.expect("(")
        params: list[tuple[str, Type]] = []
        while not self.take(")"):
            label = self.name()
            self.expect(":")
            params.append((label, self.type()))
            if not self.take(","):
                self.expect(")")
                break
        result = self.type() if self.take("->") else None
        self.expect(";")
        return Function(name, params, result, docs)

    def type(self) -> Type:
        word = self.name()
        if word in PRIMITIVES:
            return Type(word)
        if word in ("list", "option", "tuple"):
            self.expect("<")
            args: list[Type | None] = [self.type()]
            while word == "tuple" and self.take(",") and self.peek() != ">":
                args.append(self.type())
            self.expect(">")
            return Type(word, args=args)
        if word == "result":
            sides: list[Type | None] = [None, None]
            if self.take("<"):
                sides[0] = None if self.take("_") else self.type()
                if self.take(","):
                    sides[1] = self.type()
                self.expect(">")
            return Type("result", args=sides)
        if word in ("stream", "future", "borrow", "own", "map", "error-context"):
            self.fail(f"the type {word} is not supported here")
        return Type("name", name=word)
