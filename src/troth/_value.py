"""Frozen records for the layers that enforce.

`dataclasses` and `enum` would be the natural tools, but importing them costs more than
importing all of troth (they pull in `inspect` and `re`), and a program that confines itself
pays at every start. `Value` gives the part that is needed: fields, equality, hash, repr.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self


class Value:
    """A frozen record whose fields are the subclass's `__slots__`, in order.

    A subclass names its fields twice, once in `__slots__` and once as annotations, and may
    give `_defaults` for trailing fields and a `_check` method that raises on a broken invariant.

    >>> class Point(Value):
    ...     __slots__ = ("x", "y")
    ...     _defaults = {"y": 0}
    >>> Point(1)
    Point(x=1, y=0)
    >>> Point(1, 2) == Point(x=1, y=2)
    True
    """

    __slots__: tuple[str, ...] = ()
    _defaults: dict[str, Any] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        fields = self.__slots__
        if len(args) > len(fields):
            raise TypeError(f"{type(self).__name__} takes {len(fields)} fields, got {len(args)}")
        put = object.__setattr__
        for name, value in zip(fields, args, strict=False):
            put(self, name, value)
        for name in fields[len(args) :]:
            if name in kwargs:
                put(self, name, kwargs.pop(name))
            elif name in self._defaults:
                put(self, name, self._defaults[name])
            else:
                raise TypeError(f"{type(self).__name__} needs `{name}`")
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no field `{next(iter(kwargs))}`")
        self._check()

    def _check(self) -> None:
        """Raise when the fields break the record's invariant."""

    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot set `{name}`")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: cannot delete `{name}`")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self._key())

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some fields changed; the invariant is checked again."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return type(self)(**(fields | changes))
