import pytest
from hypothesis import settings

from tests.track.repository import Repository

# Imports of scipy and a busy machine are no failures: nothing here asserts on seconds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty git repository; git asks for no configuration of the user's."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repository", home)
