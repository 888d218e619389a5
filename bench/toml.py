"""TOML that users write, checked by the model that says what may stand in it."""

from __future__ import annotations

import tomllib
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from inflor_bench.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def checked_toml(kind: type[Model], text: str, name: object, error: type[InputError]) -> Model:
    """The values that a text holds; `name` is how errors call its file.

    Raises:
        InputError: of the kind `error`, naming the first key that is wrong.
    """
    try:
        return kind.model_validate(tomllib.loads(text))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise error(f"{name}: key {key!r}: {first['msg'][0].lower()}{first['msg'][1:]}: correct it.") from None
    except (ValueError, RecursionError) as invalid:  # also a number of more digits than Python reads
        raise error(f"{name}: this is not TOML ({invalid}): correct it.") from None
