"""Makes a component of a core module and its WIT: the last step of building a tool in C, without a Rust toolchain.

The core module follows the canonical ABI's naming: a function `f` of the interface `a:b/c@1.0.0` is the export
`a:b/c@1.0.0#f` (at the world's root: `f`), its clean-up, where it has one, `cabi_post_…`; `memory` and `cabi_realloc`
are there when a string or list passes. The component around it is written as text, turned into binary by wasmtime's own
converter, and the module put in its place. Documentation goes into the custom section `package-docs`.
"""

import json
from collections.abc import Iterator

from toolchain.wit import PRIMITIVES, Function, Interface, Package, Type

_COMPONENT = b"\0asm\x0d\0\x01\0"
_EMPTY_MODULE = b"\0asm\x01\0\0\0"
_SECTION_CUSTOM, _SECTION_CORE_MODULE = 0, 1
_CORE_SECTION_IMPORT, _CORE_SECTION_EXPORT = 2, 7
_DOCS_VERSION = b"\x01"


class ComponentError(Exception):
    """The module does not fit the WIT."""


def componentize(module: bytes, package: Package) -> bytes:
    """The component of `module` as `package`'s world. Raises ComponentError; the result is checked by compiling it."""
    import wasmtime
    from wasmtime import component as wasmtime_component

    text = component_text(package, core_exports(module))
    parts = [_COMPONENT]
    for number, body in _sections(bytes(wasmtime.wat2wasm(text))):
        if number == _SECTION_CORE_MODULE and body == _EMPTY_MODULE:
            parts.append(_section(number, module))
        elif number != _SECTION_CUSTOM:
            parts.append(_section(number, body))
    documentation = package_docs(package)
    if documentation:
        payload = _DOCS_VERSION + json.dumps(documentation, separators=(",", ":"), ensure_ascii=False).encode()
        parts.append(_section(_SECTION_CUSTOM, _leb(len(b"package-docs")) + b"package-docs" + payload))
    binary = b"".join(parts)
    try:
        wasmtime_component.Component(wasmtime.Engine(), binary)
    except wasmtime.WasmtimeError as error:
        raise ComponentError(f"the module does not fit the WIT: {error}\n{text}") from error
    return binary


def component_text(package: Package, exports: set[str]) -> str:
    """The component in the text format, around an empty module. `exports` are the real module's."""
    lines = ["(component", "  (core module)", "  (core instance $core (instantiate 0))"]
    if "memory" in exports:
        lines.append('  (alias core export $core "memory" (core memory $memory))')
    if "cabi_realloc" in exports:
        lines.append('  (alias core export $core "cabi_realloc" (core func $realloc))')
    for number, interface in enumerate(package.world.interfaces):
        name = package.export_name(interface)
        lines += _definitions(interface, f"{number}", f"{name}#", exports)
        lines.append(f"  (instance $instance{number}")
        lines += [f'    (export "{label}" (type ${label}{number}))' for label in interface.types]
        lines += [f'    (export "{f.name}" (func ${f.name}.{number}))' for f in interface.functions]
        lines += ["  )", f'  (export "{name}" (instance $instance{number}))']
    root = package.world.root
    lines += _definitions(root, "", "", exports)
    lines += [f'  (export "{label}" (type ${label}))' for label in root.types]
    lines += [f'  (export "{f.name}" (func ${f.name}.))' for f in root.functions]
    return "\n".join([*lines, ")", ""])


def package_docs(package: Package) -> dict[str, object]:
    """The documentation in the shape that WIT tools write and read; empty where nothing is documented."""

    def functions(interface: Interface) -> dict[str, object]:
        return {f.name: {"docs": f.docs} for f in interface.functions if f.docs}

    def types(interface: Interface) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, (body, docs) in interface.types.items():
            entry: dict[str, object] = {"docs": docs} if docs else {}
            if body.docs:
                entry["items"] = body.docs
            if entry:
                found[name] = entry
        return found

    def filled(**parts: object) -> dict[str, object]:
        return {key.rstrip("_"): value for key, value in parts.items() if value}

    world = package.world
    interfaces = {
        interface.name: entry
        for interface in package.interfaces.values()
        if (entry := filled(docs=interface.docs, funcs=functions(interface), types=types(interface)))
    }
    at_root = filled(docs=world.docs, types=types(world.root), func_exports=functions(world.root))
    found = filled(docs=package.docs, worlds={world.name: at_root} if at_root else None, interfaces=interfaces)
    # Without the package's name a reader would look for the interfaces in the component's own, unnamed package.
    name = f"{package.name}@{package.version}" if package.version else package.name
    return {"package": name, **found} if found else {}


def core_exports(module: bytes) -> set[str]:
    """The names a core module exports. Raises ComponentError where it is none, or imports anything."""
    if module[:8] != _EMPTY_MODULE:
        raise ComponentError("this is not a core WebAssembly module")
    names: set[str] = set()
    for number, body in _sections(module):
        if number == _CORE_SECTION_IMPORT and body[:1] != b"\0":
            raise ComponentError("the module imports functions, and nobody would provide them: build it freestanding")
        if number == _CORE_SECTION_EXPORT:
            count, at = _read_leb(body, 0)
            for _ in range(count):
                size, at = _read_leb(body, at)
                names.add(body[at : at + size].decode())
                _, at = _read_leb(body, at + size + 1)
    return names


def _definitions(interface: Interface, suffix: str, prefix: str, exports: set[str]) -> Iterator[str]:
    for label, (body, _) in interface.types.items():
        yield f"  (type ${label}{suffix} {_body(body, suffix)})"
    for function in interface.functions:
        core = prefix + function.name
        if core not in exports:
            raise ComponentError(f"the module has no export {core!r} for the function {function.name!r}")
        options = "".join(
            f" {text}"
            for name, text in (("memory", "(memory $memory)"), ("cabi_realloc", "(realloc $realloc)"))
            if name in exports and _passes_memory(function, interface)
        )
        if (post := f"cabi_post_{core}") in exports:
            options += f' (post-return (core func $core "{post}"))'
        yield f"  (func ${function.name}.{suffix}"
        for label, kind in function.params:
            yield f'    (param "{label}" {_reference(kind, suffix)})'
        if function.result is not None:
            yield f"    (result {_reference(function.result, suffix)})"
        yield f'    (canon lift (core func $core "{core}"){options}))'


def _reference(kind: Type | None, suffix: str) -> str:
    assert kind is not None
    if kind.kind == "name":
        return f"${kind.name}{suffix}"
    return kind.kind if kind.kind in PRIMITIVES else _body(kind, suffix)


def _body(kind: Type, suffix: str) -> str:
    if kind.kind == "name" or kind.kind in PRIMITIVES:
        return _reference(kind, suffix)
    if kind.kind == "result":
        ok, err = kind.args
        sides = f" {_reference(ok, suffix)}" if ok else ""
        return f"(result{sides} (error {_reference(err, suffix)}))" if err else f"(result{sides})"
    if kind.kind == "record":
        fields = (f'(field "{n}" {_reference(t, suffix)})' for n, t in zip(kind.labels, kind.args, strict=True))
        return f"(record {' '.join(fields)})"
    if kind.kind == "variant":
        cases = (
            f'(case "{n}" {_reference(t, suffix)})' if t else f'(case "{n}")'
            for n, t in zip(kind.labels, kind.args, strict=True)
        )
        return f"(variant {' '.join(cases)})"
    if kind.kind in ("enum", "flags"):
        return f"({kind.kind} {' '.join(json.dumps(label) for label in kind.labels)})"
    return f"({kind.kind} {' '.join(_reference(t, suffix) for t in kind.args)})"


_MAX_FLAT_PARAMS, _MAX_FLAT_RESULTS = 16, 1


def _passes_memory(function: Function, interface: Interface) -> bool:
    """Whether a value of the call lies in memory, so that the options are needed (and allowed without being unused)."""
    params = [kind for _, kind in function.params]
    results = [function.result] if function.result else []
    return (
        any(_has_pointer(kind, interface) for kind in params + results)
        or sum(_flat(kind, interface) for kind in params) > _MAX_FLAT_PARAMS
        or sum(_flat(kind, interface) for kind in results) > _MAX_FLAT_RESULTS
    )


def _resolve(kind: Type, interface: Interface) -> Type:
    while kind.kind == "name":
        if kind.name not in interface.types:
            raise ComponentError(f"the type {kind.name!r} is not defined in {interface.name or 'the world'}")
        kind = interface.types[kind.name][0]
    return kind


def _has_pointer(kind: Type, interface: Interface) -> bool:
    kind = _resolve(kind, interface)
    return kind.kind in ("string", "list") or any(_has_pointer(arg, interface) for arg in kind.args if arg)


def _flat(kind: Type, interface: Interface) -> int:
    """How many core values a value becomes when it is not in memory."""
    kind = _resolve(kind, interface)
    inner = [_flat(arg, interface) for arg in kind.args if arg]
    if kind.kind in ("record", "tuple"):
        return sum(inner)
    if kind.kind in ("variant", "option", "result"):
        return 1 + max(inner, default=0)
    if kind.kind == "flags":
        return (len(kind.labels) + 31) // 32
    return 2 if kind.kind in ("string", "list") else 1


def _sections(binary: bytes) -> Iterator[tuple[int, bytes]]:
    at = 8
    while at < len(binary):
        number = binary[at]
        size, at = _read_leb(binary, at + 1)
        yield number, binary[at : at + size]
        at += size


def _section(number: int, body: bytes) -> bytes:
    return bytes([number]) + _leb(len(body)) + body


def _leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_leb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
