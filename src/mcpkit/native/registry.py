"""Everything that a server offers in Python, and who wants to know when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from mcpkit.native.errors import DuplicateError, ResourceNotFoundError, UnknownError
from mcpkit.native.names import nearest
from mcpkit.native.prompt import NativePrompt
from mcpkit.native.resource import NativeResource, NativeTemplate
from mcpkit.native.skills import Skill, SkillFile
from mcpkit.native.tool import NativeTool

Kind = Literal["tools", "resources", "prompts"]


class Registry:
    """Tools and prompts by name, resources by URI, templates in the order in which they are tried.

    May change while the server runs. `changed` and `updated` are called in the thread that made the change.
    """

    def __init__(self) -> None:
        self.tools: dict[str, NativeTool] = {}
        self.resources: dict[str, NativeResource | SkillFile] = {}
        self.templates: list[NativeTemplate] = []
        self.prompts: dict[str, NativePrompt] = {}
        self.skills: dict[str, Skill] = {}
        """By the URI of their SKILL.md; each of their files is a resource as well."""
        self.changed: list[Callable[[Kind], None]] = []
        """Called with the kind of list that is no longer what it was."""
        self.updated: list[Callable[[str], None]] = []
        """Called with the URI of a resource whose contents are no longer what they were."""
        self._reserved: set[str] = set()

    def reserve(self, names: Iterable[str]) -> None:
        """Keep tool names for the server's other tools. Raises DuplicateError where one is taken."""
        wanted = set(names)
        for name in sorted(wanted & self.tools.keys()):
            raise DuplicateError(f"two tools are named {name!r}, one of them in Python; give one of them another name")
        self._reserved |= wanted

    def add_tool(self, tool: NativeTool) -> NativeTool:
        """Raises DuplicateError."""
        if tool.name in self.tools or tool.name in self._reserved:
            raise DuplicateError(f"two tools are named {tool.name!r}; give one of them another with name=")
        self.tools[tool.name] = tool
        self._tell("tools")
        return tool

    def add_prompt(self, prompt: NativePrompt) -> NativePrompt:
        """Raises DuplicateError."""
        if prompt.name in self.prompts:
            raise DuplicateError(f"two prompts are named {prompt.name!r}; give one of them another with name=")
        self.prompts[prompt.name] = prompt
        self._tell("prompts")
        return prompt

    def add_resource(self, resource: NativeResource | NativeTemplate) -> NativeResource | NativeTemplate:
        """Raises DuplicateError."""
        if isinstance(resource, NativeResource):
            if resource.uri in self.resources:
                raise DuplicateError(f"two resources have the URI {resource.uri!r}")
            self.resources[resource.uri] = resource
        else:
            if any(one.uri_template == resource.uri_template for one in self.templates):
                raise DuplicateError(f"two resources have the URI template {resource.uri_template!r}")
            self.templates.append(resource)
        self._tell("resources")
        return resource

    def add_skill(self, skill: Skill) -> None:
        """Serve a skill and its files. Raises DuplicateError."""
        if skill.uri in self.skills:
            raise DuplicateError(f"two skills have the URI {skill.uri!r}; give one of them a prefix")
        for file in skill.files:
            if file.uri not in self.resources:  # a skill inside another one brings its files twice
                self.resources[file.uri] = file
        self.skills[skill.uri] = skill
        self._tell("resources")

    def remove_tool(self, name: str) -> None:
        """Raises UnknownError."""
        if self.tools.pop(name, None) is None:
            raise UnknownError(f"no tool is named {name!r}{nearest(name, self.tools)}")
        self._tell("tools")

    def remove_prompt(self, name: str) -> None:
        """Raises UnknownError."""
        if self.prompts.pop(name, None) is None:
            raise UnknownError(f"no prompt is named {name!r}{nearest(name, self.prompts)}")
        self._tell("prompts")

    def remove_resource(self, uri: str) -> None:
        """By URI, or by URI template. Raises UnknownError."""
        template = next((one for one in self.templates if one.uri_template == uri), None)
        if template is not None:
            self.templates.remove(template)
        elif self.resources.pop(uri, None) is None:
            raise UnknownError(f"no resource has the URI {uri!r}{nearest(uri, self.resources)}")
        self._tell("resources")

    def find_resource(
        self, uri: str
    ) -> tuple[NativeResource | SkillFile, None] | tuple[NativeTemplate, dict[str, str]]:
        """The resource at a URI, or the first template that it matches, with the variables.

        Raises ResourceNotFoundError.
        """
        resource = self.resources.get(uri)
        if resource is not None:
            return resource, None
        for template in self.templates:
            variables = template.match(uri)
            if variables is not None:
                return template, variables
        raise ResourceNotFoundError(uri)

    def resource_updated(self, uri: str) -> None:
        """Tell subscribers that what can be read at `uri` has changed."""
        for listener in list(self.updated):
            listener(uri)

    def _tell(self, kind: Kind) -> None:
        for listener in list(self.changed):
            listener(kind)
