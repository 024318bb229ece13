"""Prompts, resources and completions."""

from __future__ import annotations

import json

from media import RED_PIXEL

from mcpkit import Context, EmbeddedResource, Image, Message, Server, Text

CONTEXT = {"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}


def register(server: Server) -> None:
    _prompts(server)
    _resources(server)


def _prompts(server: Server) -> None:
    @server.prompt(name="test_simple_prompt")
    async def simple_prompt() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt for testing."

    @server.prompt(name="test_prompt_with_arguments")
    async def prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(name="test_prompt_with_embedded_resource")
    async def prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 -- as the suite spells it
        """A prompt with a resource in it."""
        contents = "Embedded resource content for testing."
        return [
            Message(EmbeddedResource(uri=resourceUri, contents=contents, mime_type="text/plain")),
            Message(Text(text="Please process the embedded resource above.")),
        ]

    @server.prompt(name="test_prompt_with_image")
    async def prompt_with_image() -> list[Message]:
        """A prompt with a picture in it."""
        return [Message(Image(data=RED_PIXEL)), Message(Text(text="Please analyze the image above."))]

    @server.prompt(name="test_input_required_result_prompt")
    async def prompt_that_asks(ctx: Context) -> str:
        """A prompt that asks before it is written."""
        answer = await ctx.elicit("What context should the prompt use?", CONTEXT, key="user_context")
        return f"Context: {(answer.content or {}).get('context', 'none')}"

    @server.completion("test_prompt_with_arguments", "arg1")
    async def complete_arg1(value: str) -> list[str]:
        return [city for city in ("paris", "park", "party") if city.startswith(value)]


def _resources(server: Server) -> None:
    @server.resource("test://static-text", name="static-text", mime_type="text/plain")
    async def static_text() -> str:
        """A text that never changes."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", name="static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """A picture that never changes."""
        return RED_PIXEL

    @server.resource("test://watched-resource", name="watched-resource", mime_type="text/plain")
    async def watched_resource() -> str:
        """A text that clients may watch."""
        return "This is the content of the watched resource."

    @server.resource("test://template/{id}/data", name="template-data", mime_type="application/json")
    async def template_data(id: str) -> str:
        """Data by number."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"}, separators=(",", ":"))
