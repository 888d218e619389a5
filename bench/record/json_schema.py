"""The published JSON schema of a record, docs/record.schema.json: `python -m inflor_bench.record.json_schema`."""

from __future__ import annotations

import json
from pathlib import Path

from inflor_bench.files import write_text
from inflor_bench.record.schema import SCHEMA_VERSION, Record

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "record.schema.json"


def record_schema() -> str:
    """Return the schema of the records that this version writes and reads, as JSON text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"InfLoR-Bench record, version {SCHEMA_VERSION}",
        **{key: value for key, value in Record.model_json_schema().items() if key != "title"},
    }
    return json.dumps(schema, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    write_text(PUBLISHED, record_schema())
