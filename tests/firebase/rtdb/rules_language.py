"""The expressions of security rules: read once, then evaluated for each request.

A subset of the documented language that holds everything the documentation's examples use, but for `query.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from rtdb.keys import Path
from rtdb.tree import Node

Scope: TypeAlias = Mapping[str, Any]
Expression: TypeAlias = Callable[[Scope], Any]


class RulesError(Exception):
    """An expression that cannot be read, or that asks for what is not there: then it is not fulfilled."""


class Snapshot:
    """A place in the data, as `data`, `newData` and `root` show it."""

    def __init__(self, root: Node, path: Path = ()) -> None:
        self._root = root
        self._path = path
        self._node = root.at(path)

    def child(self, path: str) -> Snapshot:
        return Snapshot(self._root, self._path + tuple(part for part in _text(path).split("/") if part))

    def parent(self) -> Snapshot:
        if not self._path:
            raise RulesError("the root has no parent")
        return Snapshot(self._root, self._path[:-1])

    def val(self) -> Any:
        return self._node.value if not self._node.children else self

    def exists(self) -> bool:
        return not self._node.empty

    def hasChild(self, path: str) -> bool:  # noqa: N802
        return self.child(path).exists()

    def hasChildren(self, keys: list[str] | None = None) -> bool:  # noqa: N802
        return bool(self._node.children) if keys is None else all(self.hasChild(key) for key in keys)

    def isString(self) -> bool:  # noqa: N802
        return isinstance(self._node.value, str)

    def isNumber(self) -> bool:  # noqa: N802
        return _is_number(self._node.value)

    def isBoolean(self) -> bool:  # noqa: N802
        return isinstance(self._node.value, bool)

    def getPriority(self) -> Any:  # noqa: N802
        return self._node.priority


SNAPSHOT_METHODS = frozenset(
    (
        "child",
        "parent",
        "val",
        "exists",
        "hasChild",
        "hasChildren",
        "isString",
        "isNumber",
        "isBoolean",
        "getPriority",
    )
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RulesError("a text is needed")
    return value


def _number(value: Any) -> int | float:
    if not _is_number(value):
        raise RulesError("a number is needed")
    return value


TEXT_METHODS: Mapping[str, Callable[..., Any]] = {
    "contains": lambda text, part: _text(part) in text,
    "beginsWith": lambda text, part: text.startswith(_text(part)),
    "endsWith": lambda text, part: text.endswith(_text(part)),
    "replace": lambda text, old, new: text.replace(_text(old), _text(new)),
    "toLowerCase": lambda text: text.lower(),
    "toUpperCase": lambda text: text.upper(),
    "matches": lambda text, pattern: pattern.search(text) is not None,
}

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<name>\$?[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>===|!==|==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]])
    )""",
    re.VERBOSE,
)
_PATTERN = re.compile(r"\s*/((?:[^/\\]|\\.)+)/(i?)")
_ESCAPE = re.compile(r"\\(.)")

_TIGHTNESS = (("||",), ("&&",), ("==", "===", "!=", "!=="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _before(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    return _number(one) < _number(other)


def _plus(one: Any, other: Any) -> Any:
    if isinstance(one, str) or isinstance(other, str):
        return "".join(part if isinstance(part, str) else f"{_number(part)}" for part in (one, other))
    return _number(one) + _number(other)


_ACTS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": _same,
    "===": _same,
    "!=": lambda one, other: not _same(one, other),
    "!==": lambda one, other: not _same(one, other),
    "<": _before,
    "<=": lambda one, other: not _before(other, one),
    ">": lambda one, other: _before(other, one),
    ">=": lambda one, other: not _before(one, other),
    "+": _plus,
    "-": lambda one, other: _number(one) - _number(other),
    "*": lambda one, other: _number(one) * _number(other),
    "/": lambda one, other: _number(one) / _number(other),
    "%": lambda one, other: _number(one) % _number(other),
}


def _true(value: Any) -> bool:
    if not isinstance(value, bool):
        raise RulesError("true or false is needed")
    return value


class _Reader:
    """Recursive descent over one expression."""

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self._text = text
        self._names = names
        self._at = 0
        self._next: re.Match[str] | None = None
        self._step()

    def _step(self) -> None:
        if not self._text[self._at :].strip():
            self._next = None
            self._at = len(self._text)
            return
        self._next = _TOKEN.match(self._text, self._at)
        if self._next is None:
            raise RulesError(f"cannot read {self._text[self._at :].strip()[:20]!r}")
        self._at = self._next.end()

    def _is(self, *signs: str) -> str | None:
        found = None if self._next is None else self._next["sign"]
        return found if found in signs else None

    def _take(self, sign: str) -> None:
        if not self._is(sign):
            raise RulesError(f"{sign!r} is missing in {self._text!r}")
        self._step()

    def read(self) -> Expression:
        made = self._choice()
        if self._next is not None:
            raise RulesError(f"{self._next[0].strip()!r} is too much in {self._text!r}")
        return made

    def _choice(self) -> Expression:
        asked = self._chain(0)
        if not self._is("?"):
            return asked
        self._step()
        yes = self._choice()
        self._take(":")
        no = self._choice()
        return lambda scope: yes(scope) if _true(asked(scope)) else no(scope)

    def _chain(self, tightness: int) -> Expression:
        if tightness == len(_TIGHTNESS):
            return self._unary()
        made = self._chain(tightness + 1)
        while sign := self._is(*_TIGHTNESS[tightness]):
            self._step()
            made = self._both(sign, made, self._chain(tightness + 1))
        return made

    @staticmethod
    def _both(sign: str, one: Expression, other: Expression) -> Expression:
        if sign == "&&":
            return lambda scope: _true(one(scope)) and _true(other(scope))
        if sign == "||":
            return lambda scope: _true(one(scope)) or _true(other(scope))
        act = _ACTS[sign]
        return lambda scope: act(one(scope), other(scope))

    def _unary(self) -> Expression:
        if self._is("!"):
            self._step()
            denied = self._unary()
            return lambda scope: not _true(denied(scope))
        if self._is("-"):
            self._step()
            number = self._unary()
            return lambda scope: -_number(number(scope))
        made = self._primary()
        while self._is(".", "["):
            if self._is("["):
                self._step()
                key = self._choice()
                self._take("]")
                made = self._member(made, key)
                continue
            self._step()
            if self._next is None or self._next["name"] is None:
                raise RulesError(f"a name is missing after the point in {self._text!r}")
            name = self._next["name"]
            self._step()
            made = self._call(made, name) if self._is("(") else self._member(made, lambda _scope, name=name: name)
        return made

    @staticmethod
    def _member(owner: Expression, key: Expression) -> Expression:
        def get(scope: Scope) -> Any:
            value, name = owner(scope), key(scope)
            if isinstance(value, str) and name == "length":
                return len(value)
            if isinstance(value, Mapping):
                return value.get(name)
            raise RulesError(f"nothing has {name!r} here")

        return get

    def _call(self, owner: Expression, name: str) -> Expression:
        arguments: list[Expression] = []
        if name == "matches":
            found = _PATTERN.match(self._text, self._at)
            if found is None:
                raise RulesError(f"matches needs a pattern in {self._text!r}")
            pattern = re.compile(found[1], re.IGNORECASE if found[2] else 0)
            arguments.append(lambda _scope: pattern)
            self._at = found.end()
            self._step()
        else:
            self._step()
            while not self._is(")"):
                arguments.append(self._choice())
                if not self._is(")"):
                    self._take(",")
        self._take(")")

        def call(scope: Scope) -> Any:
            value = owner(scope)
            given = [argument(scope) for argument in arguments]
            if isinstance(value, Snapshot) and name in SNAPSHOT_METHODS:
                return getattr(value, name)(*given)
            if isinstance(value, str) and name in TEXT_METHODS:
                return TEXT_METHODS[name](value, *given)
            raise RulesError(f"nothing has {name}() here")

        return call

    def _primary(self) -> Expression:
        token = self._next
        if token is None:
            raise RulesError(f"{self._text!r} ends too early")
        self._step()
        if token["number"]:
            number = float(token["number"]) if "." in token["number"] else int(token["number"])
            return lambda _scope: number
        if token["text"]:
            text = _ESCAPE.sub(r"\1", token["text"][1:-1])
            return lambda _scope: text
        if token["name"]:
            return self._name(token["name"])
        if token["sign"] == "(":
            made = self._choice()
            self._take(")")
            return made
        if token["sign"] == "[":
            items: list[Expression] = []
            while not self._is("]"):
                items.append(self._choice())
                if not self._is("]"):
                    self._take(",")
            self._take("]")
            return lambda scope: [item(scope) for item in items]
        raise RulesError(f"{token[0].strip()!r} cannot begin anything in {self._text!r}")

    def _name(self, name: str) -> Expression:
        constants = {"true": True, "false": False, "null": None}
        if name in constants:
            constant = constants[name]
            return lambda _scope: constant
        if name not in self._names:
            raise RulesError(f"{name!r} is not known")
        return lambda scope: scope[name]


def read_expression(text: str, names: frozenset[str]) -> Expression:
    """The function of a rule; raises `RulesError` for what is no expression of these names."""
    return _Reader(text, names).read()
