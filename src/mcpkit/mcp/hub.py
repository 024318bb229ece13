"""Who wants to hear that something changed: modern streams of ``subscriptions/listen``, and legacy sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from mcpkit.mcp.legacy import Session
from mcpkit.mcp.link import Link
from mcpkit.mcp.params import PREFIX

Changed = Literal["tools", "resources", "prompts"]
SUBSCRIPTION_ID = PREFIX + "subscriptionId"

_FILTERS: dict[str, Changed] = {
    "toolsListChanged": "tools",
    "resourcesListChanged": "resources",
    "promptsListChanged": "prompts",
}


class Wishes(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """``params.notifications`` of ``subscriptions/listen``."""

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] = []
    task_ids: list[str] = []


class Subscription:
    """One open ``subscriptions/listen``."""

    def __init__(self, link: Link, wishes: Wishes) -> None:
        self.wishes = wishes
        self.link = link
        self.ended = asyncio.Event()
        self._id = msgspec.json.decode(link.request_id)

    def tell(self, method: str, params: dict[str, Any]) -> None:
        meta = {**params.get("_meta", {}), SUBSCRIPTION_ID: self._id}
        self.link.notify(method, {**params, "_meta": meta})

    def result(self) -> dict[str, Any]:
        return {"_meta": {SUBSCRIPTION_ID: self._id}}


class Hub:
    """Spreads changes. `honoured` says which of a client's wishes this server can fulfil."""

    def __init__(self, honoured: Callable[[Wishes, Link], Wishes], sessions: Callable[[], Iterable[Session]]) -> None:
        self._honoured = honoured
        self._sessions = sessions
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    async def listen(self, link: Link, wishes: Wishes) -> dict[str, Any]:
        """Hold the request open and tell it what changes, until the server ends it."""
        subscription = Subscription(link, self._honoured(wishes, link))
        acknowledged = msgspec.to_builtins(subscription.wishes)
        subscription.tell("notifications/subscriptions/acknowledged", {"notifications": acknowledged})
        self._subscriptions.add(subscription)
        if self._closed:
            subscription.ended.set()
        try:
            await subscription.ended.wait()
        finally:
            self._subscriptions.discard(subscription)
        return subscription.result()

    def changed(self, what: Changed) -> None:
        """A list has changed."""
        method = f"notifications/{what}/list_changed"
        for subscription in list(self._subscriptions):
            if getattr(subscription.wishes, f"{what}_list_changed"):
                subscription.tell(method, {})
        for session in self._sessions():
            session.tell(method, {})

    def updated(self, uri: str) -> None:
        """A resource has changed."""
        method = "notifications/resources/updated"
        for subscription in list(self._subscriptions):
            if uri in subscription.wishes.resource_subscriptions:
                subscription.tell(method, {"uri": uri})
        for session in self._sessions():
            if uri in session.watched:
                session.tell(method, {"uri": uri})

    def task(self, task_id: str, params: dict[str, Any]) -> None:
        """A task's status has changed."""
        for subscription in list(self._subscriptions):
            if task_id in subscription.wishes.task_ids:
                subscription.tell("notifications/tasks", params)

    def close(self) -> None:
        """End every subscription with its result, and those that are still to come."""
        self._closed = True
        for subscription in list(self._subscriptions):
            subscription.ended.set()
