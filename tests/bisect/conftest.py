from tests.track.conftest import repository

__all__ = ["repository"]
