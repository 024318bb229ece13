"""Tools, resources and prompts that are Python functions, and what such functions know of their call.

registry = Registry()
registry.add_tool(NativeTool(add))
result = await registry.tools["add"].call({"a": 1, "b": 2}, link)

Names are loaded when first used: a server without Python tools needs no more of this than its errors.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpkit.native.completion import Completion
    from mcpkit.native.content import (
        Annotations,
        Audio,
        Content,
        Contents,
        EmbeddedResource,
        Image,
        Message,
        Prompt,
        ResourceLink,
        Result,
        Text,
    )
    from mcpkit.native.context import Context
    from mcpkit.native.errors import (
        ArgumentError,
        DefinitionError,
        DuplicateError,
        NativeError,
        ProtocolError,
        ResourceNotFoundError,
        ToolError,
        UnknownError,
    )
    from mcpkit.native.link import Link
    from mcpkit.native.prompt import NativePrompt
    from mcpkit.native.registry import Registry
    from mcpkit.native.requests import Elicit, Elicited, ElicitUrl, InvalidAnswerError, ListRoots, Root, Sample, Sampled
    from mcpkit.native.resource import NativeResource, NativeTemplate
    from mcpkit.native.tool import NativeTool, failure

__all__ = [
    "Annotations",
    "ArgumentError",
    "Audio",
    "Completion",
    "Content",
    "Contents",
    "Context",
    "DefinitionError",
    "DuplicateError",
    "Elicit",
    "ElicitUrl",
    "Elicited",
    "EmbeddedResource",
    "Image",
    "InvalidAnswerError",
    "Link",
    "ListRoots",
    "Message",
    "NativeError",
    "NativePrompt",
    "NativeResource",
    "NativeTemplate",
    "NativeTool",
    "Prompt",
    "ProtocolError",
    "Registry",
    "ResourceLink",
    "ResourceNotFoundError",
    "Result",
    "Root",
    "Sample",
    "Sampled",
    "Text",
    "ToolError",
    "UnknownError",
    "failure",
]

_HOMES = {
    "Annotations": "content",
    "ArgumentError": "errors",
    "Audio": "content",
    "Completion": "completion",
    "Content": "content",
    "Contents": "content",
    "Context": "context",
    "DefinitionError": "errors",
    "DuplicateError": "errors",
    "Elicit": "requests",
    "ElicitUrl": "requests",
    "Elicited": "requests",
    "EmbeddedResource": "content",
    "Image": "content",
    "InvalidAnswerError": "requests",
    "Link": "link",
    "ListRoots": "requests",
    "Message": "content",
    "NativeError": "errors",
    "NativePrompt": "prompt",
    "NativeResource": "resource",
    "NativeTemplate": "resource",
    "NativeTool": "tool",
    "Prompt": "content",
    "ProtocolError": "errors",
    "Registry": "registry",
    "ResourceLink": "content",
    "ResourceNotFoundError": "errors",
    "Result": "content",
    "Root": "requests",
    "Sample": "requests",
    "Sampled": "requests",
    "Text": "content",
    "ToolError": "errors",
    "UnknownError": "errors",
    "failure": "tool",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
