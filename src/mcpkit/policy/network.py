"""Rules about hosts and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from mcpkit.config.hosts import Address, HostError, parse_host, special
from mcpkit.config.policy import NetworkRule, ports_of
from mcpkit.policy.decision import ALLOW, DENY, NOTHING, Decision, Entry, strongest
from mcpkit.policy.names import LONGEST_REMEMBERED, REMEMBERED


class _Reach(msgspec.Struct, frozen=True):
    """One rule: its decision, and the ports and protocols that it is about (empty: all)."""

    decision: Decision
    ports: tuple[tuple[int, int], ...]
    protocols: frozenset[str]
    special: str = ""
    """The one range, not of the public internet, that all its addresses are in."""

    def means(self, port: int, protocol: str) -> bool:
        if self.protocols and protocol not in self.protocols:
            return False
        return not self.ports or any(first <= port <= last for first, last in self.ports)


class NetworkTable:
    """As for names, an exact host or address comes before ``*.DOMAIN``, ``*`` and networks.

    Addresses that are not of the public internet are reached only where a rule names them, or a network that lies
    within their range: ``*`` and ``0.0.0.0/0`` do not mean them.
    """

    def __init__(self, entries: Sequence[Entry], default: Decision) -> None:
        self.entries = tuple(entries)
        self.default = default
        self._names: dict[str, list[_Reach]] = {}
        self._domains: dict[str, list[_Reach]] = {}
        self._every: list[_Reach] = []
        self._addresses: dict[Address, list[_Reach]] = {}
        self._networks: dict[int, dict[int, dict[int, list[_Reach]]]] = {32: {}, 128: {}}
        """By bits of the address, by bits after the prefix, by prefix."""
        for entry in entries:
            self._file(entry)
        self._known: dict[tuple[str, int, str], Decision] = {}

    def _file(self, entry: Entry) -> None:
        rule: NetworkRule = entry.rule
        ports = tuple(found for text in rule.ports if (found := ports_of(text)) is not None)
        protocols = frozenset(rule.protocols)
        if "tcp" in protocols:
            protocols |= {"http", "https"}
        reach = _Reach(entry.decision, ports, protocols)
        if rule.cidr is not None:
            self._network(rule.cidr, reach)
        elif rule.host == "*":
            self._every.append(reach)
        elif rule.host is not None and rule.host.startswith("*."):
            self._domains.setdefault(f".{parse_host(rule.host[2:])}", []).append(reach)
        else:
            host = parse_host(rule.host or "")
            if isinstance(host, Address):
                within = msgspec.structs.replace(reach, special=special(host))
                self._addresses.setdefault(host, []).append(within)
            else:
                self._names.setdefault(host, []).append(reach)

    def _network(self, cidr: str, reach: _Reach) -> None:
        network = ipaddress.ip_network(cidr)
        bits, length = network.max_prefixlen, network.prefixlen
        first, last = int(network.network_address), int(network.broadcast_address)
        if bits == 128 and first >> 32 == 0xFFFF:  # a network of IPv4 written as IPv6
            bits, length, first, last = 32, length - 96, first & 0xFFFFFFFF, last & 0xFFFFFFFF
        within = special(Address(bits, first))
        if within == special(Address(bits, last)):
            reach = msgspec.structs.replace(reach, special=within)
        by_prefix = self._networks[bits].setdefault(bits - length, {})
        by_prefix.setdefault(first >> (bits - length), []).append(reach)

    def decide(self, host: str, port: int, protocol: str = "tcp") -> Decision:
        """Whether a guest may connect to what it calls `host`. Where that is a name, its addresses are still to be
        checked: see `check_addresses`."""
        key = (host, port, protocol)
        known = self._known.get(key)
        return known if known is not None else self._new(key)

    def _new(self, key: tuple[str, int, str]) -> Decision:
        host, port, protocol = key
        try:
            where = parse_host(host)
        except HostError as error:
            return _refused(f"denied: {host[:64]!r} {error}")
        if isinstance(where, Address):
            decision = self._address(where, port, protocol, self._every)
        else:
            decision = strongest(self._by_name(where, port, protocol), self.default)
        if len(host) <= LONGEST_REMEMBERED:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = decision
        return decision

    def check_addresses(self, host: str, addresses: Sequence[str], port: int, protocol: str = "tcp") -> Decision:
        """Whether a guest may connect to `host`, now that its name was resolved: every address must be allowed.

        To be asked with the addresses that are then connected to, and anew each time a name is resolved.
        """
        named = self.decide(host, port, protocol)
        if not named.allowed and named.decided:
            return named
        if not addresses:
            return _refused(f"denied: {host[:64]!r} has no addresses")
        decision = named
        for text in addresses:
            try:
                address = parse_host(text)
            except HostError:
                address = ""
            if not isinstance(address, Address):
                return _refused(f"denied: {text[:64]!r}, an answer for {host[:64]!r}, is not an address")
            decision = self._answer(address, port, protocol, named, host)
            if not decision.allowed:
                return decision
        return decision

    def _answer(self, address: Address, port: int, protocol: str, named: Decision, host: str) -> Decision:
        found = self._address(address, port, protocol, [])
        if found.decided or not named.allowed:
            return found
        kind = special(address)
        if kind == "this machine" and named.strength == ALLOW and _is_localhost(host):
            return named
        return named if not kind else _not_public(address, kind)

    def _by_name(self, name: str, port: int, protocol: str) -> list[Decision]:
        found = _meaning(self._names.get(name, ()), port, protocol)
        at = name.find(".")
        while at >= 0:
            suffix = name[at:]
            if suffix in self._domains:
                found += _meaning(self._domains[suffix], port, protocol)
            at = name.find(".", at + 1)
        return found + _meaning(self._every, port, protocol)

    def _address(self, address: Address, port: int, protocol: str, every: list[_Reach]) -> Decision:
        reaches = [*self._addresses.get(address, ()), *every]
        for rest, by_prefix in self._networks[address.bits].items():
            reaches += by_prefix.get(address.value >> rest, ())
        kind = special(address)
        public_only = [
            reach.decision
            for reach in reaches
            if reach.means(port, protocol) and (not kind or reach.special == kind or not reach.decision.allowed)
        ]
        if not public_only and kind:
            return _not_public(address, kind)
        return strongest(public_only, self.default)

    def alone(self) -> Iterator[tuple[Entry, NetworkTable]]:
        for entry in self.entries:
            yield entry, NetworkTable([entry], self.default)


def _meaning(reaches: Sequence[_Reach], port: int, protocol: str) -> list[Decision]:
    return [reach.decision for reach in reaches if reach.means(port, protocol)]


def _is_localhost(host: str) -> bool:
    name = parse_host(host)
    return isinstance(name, str) and (name == "localhost" or name.endswith(".localhost"))


def _refused(why: str) -> Decision:
    return Decision(allowed=False, rule="", why=why, strength=DENY)


def _not_public(address: Address, kind: str) -> Decision:
    why = (
        f"denied: {address} is not of the public internet ({kind}), and no rule names it or a network within its range"
    )
    return Decision(allowed=False, rule="", why=why, strength=NOTHING)
