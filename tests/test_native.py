"""Tools, resources and prompts as Python functions, without a transport: schemas, arguments, results, questions."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from jsonschema import Draft202012Validator

from mcpkit.native import (
    Annotations,
    ArgumentError,
    Audio,
    Completion,
    Contents,
    Context,
    DefinitionError,
    DuplicateError,
    Elicit,
    EmbeddedResource,
    Image,
    ListRoots,
    Message,
    NativePrompt,
    NativeResource,
    NativeTemplate,
    NativeTool,
    Prompt,
    ProtocolError,
    Registry,
    ResourceLink,
    ResourceNotFoundError,
    Result,
    Sample,
    Text,
    ToolError,
    UnknownError,
)


class Left(BaseException):
    """What leaves a handler whose question is not answered yet."""


@dataclasses.dataclass
class Client:
    """The other end of a call: it writes down what it is told, and answers from what it was given."""

    era: Literal["legacy", "modern"] = "modern"
    revision: str = "2026-07-28"
    answers: dict[str | None, Any] = dataclasses.field(default_factory=dict)
    progress_token: str | int | None = None
    log_level: str | None = None
    capabilities: dict[str, Any] = dataclasses.field(default_factory=dict)
    state: dict[str, Any] = dataclasses.field(default_factory=dict)
    trace: dict[str, str] = dataclasses.field(default_factory=dict)
    transport: str = "http"
    session: str | None = None
    principal: Any = None
    request_id: bytes = b"1"
    told: list[tuple[str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    asked: list[tuple[str | None, str, dict[str, Any]]] = dataclasses.field(default_factory=list)
    threads: set[int] = dataclasses.field(default_factory=set)

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self.threads.add(threading.get_ident())
        self.told.append((method, params))

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        self.asked.append((key, method, params))
        answer = self.answers.get(key, Left())
        if isinstance(answer, BaseException):
            raise answer
        return dict(answer)

    async def ask_all(self, requests: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
        return {key: await self.ask(method, params, key=key) for key, (method, params) in requests.items()}


def call(
    handler: Callable[..., Any] | NativeTool, /, *, link: Client | None = None, **arguments: Any
) -> dict[str, Any]:
    tool = handler if isinstance(handler, NativeTool) else NativeTool(handler)
    return asyncio.run(tool.call(arguments, link or Client()))


def text_of(result: dict[str, Any]) -> str:
    (only,) = result["content"]
    return str(only["text"])


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct):
    x: float
    y: float = 0.0


@dataclasses.dataclass
class Box:
    corner: Point
    label: str | None = None


class Options(TypedDict, total=False):
    deep: bool


# --- schemas from signatures ---


def draw(
    box: Box,
    count: Annotated[int, "How many of them", msgspec.Meta(ge=1, le=9)],
    color: Color = Color.RED,
    mode: Literal["fast", "exact"] = "fast",
    path: list[Point] = [Point(1)],  # noqa: B006, B008 -- a default that is no constant
    options: Options | None = None,
) -> str:
    """Draws boxes."""
    assert isinstance(path[0], Point)
    return f"{count} {color.name} {mode} {box.corner.x:g} {len(path)} {options}"


def test_a_signature_becomes_a_schema() -> None:
    tool = NativeTool(draw)
    Draft202012Validator.check_schema(tool.input_schema)
    assert (tool.name, tool.description, tool.output_schema) == ("draw", "Draws boxes.", None)
    schema = tool.input_schema
    assert schema["type"] == "object"
    assert schema["required"] == ["box", "count"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "How many of them",
    }
    assert schema["properties"]["mode"] == {"enum": ["exact", "fast"], "default": "fast"}
    assert schema["properties"]["path"]["default"] == [{"x": 1, "y": 0.0}]
    assert schema["$defs"]["Box"]["properties"]["corner"] == {"$ref": "#/$defs/Point"}


def test_arguments_are_converted() -> None:
    assert text_of(call(draw, box={"corner": {"x": 3}}, count=2)) == "2 RED fast 3 1 None"
    more = {"color": "blue", "path": [{"x": 1}, {"x": 2}], "options": {"deep": True}}
    assert text_of(call(draw, box={"corner": {"x": 3}}, count=2.0, **more)) == "2 BLUE fast 3 2 {'deep': True}"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "missing required field `box`"),
        ({"box": {"corner": {}}, "count": 1}, r"missing required field `x` - at `\$\.box\.corner`"),
        ({"box": {"corner": {"x": 1}}, "count": 10}, r"<= 9.*count"),
        ({"box": {"corner": {"x": 1}}, "count": "1"}, r"Expected `int`, got `str`.*count"),
        ({"box": {"corner": {"x": 1}}, "count": 1.5}, "count"),
        ({"box": {"corner": {"x": 1}}, "count": True}, "count"),
        ({"box": {"corner": {"x": 1}}, "count": 1, "color": "green"}, "green"),
        ({"box": {"corner": {"x": 1}}, "count": 1, "colour": "red"}, "unknown field `colour`"),
    ],
)
def test_arguments_that_do_not_fit_are_the_callers_to_mend(arguments: dict[str, Any], why: str) -> None:
    result = call(draw, **arguments)
    assert result["isError"] is True
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(text_of(result))


def test_a_tool_without_arguments() -> None:
    def nothing() -> None: ...

    assert NativeTool(nothing).input_schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert call(nothing) == {"content": []}


def test_a_schema_of_ones_own_is_kept_to_the_letter_and_enforced() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"name": {"$anchor": "name", "type": "string"}},
        "properties": {"name": {"$ref": "#name"}, "point": {"type": "object"}},
        "if": {"required": ["point"]},
        "then": {"required": ["name"]},
        "additionalProperties": {"type": "integer"},
    }

    def greet(name: str, point: Point | None = None, **rest: int) -> str:
        return f"{name} {point} {rest}"

    tool = NativeTool(greet, input_schema=schema)
    assert tool.input_schema is schema
    assert text_of(call(tool, name="Ada", point={"x": 1}, more=3)) == "Ada Point(x=1.0, y=0.0) {'more': 3}"
    assert "'name' is a required" in text_of(call(tool, point={"x": 1})).replace('"', "'")
    assert call(tool, name="Ada", more="3")["isError"]


def test_a_method_and_an_object_can_be_handlers() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def step(self, by: int = 1) -> str:
            self.count += by
            return str(self.count)

        async def __call__(self, to: int) -> str:
            self.count = to
            return str(self.count)

    counter = Counter()
    assert text_of(call(counter.step, by=2)) == "2"
    assert text_of(call(NativeTool(counter, name="set"), to=9)) == "9"
    assert counter.count == 9


def star(*values: int) -> None: ...
def keywords(**values: int) -> None: ...
def positional(a: int, /) -> None: ...
def strange(a: threading.Lock) -> None: ...
def lost(a: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("handler", "facts", "why"),
    [
        (star, {}, "values"),
        (keywords, {}, "values"),
        (positional, {}, "by name"),
        (strange, {}, "no JSON form"),
        (lost, {}, "Missing"),
        (lambda: None, {}, "<lambda>"),
        (draw, {"name": "no spaces please"}, "1 to 64"),
        (draw, {"input_schema": {"type": "array"}}, '"type": "object"'),
        (draw, {"input_schema": {"type": "object", "$ref": "https://example.com/x"}}, "inside the schema only"),
        (draw, {"output_schema": {"type": "text"}}, "type"),
        (keywords, {"input_schema": {"type": "object", "properties": {"a": {"x-mcp-header": "A"}}}}, "x-mcp-header"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_at_once(handler: Any, facts: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        NativeTool(handler, **facts)


def test_an_argument_can_be_repeated_in_a_header() -> None:
    def query(region: Annotated[str, msgspec.Meta(extra_json_schema={"x-mcp-header": "Region"})]) -> None: ...

    assert NativeTool(query).headers == [(("region",), "Region", "string")]


# --- results ---


def returning(value: Any, annotation: Any = None, **facts: Any) -> NativeTool:
    def handler() -> Any:
        return value

    handler.__annotations__["return"] = annotation
    return NativeTool(handler, **facts)


def test_text_and_blocks_are_content_alone() -> None:
    picture = Image(b"\x89PNG", annotations=Annotations(audience=["user"], priority=0.5))
    several = ["Look:", picture, Audio(b"RIFF"), EmbeddedResource("a://b", "text", "text/plain")]
    result = call(returning([*several, ResourceLink("a://c", "c", size=3)], list[Any]))
    assert result["content"] == [
        {"type": "text", "text": "Look:"},
        {
            "type": "image",
            "data": "iVBORw==",
            "mimeType": "image/png",
            "annotations": {"audience": ["user"], "priority": 0.5},
        },
        {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "a://b", "mimeType": "text/plain", "text": "text"}},
        {"type": "resource_link", "uri": "a://c", "name": "c", "size": 3},
    ]
    assert call(returning(Text("a", meta={"k": 1}), Text)) == {
        "content": [{"type": "text", "text": "a", "_meta": {"k": 1}}]
    }
    assert call(returning({"a": [1]})) == {"content": [{"type": "text", "text": '{"a":[1]}'}]}


def test_a_file_is_shown_with_the_type_of_its_suffix(tmp_path: Any) -> None:
    (tmp_path / "a.jpeg").write_bytes(b"jpeg")
    assert Image.read(tmp_path / "a.jpeg") == Image(b"jpeg", "image/jpeg")
    with pytest.raises(ValueError, match="media type"):
        Image.read(tmp_path / "a.unheard-of")


@pytest.mark.parametrize(
    ("value", "annotation", "structured"),
    [
        (3, int, {"result": 3}),
        ([Point(1)], list[Point], {"result": [{"x": 1, "y": 0.0}]}),
        (Point(1), Point, {"x": 1, "y": 0.0}),
        (Box(Point(1)), Box, {"corner": {"x": 1, "y": 0.0}, "label": None}),
        ({"a": 1}, dict[str, int], {"a": 1}),
        (Color.RED, Color, {"result": "red"}),
        (None, int | None, {"result": None}),
    ],
)
def test_typed_results_are_structured(value: Any, annotation: Any, structured: Any) -> None:
    tool = returning(value, annotation)
    assert tool.output_schema is not None
    assert tool.output_schema["type"] == "object"
    result = call(tool)
    assert result["structuredContent"] == structured
    assert msgspec.json.decode(text_of(result)) == structured  # for clients that read text alone
    Draft202012Validator(tool.output_schema).validate(structured)


def test_structured_content_can_be_asked_for_or_declined() -> None:
    assert call(returning("a", str, structured=True))["structuredContent"] == {"result": "a"}
    assert call(returning(3, int, structured=False)) == {"content": [{"type": "text", "text": "3"}]}


def test_an_output_schema_of_ones_own() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    tool = returning([1, 2], output_schema=schema)
    assert tool.output_schema is schema
    assert call(tool)["structuredContent"] == [1, 2]
    assert "structuredContent" not in call(tool, link=Client("legacy", "2025-11-25"))  # objects only, there


def test_a_result_of_which_every_member_is_chosen() -> None:
    result = Result(["see", Image(b"1")], {"a": 1}, meta={"k": "v"})
    made = call(returning(result, output_schema={"type": "object"}))
    assert made["structuredContent"] == {"a": 1}
    assert made["_meta"] == {"k": "v"}
    assert [block["type"] for block in made["content"]] == ["text", "image"]
    assert call(returning(Result("no", is_error=True), Result)) == {
        "content": [{"type": "text", "text": "no"}],
        "isError": True,
    }


@pytest.mark.parametrize(
    ("value", "facts"),
    [
        ("3", {"annotation": int}),
        ({"b": 1}, {"output_schema": {"type": "object", "required": ["a"]}}),
        (Result("text"), {"output_schema": {"type": "object"}}),
        (object(), {}),
        (object(), {"annotation": Point}),
    ],
)
def test_a_tool_that_breaks_its_promise_is_the_servers_fault(
    value: Any, facts: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    result = call(returning(value, **facts))
    assert result == {
        "content": [{"type": "text", "text": "the tool 'handler' failed; the server's log says why"}],
        "isError": True,
    }
    assert "handler" in caplog.text


# --- failures ---


def test_a_tool_error_is_for_the_model_to_read() -> None:
    def divide(a: int, b: int) -> str:
        if b == 0:
            raise ToolError("b must not be 0")
        return str(a // b)

    assert call(divide, a=1, b=0) == {"content": [{"type": "text", "text": "b must not be 0"}], "isError": True}


def test_other_exceptions_stay_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def leak() -> str:
        raise RuntimeError("password is hunter2")

    with caplog.at_level(logging.ERROR):
        result = call(leak)
    assert result["isError"] is True
    assert "hunter2" not in text_of(result)
    assert "hunter2" in caplog.text


def test_a_protocol_error_is_no_result() -> None:
    def refuse() -> None:
        raise ProtocolError(-32042, "open this first", {"elicitations": []})

    with pytest.raises(ProtocolError, match="open this first") as caught:
        call(refuse)
    assert (caught.value.code, caught.value.data) == (-32042, {"elicitations": []})


def test_a_tool_with_a_time_limit() -> None:
    async def slow() -> None:
        await asyncio.sleep(60)

    result = call(NativeTool(slow, timeout=0.01))
    assert (text_of(result), result["isError"]) == ("the tool 'slow' did not end within 0.01 s", True)


# --- threads, cancellation, notifications ---


def test_functions_run_in_a_thread_and_coroutines_on_the_loop() -> None:
    def where() -> str:
        return str(threading.get_ident())

    async def here() -> str:
        return str(threading.get_ident())

    own = str(threading.get_ident())
    assert text_of(call(where)) != own
    assert text_of(call(NativeTool(where, inline=True))) == own
    assert text_of(call(here)) == own


@pytest.mark.parametrize("kind", ["coroutine", "thread"])
def test_progress_and_logs_reach_the_client_in_order(kind: str) -> None:
    def work(ctx: Context) -> str:
        ctx.progress(1, 3, "first")
        ctx.progress(1, 3, "not further")
        ctx.debug("too quiet")
        ctx.info({"step": 1}, "work")
        ctx.progress(3, 3)
        return "done"

    async def awork(ctx: Context) -> str:
        return work(ctx)

    client = Client(progress_token="t", log_level="info")
    call(work if kind == "thread" else awork, link=client)
    assert client.told == [
        ("notifications/progress", {"progressToken": "t", "progress": 1, "total": 3, "message": "first"}),
        ("notifications/message", {"level": "info", "logger": "work", "data": {"step": 1}}),
        ("notifications/progress", {"progressToken": "t", "progress": 3, "total": 3}),
    ]
    assert client.threads == {threading.get_ident()}


def test_nobody_is_told_what_nobody_asked_for() -> None:
    async def work(ctx: Context) -> None:
        ctx.progress(1)
        ctx.error("only for those who want it")

    modern, legacy = Client(), Client("legacy", "2024-11-05", progress_token=0)
    call(work, link=modern)
    call(work, link=legacy)
    assert modern.told == []
    assert [method for method, _ in legacy.told] == ["notifications/progress", "notifications/message"]


def test_a_cancelled_coroutine_stops_and_a_thread_is_told() -> None:
    heard = threading.Event()

    def work(ctx: Context) -> str:
        for _ in range(2_000):
            if ctx.cancelled:
                heard.set()
                break
            heard.wait(0.005)
        return "late"

    async def main() -> None:
        task = asyncio.create_task(NativeTool(work).call({}, Client()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert heard.wait(10)


# --- questions to the client ---

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class Person(msgspec.Struct):
    name: str
    age: Annotated[int, msgspec.Meta(ge=0)] = 0


async def hello(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", Person, key="who")
    return f"Hello, {answer.content.name}!" if answer.content else f"You chose to {answer.action}."


def test_a_form_made_of_a_class() -> None:
    client = Client(answers={"who": {"action": "accept", "content": {"name": "Ada"}}})
    assert text_of(call(hello, link=client)) == "Hello, Ada!"
    ((key, method, params),) = client.asked
    assert (key, method, params["message"]) == ("who", "elicitation/create", "Who are you?")
    assert params["requestedSchema"]["properties"]["name"] == {"type": "string"}
    assert params["requestedSchema"]["required"] == ["name"]
    declined = Client(answers={"who": {"action": "decline"}})
    assert text_of(call(hello, link=declined)) == "You chose to decline."


@pytest.mark.parametrize(
    "answer", [{}, {"action": "maybe"}, {"action": "accept"}, {"action": "accept", "content": {"name": 3}}]
)
def test_an_answer_that_does_not_fit(answer: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="inputResponses"):
        call(hello, link=Client(answers={"who": answer}))
    legacy = call(hello, link=Client("legacy", "2025-11-25", answers={"who": answer}))
    assert legacy["isError"] is True


def test_a_form_of_a_schema() -> None:
    async def ask(ctx: Context) -> str:
        answer = await ctx.elicit("Name?", NAME)
        assert answer.content
        return str(answer.content["name"])

    assert text_of(call(ask, link=Client(answers={None: {"action": "accept", "content": {"name": "Ada"}}}))) == "Ada"
    with pytest.raises(ArgumentError, match="name"):
        call(ask, link=Client(answers={None: {"action": "accept", "content": {}}}))
    with pytest.raises(ArgumentError, match="name"):
        call(ask, link=Client(answers={None: {"action": "accept", "content": {"name": 3}}}))


def test_a_handler_is_left_at_a_question_and_runs_again() -> None:
    async def steps(ctx: Context) -> str:
        try:
            one = await ctx.elicit("One?", NAME, key="one")
            ctx.state["rounds"] = ctx.state.get("rounds", 0) + 1
            two = await ctx.elicit("Two?", NAME, key="two")
        except Exception:  # handlers that catch everything do not catch being left
            return "caught"
        assert one.content
        assert two.content
        return f"{one.content['name']} {two.content['name']} {ctx.state['rounds']}"

    client = Client()
    with pytest.raises(Left):
        call(steps, link=client)
    client.answers["one"] = {"action": "accept", "content": {"name": "a"}}
    with pytest.raises(Left):
        call(steps, link=client)
    client.answers["two"] = {"action": "accept", "content": {"name": "b"}}
    assert text_of(call(steps, link=client)) == "a b 2"


def test_several_questions_at_once() -> None:
    async def gather(ctx: Context) -> str:
        found = await ctx.inputs({"n": Elicit("Name?", NAME), "m": Sample("Say hi", 50), "r": ListRoots()})
        return f"{found['m'].text}, {found['n'].content['name']} of {found['r'][0].uri}"

    said = {"role": "assistant", "content": {"type": "text", "text": "Hi"}, "model": "m", "stopReason": "endTurn"}
    answers = {
        "n": {"action": "accept", "content": {"name": "Ada"}},
        "m": said,
        "r": {"roots": [{"uri": "file:///home"}]},
    }
    client = Client(answers=answers)  # type: ignore[arg-type]
    assert text_of(call(gather, link=client)) == "Hi, Ada of file:///home"
    assert client.asked[1][2] == {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Say hi"}}],
        "maxTokens": 50,
    }


def test_a_handler_in_a_thread_waits_for_its_questions() -> None:
    def ask(ctx: Context) -> str:
        return ctx.wait(ctx.list_roots(key="r"))[0].uri

    assert text_of(call(ask, link=Client(answers={"r": {"roots": [{"uri": "file:///x"}]}}))) == "file:///x"
    with pytest.raises(Left):
        call(ask, link=Client())


def test_what_the_protocol_refuses_is_no_failure_of_the_tool() -> None:
    class RefusedError(Exception):
        """What a link raises for a client that cannot answer."""

    refused = {"who": RefusedError("the client cannot be asked")}
    with pytest.raises(RefusedError):
        call(hello, link=Client(answers=refused))  # type: ignore[arg-type]
    legacy = call(hello, link=Client("legacy", "2025-11-25", answers=refused))  # type: ignore[arg-type]
    assert (text_of(legacy), legacy["isError"]) == ("the client cannot be asked", True)


def test_what_a_handler_may_know_of_its_client() -> None:
    async def look(ctx: Context) -> str:
        assert (ctx.era, ctx.revision, ctx.session_id) == ("modern", "2026-07-28", None)
        able = [name for name in ("sampling", "elicitation.url", "elicitation.form") if ctx.client_supports(name)]
        return " ".join(able)

    assert text_of(call(look, link=Client(capabilities={"elicitation": {"url": {}}}))) == "elicitation.url"


# --- resources ---


def read(resource: NativeResource) -> list[dict[str, Any]]:
    return asyncio.run(resource.read(Client()))


def test_resources_are_text_bytes_or_json() -> None:
    def made(value: Any, mime_type: str | None = None) -> list[dict[str, Any]]:
        def handler() -> Any:
            return value

        return read(NativeResource(handler, "a://b", mime_type=mime_type))

    assert made("hi") == [{"uri": "a://b", "mimeType": "text/plain", "text": "hi"}]
    assert made(b"hi", "image/png") == [{"uri": "a://b", "mimeType": "image/png", "blob": "aGk="}]
    assert made({"a": Point(1)}) == [{"uri": "a://b", "mimeType": "application/json", "text": '{"a":{"x":1,"y":0.0}}'}]
    assert made([Contents("1"), Contents(b"2", "a://c")]) == [
        {"uri": "a://b", "mimeType": "text/plain", "text": "1"},
        {"uri": "a://c", "mimeType": "application/octet-stream", "blob": "Mg=="},
    ]


@pytest.mark.parametrize(
    ("template", "uri", "variables"),
    [
        ("a://{id}/data", "a://12/data", {"id": "12"}),
        ("a://{id}/data", "a://1%202/data", {"id": "1 2"}),
        ("a://{id}/data", "a://1/2/data", None),
        ("a://{id}/data", "a:///data", None),
        ("a://{id}", "a://1?x=2", None),
        ("a://{x},{y}", "a://1,2", {"x": "1", "y": "2"}),
        ("a://{x,y}", "a://1,2", {"x": "1", "y": "2"}),
        ("file:///{+path}", "file:///a/b%20c.txt", {"path": "a/b c.txt"}),
        ("a://b{/x,y}", "a://b/1/2", {"x": "1", "y": "2"}),
        ("a://b{.kind}", "a://b.txt", {"kind": "txt"}),
        ("a://b{#part}", "a://b#sec/2", {"part": "sec/2"}),
        ("a://b{?q,n}", "a://b", {}),
        ("a://b{?q,n}", "a://b?n=3&q=x%26y", {"q": "x&y", "n": "3"}),
        ("a://b{?q}", "a://b?other=1", None),
        ("a://b?fixed=1{&q}", "a://b?fixed=1&q=2", {"q": "2"}),
        ("a.b://c{id}", "aXb://c1", None),
        ("a://{id}", "a://" + "x" * 9_000, None),
    ],
)
def test_templates_match_uris(template: str, uri: str, variables: dict[str, str] | None) -> None:
    from mcpkit.native.uri import UriTemplate

    assert UriTemplate(template).match(uri) == variables


@pytest.mark.parametrize(
    "template", ["a://{id", "a://{}", "a://{x}{y}", "a://{x*}", "a://{x:3}", "a://{;x}", "a://{?x}/y", "a://{+a}/{+b}"]
)
def test_templates_that_cannot_be_read_backwards_are_refused(template: str) -> None:
    from mcpkit.native.uri import UriTemplate

    with pytest.raises(DefinitionError):
        UriTemplate(template)


def test_variables_of_a_template_are_parameters() -> None:
    def row(table: str, id: int, limit: int = 10) -> dict[str, Any]:
        return {"table": table, "id": id, "limit": limit}

    template = NativeTemplate(row, "db://{table}/{id}{?limit}", description="A row")
    variables = template.match("db://people/7?limit=2")
    assert variables is not None
    (contents,) = asyncio.run(template.read("db://people/7?limit=2", variables, Client()))
    assert contents["uri"] == "db://people/7?limit=2"
    assert msgspec.json.decode(contents["text"]) == {"table": "people", "id": 7, "limit": 2}
    with pytest.raises(ResourceNotFoundError):
        asyncio.run(template.read("db://people/x", {"table": "people", "id": "x"}, Client()))


def test_a_template_and_its_parameters_have_to_agree() -> None:
    def row(id: int) -> str:
        return ""

    with pytest.raises(DefinitionError, match="table"):
        NativeTemplate(row, "db://{table}/{id}")
    with pytest.raises(DefinitionError, match="id"):
        NativeTemplate(row, "db://x{?id}")  # may be missing, so it needs a default
    with pytest.raises(DefinitionError, match="id"):
        NativeResource(row, "db://x")
    with pytest.raises(DefinitionError, match="scheme"):
        NativeResource(lambda: "", "x", name="x")


# --- prompts and completion ---


def review(code: Annotated[str, "What to review"], times: int = 1, style: Literal["kind", "strict"] = "kind") -> Any:
    """Reviews code."""
    return Prompt([Message("Be " + style, "assistant"), f"{code} x{times}"], "A review")


def test_a_prompt_and_its_arguments() -> None:
    prompt = NativePrompt(review)
    assert prompt.arguments == [
        {"name": "code", "description": "What to review", "required": True},
        {"name": "times", "required": False},
        {"name": "style", "required": False},
    ]
    assert asyncio.run(prompt.get({"code": "x", "times": "3"}, Client())) == {
        "description": "A review",
        "messages": [
            {"role": "assistant", "content": {"type": "text", "text": "Be kind"}},
            {"role": "user", "content": {"type": "text", "text": "x x3"}},
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [({}, "'code'"), ({"code": "x", "more": "y"}, "'more'"), ({"code": "x", "times": "many"}, "times")],
)
def test_arguments_that_do_not_fit_a_prompt(arguments: dict[str, str], why: str) -> None:
    with pytest.raises(ArgumentError, match=why) as caught:
        asyncio.run(NativePrompt(review).get(arguments, Client()))
    assert caught.value.code == -32602


def test_completion() -> None:
    def names(value: str, chosen: dict[str, str]) -> list[str]:
        return [name for name in ("ann", "bob", f"a{chosen.get('style', '')}") if name.startswith(value)]

    async def many(value: str) -> list[str]:
        return [f"{value}{n}" for n in range(250)]

    prompt = NativePrompt(review)
    prompt.add_completion("code", names)
    prompt.add_completion("times", many)

    def complete(argument: str, value: str, **chosen: str) -> Completion:
        return asyncio.run(prompt.complete(argument, value, chosen))

    assert complete("code", "a", style="kind") == ["ann", "akind"]
    assert complete("style", "s") == ["strict"]  # a choice completes by itself
    assert complete("unknown", "") == []
    found = complete("times", "x")
    assert (len(found), found.total, found.has_more) == (100, 250, True)

    for argument, completer in (("nothing", names), ("code", names), ("style", Registry)):
        with pytest.raises(DefinitionError):
            prompt.add_completion(argument, completer)


# --- the registry ---


def test_a_registry_tells_what_changes() -> None:
    registry = Registry()
    heard: list[str] = []
    registry.changed.append(heard.append)
    registry.updated.append(heard.append)
    registry.add_tool(NativeTool(draw))
    registry.add_prompt(NativePrompt(review))
    registry.add_resource(NativeResource(lambda: "", "a://b", name="b"))
    registry.add_resource(NativeTemplate(lambda part: "", "a://b/{part}", name="c"))
    registry.resource_updated("a://b")
    assert registry.find_resource("a://b") == (registry.resources["a://b"], None)
    assert registry.find_resource("a://b/1") == (registry.templates[0], {"part": "1"})
    with pytest.raises(ResourceNotFoundError):
        registry.find_resource("a://c")
    registry.remove_tool("draw")
    registry.remove_prompt("review")
    registry.remove_resource("a://b")
    registry.remove_resource("a://b/{part}")
    assert heard == [
        "tools",
        "prompts",
        "resources",
        "resources",
        "a://b",
        "tools",
        "prompts",
        "resources",
        "resources",
    ]


def test_names_are_given_once() -> None:
    registry = Registry()
    registry.add_tool(NativeTool(draw))
    with pytest.raises(DuplicateError, match="draw"):
        registry.add_tool(NativeTool(draw))
    with pytest.raises(DuplicateError, match="draw"):
        registry.reserve(["add", "draw"])
    registry.reserve(["add"])
    with pytest.raises(DuplicateError, match="add"):
        registry.add_tool(NativeTool(draw, name="add"))
    with pytest.raises(UnknownError, match="did you mean 'draw'"):
        registry.remove_tool("drew")
