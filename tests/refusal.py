"""What is refused is said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def one_sentence(kind: type[Exception], match: str, *named: object) -> Iterator[None]:
    """The block raises exactly this kind, whose one line matches and names all of these."""
    with pytest.raises(kind, match=match) as caught:
        yield
    said = str(caught.value)
    assert caught.type is kind
    assert "\n" not in said
    assert all(str(one) in said for one in named), said
