"""The data: nodes that never change, so that a reader keeps what it looks at and a refused write leaves nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import TypeAlias

from rtdb.keys import PRIORITY, Path, key_order

Scalar: TypeAlias = bool | int | float | str


class Node:
    """One node: a scalar, or children by key, or nothing; each with or without a priority."""

    __slots__ = ("_ordered", "children", "priority", "value")

    def __init__(
        self,
        value: Scalar | None = None,
        children: Mapping[str, Node] | None = None,
        priority: Scalar | None = None,
        ordered: list[str] | None = None,
    ) -> None:
        self.value = value
        self.children: Mapping[str, Node] = children or {}
        self.priority = priority
        self._ordered = ordered

    @property
    def empty(self) -> bool:
        return self.value is None and not self.children

    @property
    def ordered(self) -> list[str]:
        """The keys of the children in the order of `keys.key_order`; not to be changed."""
        if self._ordered is None:
            self._ordered = sorted(self.children, key=key_order)
        return self._ordered

    def child(self, key: str) -> Node:
        if key == PRIORITY:
            return EMPTY if self.priority is None else Node(self.priority)
        return self.children.get(key, EMPTY)

    def at(self, path: Path) -> Node:
        """The node at a path, empty where there is none."""
        node = self
        for key in path:
            node = node.child(key)
        return node

    def with_priority(self, priority: Scalar | None) -> Node:
        """The same node with another priority; what is empty has none."""
        return self if self.empty else Node(self.value, self.children, priority, self._ordered)

    def with_child(self, key: str, child: Node) -> Node:
        """The node with one child put, replaced or (if `child` is empty) removed."""
        if key == PRIORITY:
            return self.with_priority(child.value)
        if child.empty and key not in self.children:
            return self
        children = dict(self.children)
        ordered = self._ordered
        if child.empty:
            del children[key]
            if not children:
                return EMPTY
            if ordered is not None:
                ordered = ordered.copy()
                del ordered[bisect_left(ordered, key_order(key), key=key_order)]
        else:
            if ordered is not None and key not in children:
                ordered = ordered.copy()
                ordered.insert(bisect_left(ordered, key_order(key), key=key_order), key)
            children[key] = child
        return Node(None, children, self.priority, ordered)

    def with_at(self, path: Path, node: Node) -> Node:
        """The node with another one at a path below it; priorities on the way are kept."""
        if not path:
            return node
        return self.with_child(path[0], self.child(path[0]).with_at(path[1:], node))

    def same(self, other: Node) -> bool:
        """Whether both hold the same values and priorities; `1` and `true` are not the same."""
        if self is other:
            return True
        return (
            _alike(self.value, other.value)
            and _alike(self.priority, other.priority)
            and self.children.keys() == other.children.keys()
            and all(child.same(other.children[key]) for key, child in self.children.items())
        )


def _alike(one: Scalar | None, other: Scalar | None) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


EMPTY = Node()
