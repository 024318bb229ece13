"""``policy``: what tools may be used, and what they may reach. See docs/policy.md for what each rule means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from mcpkit.config import units
from mcpkit.config.convert import Check, Quantity
from mcpkit.config.hosts import HostError, parse_host
from mcpkit.config.section import ComputeUnits, Count, Duration, Place, Section, Size, Text, Where

Version = Annotated[str, Check(lambda text: text == "1" or text.startswith("1."), 'must be "1" or start with "1."')]

Access = Literal["read", "write", "create", "delete", "execute"]
ACCESSES: tuple[Access, ...] = ("read", "write", "create", "delete", "execute")
Operation = Literal["read", "list", "subscribe", "write"]
OPERATIONS: tuple[Operation, ...] = ("read", "list", "subscribe", "write")
Protocol = Literal["tcp", "udp", "http", "https"]

_PORT = r"[0-9]{1,5}"
_PORTS = re.compile(rf"({_PORT})(?:-({_PORT}))?")
_HOST = re.compile(r"\*|(?:\*\.)?[^\s*/?#@:\[\]]+|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")


def ports_of(text: str) -> tuple[int, int] | None:
    """First and last port of ``443`` or ``8000-8100``; None for anything else."""
    match = _PORTS.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if 1 <= first <= last <= 65535 else None


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


Ports = Annotated[
    str, Check(lambda text: ports_of(text) is not None, "must be a port or a range of them, such as 443 or 8000-8100")
]
Host = Annotated[
    str,
    Check(
        lambda text: _HOST.fullmatch(text) is not None,
        "must be a host's name, *.DOMAIN, * or an IP address, without scheme, port and path",
    ),
]
Cidr = Annotated[
    str, Check(_is_network, "must be a network such as 10.0.0.0/8 or fd00::/8, with no bits set after the prefix")
]


class Rule(Section, frozen=True, kw_only=True):
    """An entry of ``allow`` or ``deny``."""

    place: Where = Place()
    """Where the file has it."""


class Rules(Section, frozen=True, kw_only=True):
    """A section of rules. A list of rules alone is what is allowed."""

    LIST_KEY: ClassVar[str] = "allow"


class StorageRule(Rule, frozen=True, kw_only=True):
    """Paths of this machine."""

    SCALAR_KEY: ClassVar[str] = "uri"

    uri: Text
    """``fs://`` and a path, or a path alone; relative to the file's folder. * and ? stay in one folder, ** does not."""
    access: tuple[Access, ...] | None = None
    """None: reading, where the rule allows; everything, where it denies."""


class StorageRules(Rules, frozen=True, kw_only=True):
    """What guests may do with files."""

    allow: tuple[StorageRule, ...] = ()
    deny: tuple[StorageRule, ...] = ()


class NetworkRule(Rule, frozen=True, kw_only=True):
    """Hosts or addresses."""

    SCALAR_KEY: ClassVar[str] = "host"

    host: Host | None = None
    cidr: Cidr | None = None
    ports: tuple[Ports, ...] = ()
    """None: every port."""
    protocols: tuple[Protocol, ...] = ()
    """None: every protocol. tcp is http and https too."""


class NetworkRules(Rules, frozen=True, kw_only=True):
    """What guests may connect to."""

    allow: tuple[NetworkRule, ...] = ()
    deny: tuple[NetworkRule, ...] = ()


class EnvironmentRule(Rule, frozen=True, kw_only=True):
    """Variables; * and ? stand for any text and any character."""

    SCALAR_KEY: ClassVar[str] = "key"

    key: Text


class EnvironmentRules(Rules, frozen=True, kw_only=True):
    """Which of the host's variables guests see."""

    allow: tuple[EnvironmentRule, ...] = ()
    deny: tuple[EnvironmentRule, ...] = ()


class PolicyLimits(Section, frozen=True, kw_only=True):
    """Limits of one call. They tighten those of ``runtime``, and no flag loosens them."""

    NOT_YET: ClassVar[dict[str, str]] = {"memory_limit": "is called memory now; write memory"}

    cpu: Annotated[int, Quantity(units.millicores, allow_number=True)] | None = None
    memory: Size | None = None
    execution_time: Duration | None = None
    fuel: ComputeUnits | None = None
    place: Where = Place()


class Resources(Section, frozen=True, kw_only=True):
    """What one call may use."""

    limits: PolicyLimits = PolicyLimits()


class Core(Section, frozen=True, kw_only=True):
    """What guests may reach. A section that is not there allows nothing."""

    storage: StorageRules = StorageRules()
    network: NetworkRules = NetworkRules()
    environment: EnvironmentRules = EnvironmentRules()
    resources: Resources = Resources()


class ToolRule(Rule, frozen=True, kw_only=True):
    """Tools that may be used, and how."""

    SCALAR_KEY: ClassVar[str] = "name"
    NOT_YET: ClassVar[dict[str, str]] = {
        "require_confirmation": "mcpkit asks nobody before a call, clients do; remove the key",
    }

    name: Text
    """``module/tool``, or without a slash the tool's own name; * and ? stand for any text and any character."""
    max_calls_per_minute: Count | None = None
    max_calls_per_hour: Count | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema (it says ``type: object``) of the arguments, or constraints by parameter."""


class ToolDenial(Rule, frozen=True, kw_only=True):
    """Tools that may not be used."""

    SCALAR_KEY: ClassVar[str] = "name"
    NOT_YET: ClassVar[dict[str, str]] = dict.fromkeys(
        ("max_calls_per_minute", "max_calls_per_hour", "parameters", "require_confirmation"),
        "has no effect on what is denied; remove the key, or put the rule into allow",
    )

    name: Text


class ToolRules(Rules, frozen=True, kw_only=True):
    """Which tools clients may use."""

    allow: tuple[ToolRule, ...] = ()
    deny: tuple[ToolDenial, ...] = ()


class PromptRule(Rule, frozen=True, kw_only=True):
    """Prompts that may be used."""

    SCALAR_KEY: ClassVar[str] = "name"

    name: Text
    max_length: Count | None = None
    """Characters that the arguments together may have, and the text of the prompt's messages."""


class PromptDenial(Rule, frozen=True, kw_only=True):
    """Prompts that may not be used."""

    SCALAR_KEY: ClassVar[str] = "name"
    NOT_YET: ClassVar[dict[str, str]] = {
        "max_length": "has no effect on what is denied; remove the key, or put the rule into allow"
    }

    name: Text


class PromptRules(Rules, frozen=True, kw_only=True):
    """Which prompts clients may use."""

    allow: tuple[PromptRule, ...] = ()
    deny: tuple[PromptDenial, ...] = ()


class ResourceRule(Rule, frozen=True, kw_only=True):
    """Resources, by URI; * and ? stand for any text and any character."""

    SCALAR_KEY: ClassVar[str] = "uri"

    uri: Text
    operations: tuple[Operation, ...] | None = None
    """None: all."""


class ResourceRules(Rules, frozen=True, kw_only=True):
    """Which resources clients may use."""

    allow: tuple[ResourceRule, ...] = ()
    deny: tuple[ResourceRule, ...] = ()


class HttpRule(Section, frozen=True, kw_only=True):
    """HTTP, with conditions."""

    NOT_YET: ClassVar[dict[str, str]] = {
        "allowed_origins": "not a key here: origins are let in by transport.settings.allowed_origins; remove the key",
        "allowed_methods": "not a key here: the protocol says which methods there are; remove the key",
    }

    allowed_hosts: tuple[Text, ...] | None = None
    """What ``transport.settings.allowed_hosts`` may name; None: anything."""


class TransportRules(Section, frozen=True, kw_only=True):
    """How clients may reach the server. What is not named here is refused."""

    stdio: bool = False
    http: bool | HttpRule = False
    websocket: bool = False
    place: Where = Place()


class McpRules(Section, frozen=True, kw_only=True):
    """What clients may use. A section that is not there restricts nothing."""

    tools: ToolRules | None = None
    prompts: PromptRules | None = None
    resources: ResourceRules | None = None
    transport: TransportRules | None = None


class Extensions(Section, frozen=True, kw_only=True):
    """Another place for `mcp`."""

    mcp: McpRules | None = None


class Policy(Section, frozen=True, kw_only=True):
    """A whole policy."""

    version: Version = "1.0"
    description: str | None = None
    core: Core = Core()
    mcp: McpRules = McpRules()
    extensions: Extensions = Extensions()
    """Another place for ``mcp``."""
    tools: ToolRules | None = None
    """Short for ``mcp.tools``."""
    audit: Path | None = None
    """A file that refusals are appended to, one JSON object per line; None: they go to the log."""
    place: Where = Place()

    @property
    def effective(self) -> McpRules:
        """``mcp``, wherever it stands."""
        rules = self.extensions.mcp or self.mcp
        if self.tools is None:
            return rules
        return McpRules(tools=self.tools, prompts=rules.prompts, resources=rules.resources, transport=rules.transport)


_CONSTRAINTS = {
    "min": ("minimum", "number"),
    "max": ("maximum", "number"),
    "pattern": ("pattern", "string"),
    "min_length": ("minLength", "string"),
    "max_length": ("maxLength", "string"),
}


class ParametersError(ValueError):
    """Constraints that cannot be made into a JSON Schema."""


def parameters_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema that ``parameters`` of a tool's rule amount to. Raises ParametersError.

    A pattern of a simple constraint has to fit the whole text, and a bound says of what type the value is.
    """
    if parameters.get("type") == "object" or isinstance(parameters.get("$schema"), str):
        return parameters
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, constraint in parameters.items():
        if not isinstance(constraint, dict):
            raise ParametersError(f"{name}: expected constraints such as {{min: 1, max: 10}}, got {constraint!r}")
        properties[name] = _constraint(name, constraint)
        if constraint.get("required") is True:
            required.append(name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _constraint(name: str, constraint: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    kinds: set[str] = set()
    for key, value in constraint.items():
        if key == "enum":
            if not isinstance(value, list) or not value:
                raise ParametersError(f"{name}.enum: expected a list of values")
            schema["enum"] = value
        elif key == "required":
            if not isinstance(value, bool):
                raise ParametersError(f"{name}.required: expected true or false")
        elif key in _CONSTRAINTS:
            keyword, kind = _CONSTRAINTS[key]
            kinds.add(kind)
            schema[keyword] = _bound(name, key, value)
        else:
            known = ", ".join(["enum", "required", *_CONSTRAINTS])
            raise ParametersError(
                f"{name}.{key}: no such constraint; there are {known}. A JSON Schema says type: object first"
            )
    if len(kinds) > 1:
        raise ParametersError(f"{name}: bounds of numbers and of texts together fit no value")
    return {"type": kinds.pop(), **schema} if kinds else schema


def _bound(name: str, key: str, value: Any) -> Any:
    if key == "pattern":
        if not isinstance(value, str):
            raise ParametersError(f"{name}.pattern: expected a text; put it in quotes")
        return f"^(?:{value})$"
    whole = key.endswith("length")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or (whole and value < 0):
        raise ParametersError(f"{name}.{key}: expected {'a whole number of characters' if whole else 'a number'}")
    return value


def problems(policy: Policy) -> Iterator[tuple[str, str]]:
    """What is wrong beyond single values: key inside the policy, and message."""
    if policy.extensions.mcp is not None and policy.mcp != McpRules():
        yield "extensions.mcp", "mcp stands at the policy's root too; keep one of them"
    here = "extensions.mcp" if policy.extensions.mcp is not None else "mcp"
    named = policy.extensions.mcp or policy.mcp
    if policy.tools is not None and named.tools is not None:
        yield "tools", f"{here}.tools stands there too; keep one of them"
    for where, rules in _lists("core.network", policy.core.network):
        for i, rule in enumerate(rules):
            if (rule.host is None) == (rule.cidr is None):
                yield f"{where}[{i}]", "needs host or cidr, and not both"
            elif rule.host is not None:
                fault = _host_fault(rule.host)
                if fault:
                    yield f"{where}[{i}].host", fault
    for where, rules in _lists("core.storage", policy.core.storage):
        for i, rule in enumerate(rules):
            fault = uri_fault(rule.uri)
            if fault:
                yield f"{where}[{i}].uri", fault
            if rule.access == ():
                yield f"{where}[{i}].access", f"is empty; name some of {', '.join(ACCESSES)}"
    tools = policy.effective.tools
    at = "tools" if policy.tools is not None else f"{here}.tools"
    for i, tool in enumerate(tools.allow if tools is not None else ()):
        if tool.parameters is not None:
            try:
                parameters_schema(tool.parameters)
            except ParametersError as error:
                yield f"{at}.allow[{i}].parameters", str(error)
    resources = policy.effective.resources
    for where, rules in _lists(f"{here}.resources", resources or ResourceRules()):
        for i, rule in enumerate(rules):
            if rule.operations == ():
                yield f"{where}[{i}].operations", f"is empty; name some of {', '.join(OPERATIONS)}"


def _host_fault(host: str) -> str:
    if host == "*":
        return ""
    name = host.removeprefix("*.")
    try:
        parsed = parse_host(name)
    except HostError as error:
        return str(error)
    if isinstance(parsed, str):
        return ""
    if name != host:
        return "an address has no names below it; write the address, or a cidr"
    # The address that is meant should be the one that is read.
    plain = host.strip("[]").lower()
    return "" if parsed.bits == 128 or plain == str(parsed) else f"is another way to write an address; write {parsed}"


def _lists(path: str, rules: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    yield f"{path}.allow", rules.allow
    yield f"{path}.deny", rules.deny


def uri_fault(uri: str) -> str:
    """What is wrong with a storage rule's URI; empty for one that can be used."""
    path = uri.removeprefix("fs://")
    if "://" in path:
        return f"{uri!r} is no folder of this machine; write fs:// and a path"
    if "\0" in path or not path:
        return "must be fs:// and a path"
    segments = path.split("/")
    if ".." in segments:
        return "must not have .. in it; write the path that is meant"
    if any("**" in segment and segment != "**" for segment in segments):
        return "** stands for whole folders and takes the place of a name, as in fs:///data/**"
    return ""
