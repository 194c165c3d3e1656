"""What the binding, a C extension, makes of a Python number: it must fit a C type."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex, SupportsInt

    Number = int | SupportsInt | SupportsIndex


def integer(value: Number, bits: int, name: str, *, signed: bool = True) -> int:
    """Give a number as the C type `name` of so many bits holds it.

    Raises:
        TypeError: not a number, or one with a fraction.
        OverflowError: it does not fit.
    """
    if not isinstance(value, int):
        convert = getattr(value, "__index__", None) or getattr(value, "__int__", None)
        if convert is None:
            raise TypeError("an integer is required")
        number = int(convert())
        if isinstance(value, float) and number != value:
            raise TypeError(f"an integer is required, not {value}")
        value = number
    if value < 0 and not signed:
        raise OverflowError(f"can't convert negative value to {name}")
    limit = 1 << (bits - signed)
    if not -limit <= value < limit:
        raise OverflowError(f"value too large to convert to {name}")
    return int(value)


def c_int(value: Number) -> int:
    """A C `int`."""
    return integer(value, 32, "int")


def c_uint(value: Number) -> int:
    """A C `unsigned int`."""
    return integer(value, 32, "unsigned int", signed=False)


def c_uint64(value: Number) -> int:
    """A C `uint64_t`."""
    return integer(value, 64, "uint64_t", signed=False)


def token(value: Number) -> int:
    """An architecture's token, as the kernel's unsigned number.

    The binding takes a C `int` only, though its `system_arch()` gives the unsigned number; here both do.
    """
    number = integer(value, 64, "int")
    if not -(1 << 31) <= number < 1 << 32:
        raise OverflowError("value too large to convert to int")
    return number & 0xFFFFFFFF
