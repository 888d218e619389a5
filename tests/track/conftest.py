import pytest

from tests.track.repository import Repository


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty git repository; git asks for no configuration of the user's."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repository", home)
