import json

from inflor_bench.record.json_schema import PUBLISHED, record_schema
from tests.record.builders import make_record


def test_the_published_schema_is_current():
    assert PUBLISHED.read_text("utf-8") == record_schema(), "run: python -m inflor_bench.record.json_schema"


def test_the_schema_names_every_key_of_a_record():
    schema = json.loads(record_schema())
    document = make_record().model_dump(mode="json")

    def keys(definition: dict, value: object) -> None:
        if "$ref" in definition:
            definition = schema["$defs"][definition["$ref"].rpartition("/")[2]]
        if "oneOf" in definition and isinstance(value, dict):
            definition = schema["$defs"][definition["discriminator"]["mapping"][value["status"]].rpartition("/")[2]]
        if isinstance(value, dict) and "properties" in definition:
            assert value.keys() <= definition["properties"].keys()
            assert definition["additionalProperties"] is False
            for key, item in value.items():
                keys(definition["properties"][key], item)
        if isinstance(value, list) and "items" in definition:
            for item in value:
                keys(definition["items"], item)

    keys(schema, document)
    assert set(schema["required"]) >= {"name", "provenance", "accuracy", "synops", "power"}
