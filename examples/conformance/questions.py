"""Tools that need something of the client's side: a person's answer, its model, its roots."""

from __future__ import annotations

import json
from typing import Any

from mcpkit import Context, Elicit, Elicited, ListRoots, Sample, Server


def _form(required: list[str] | None = None, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required}


NAME = _form(name={"type": "string"})
CONFIRM = _form(ok={"type": "boolean"})

LISTS = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {
        "type": "string",
        "oneOf": [
            {"const": "value1", "title": "First Option"},
            {"const": "value2", "title": "Second Option"},
            {"const": "value3", "title": "Third Option"},
        ],
    },
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {
        "type": "array",
        "items": {
            "anyOf": [
                {"const": "value1", "title": "First Choice"},
                {"const": "value2", "title": "Second Choice"},
                {"const": "value3", "title": "Third Choice"},
            ]
        },
    },
}
DEFAULTS = {
    "name": {"type": "string", "description": "User name", "default": "John Doe"},
    "age": {"type": "integer", "description": "User age", "default": 30},
    "score": {"type": "number", "description": "User score", "default": 95.5},
    "status": {
        "type": "string",
        "description": "User status",
        "enum": ["active", "inactive", "pending"],
        "default": "active",
    },
    "verified": {"type": "boolean", "description": "Verification status", "default": True},
}


def _told(answer: Elicited[Any]) -> str:
    return f"action={answer.action}, content={json.dumps(answer.content or {})}"


def register(server: Server) -> None:
    _plain(server)
    _rounds(server)


def _plain(server: Server) -> None:
    @server.tool(name="test_sampling")
    async def sampling(prompt: str, ctx: Context) -> str:
        """Asks the client's model."""
        answer = await ctx.sample(prompt, max_tokens=100)
        return f"LLM response: {answer.text}"

    @server.tool(name="test_elicitation")
    async def elicitation(message: str, ctx: Context) -> str:
        """Asks a person for a name and an address."""
        form = _form(
            username={"type": "string", "description": "User's response"},
            email={"type": "string", "description": "User's email address"},
        )
        return f"User response: {_told(await ctx.elicit(message, form))}"

    @server.tool(name="test_elicitation_sep1034_defaults")
    async def elicitation_defaults(ctx: Context) -> str:
        """Asks with a value filled in for every type."""
        answer = await ctx.elicit("Please review and update the form fields", _form([], **DEFAULTS))
        return f"Elicitation completed: {_told(answer)}"

    @server.tool(name="test_elicitation_sep1330_enums")
    async def elicitation_enums(ctx: Context) -> str:
        """Asks with every form of a choice."""
        answer = await ctx.elicit("Please select options from the enum fields", _form([], **LISTS))
        return f"Elicitation completed: {_told(answer)}"

    @server.tool(name="test_missing_capability")
    async def missing_capability(ctx: Context) -> str:
        """Cannot do without the client's model."""
        return (await ctx.sample("Say something", max_tokens=10)).text

    @server.tool(name="test_streaming_elicitation")
    async def streaming_elicitation(ctx: Context) -> str:
        """Asks a person while it runs."""
        return _told(await ctx.elicit("Please confirm", CONFIRM, key="confirm"))


def _rounds(server: Server) -> None:
    @server.tool(name="test_input_required_result_elicitation")
    async def basic_elicitation(ctx: Context) -> str:
        """Greets a person by name."""
        answer = await ctx.elicit("What is your name?", NAME, key="user_name")
        return f"Hello, {answer.content['name']}!" if answer.content else "Hello!"

    @server.tool(name="test_input_required_result_sampling")
    async def basic_sampling(ctx: Context) -> str:
        """Asks the client's model for a capital."""
        return (await ctx.sample("What is the capital of France?", max_tokens=100, key="capital_question")).text

    @server.tool(name="test_input_required_result_list_roots")
    async def basic_roots(ctx: Context) -> str:
        """Names the client's roots."""
        roots = await ctx.list_roots(key="client_roots")
        return "Roots: " + ", ".join(root.uri for root in roots)

    @server.tool(name="test_input_required_result_request_state")
    async def request_state(ctx: Context) -> str:
        """Remembers something from one round to the next."""
        ctx.state["asked"] = True
        await ctx.elicit("Please confirm", CONFIRM, key="confirm")
        return "state-ok"

    @server.tool(name="test_input_required_result_multiple_inputs")
    async def multiple_inputs(ctx: Context) -> str:
        """Asks a person, the model and for the roots at once."""
        answers = await ctx.inputs(
            {
                "user_name": Elicit("What is your name?", NAME),
                "greeting": Sample("Generate a greeting", max_tokens=50),
                "client_roots": ListRoots(),
            }
        )
        name = (answers["user_name"].content or {}).get("name", "nobody")
        return f"{answers['greeting'].text} {name}, who has {len(answers['client_roots'])} roots"

    @server.tool(name="test_input_required_result_multi_round")
    async def multi_round(ctx: Context) -> str:
        """Asks a second question after the first."""
        first = await ctx.elicit("Step 1: What is your name?", NAME, key="step1")
        ctx.state["named"] = first.accepted
        color = _form(color={"type": "string"})
        second = await ctx.elicit("Step 2: What is your favorite color?", color, key="step2")
        return f"{(first.content or {}).get('name')} likes {(second.content or {}).get('color')}"

    @server.tool(name="test_input_required_result_tampered_state")
    async def tampered_state(ctx: Context) -> str:
        """Carries a state that nobody else can write."""
        await ctx.elicit("Please confirm", CONFIRM, key="confirm")
        return "confirmed"

    @server.tool(name="test_input_required_result_capabilities")
    async def capabilities(ctx: Context) -> str:
        """Asks for as much as the client can give."""
        wanted: dict[str, Any] = {}
        if ctx.client_supports("elicitation"):
            wanted["user_name"] = Elicit("What is your name?", NAME)
        if ctx.client_supports("sampling"):
            wanted["greeting"] = Sample("Generate a greeting", max_tokens=50)
        if ctx.client_supports("roots"):
            wanted["client_roots"] = ListRoots()
        answers = await ctx.inputs(wanted) if wanted else {}
        return f"Answered: {', '.join(sorted(answers)) or 'nothing'}"
