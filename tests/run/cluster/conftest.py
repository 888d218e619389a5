"""These tests need Ray: `tox run -e sweep`, or `pip install ray` and `pytest tests/run/cluster`."""

import pytest

pytest.importorskip("ray", reason="Ray is not installed: `tox run -e sweep` installs it and runs these tests")
