"""Tools, resources and prompts that are Python functions, and what such functions know of their call.

registry = Registry()
registry.add_tool(NativeTool(add))
result = await registry.tools["add"].call({"a": 1, "b": 2}, link)
"""

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
