"""Every kind of content that a tool may answer with."""

from __future__ import annotations

from media import RED_PIXEL, SILENCE

from mcpkit import Audio, EmbeddedResource, Image, Server, Text, ToolError


def register(server: Server) -> None:
    @server.tool(name="test_simple_text")
    async def simple_text() -> Text:
        """Answers with a line of text."""
        return Text(text="This is a simple text response for testing.")

    @server.tool(name="test_image_content")
    async def image_content() -> Image:
        """Answers with a picture."""
        return Image(data=RED_PIXEL, mime_type="image/png")

    @server.tool(name="test_audio_content")
    async def audio_content() -> Audio:
        """Answers with a recording."""
        return Audio(data=SILENCE, mime_type="audio/wav")

    @server.tool(name="test_embedded_resource")
    async def embedded_resource() -> EmbeddedResource:
        """Answers with the contents of a resource."""
        return EmbeddedResource(
            uri="test://embedded-resource",
            contents="This is an embedded resource content.",
            mime_type="text/plain",
        )

    @server.tool(name="test_multiple_content_types")
    async def multiple_content_types() -> list[Text | Image | EmbeddedResource]:
        """Answers with a text, a picture and a resource."""
        return [
            Text(text="Multiple content types test:"),
            Image(data=RED_PIXEL, mime_type="image/png"),
            EmbeddedResource(
                uri="test://mixed-content-resource",
                contents='{"test":"data","value":123}',
                mime_type="application/json",
            ),
        ]

    @server.tool(name="test_error_handling")
    async def error_handling() -> None:
        """Always fails."""
        raise ToolError("This tool intentionally returns an error for testing")
