"""Mutators: from good files to bad ones. The same random state gives the same bytes."""

import copy
import gzip
import io
import json
import random
import tomllib
import zipfile
from collections.abc import Callable, Sequence

from tests.fuzz import hostile

Mutator = Callable[[random.Random, Sequence[bytes]], bytes]

_BOUNDARIES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b'"', b"{", b"}", b"[", b"]", b",", b"=", b"\\", b"\xc3\x28")
_SIZES = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


def raw(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Flips, cuts, doubles, splices and overwritten sizes, without a thought about the format."""
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(content) + 1)
        end = min(len(content), place + rng.choice((1, 2, 4, 8, 64, 1000)))
        match rng.randrange(9):
            case 0 if content:
                content[place % len(content)] ^= 1 << rng.randrange(8)
            case 1:
                content[place:end] = rng.choice(_BOUNDARIES) * max(1, end - place)
            case 2:
                del content[place:]
            case 3:
                del content[place:end]
            case 4:
                content[place:place] = content[place:end] * rng.choice((1, 2, 50))
            case 5:
                content[place:end] = rng.randbytes(end - place)
            case 6:
                other = rng.choice(seeds)
                content[place:] = other[rng.randrange(len(other) + 1) :]
            case 7:
                width = rng.choice((1, 2, 4, 8))
                size = rng.choice(_SIZES) % 2 ** (8 * width)
                content[place : place + width] = size.to_bytes(width, rng.choice(("little", "big")))
            case _:
                content[place:place] = rng.choice(hostile.TEXTS).encode("utf-8", "surrogatepass")
    return bytes(content)


def json_text(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """JSON whose values, keys and shape were changed; now and then plain byte damage."""
    if rng.random() < 0.25:
        return raw(rng, seeds)
    document = json.loads(rng.choice(seeds))
    text = json.dumps(tree(rng, document), separators=(",", ":"))
    return hostile.filled(rng, text).encode("utf-8", "surrogatepass")


def toml_text(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """TOML whose values, keys and shape were changed; now and then plain byte damage."""
    if rng.random() < 0.3:
        return raw(rng, seeds)
    document = tree(rng, tomllib.loads(rng.choice(seeds).decode()))
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in document.items()] if isinstance(document, dict) else []
    return hostile.filled(rng, "\n".join(lines) or _toml(document)).encode("utf-8", "surrogatepass")


def _key(key: object) -> str:
    return json.dumps(str(key))


def _toml(value: object) -> str:
    """A value in TOML's inline form. What JSON writes of texts, TOML reads, but for surrogates."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return str(value) if value == value else "nan"
    return "true" if value is None else json.dumps(value)


def tree(rng: random.Random, document: object) -> object:
    """A copy of a document of dicts and lists in which some nodes were replaced, removed, doubled, moved or renamed."""
    root = {"": copy.deepcopy(document)}
    for _ in range(rng.choice((1, 1, 1, 2, 3, 10))):
        places = list(_places(root))
        holder, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                holder[key] = hostile.value(rng)
            case 1 | 2:
                holder[key] = hostile.similar(rng, holder[key])
            case 3 if holder is not root:
                del holder[key]
            case 4 if isinstance(holder, list):
                holder[key:key] = [copy.deepcopy(holder[key])] * rng.choice((1, 2, 40))
            case 5:
                other, from_key = rng.choice(places)
                holder[key] = copy.deepcopy(other[from_key])
            case 6 if isinstance(holder, dict) and holder is not root:
                holder[rng.choice((*hostile.TEXTS, "name", "status", "schema_version"))] = holder.pop(key)
            case 7 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                holder[key] = rng.choice(
                    (
                        -holder[key],
                        holder[key] * 2,
                        holder[key] + 1,
                        holder[key] * 0.3 if abs(holder[key]) < 2**64 else 0.3,
                    )
                )
            case _:
                holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])[:1000]))
    return root[""]


def _places(node: object) -> "list[tuple[dict | list, object]]":
    """Every (container, key) of a document."""
    found: list = []
    open_nodes = [node]
    while open_nodes:
        holder = open_nodes.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            found.append((holder, key))
            if isinstance(value, dict | list):
                open_nodes.append(value)
    return found


def safetensors(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A safetensors file whose header, or the metadata of ours in it, was changed; now and then plain byte damage."""
    if rng.random() < 0.3:
        return raw(rng, seeds)
    content = rng.choice(seeds)
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    ours = header.get("__metadata__", {})
    if "inflor_bench" in ours and rng.random() < 0.6:
        inner = json.dumps(tree(rng, json.loads(ours["inflor_bench"])))
        ours["inflor_bench"] = hostile.filled(rng, inner)
        text = json.dumps(header)
    else:
        text = hostile.filled(rng, json.dumps(tree(rng, header)))
    if rng.random() < 0.2:
        data = raw(rng, [data])
    encoded = text.encode("utf-8", "surrogatepass")
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + data


def zipped(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A zip archive (npz, torch's) with a changed member under a right checksum, or one renamed, doubled or missing."""
    if rng.random() < 0.25:
        return raw(rng, seeds)
    with zipfile.ZipFile(io.BytesIO(rng.choice(seeds))) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    index = rng.randrange(len(members))
    name, content = members[index]
    match rng.randrange(6):
        case 0 | 1 | 2:
            members[index] = name, raw(rng, [content])
        case 3:
            changed = rng.choice(
                ("../../../outside", "/tmp/outside", "", "a" * 300, name.upper(), "inputs.npy", "x.npy")
            )
            members[index] = changed, content
        case 4:
            members.append(members[index])
        case _:
            del members[index]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for member, content in members:
            archive.writestr(zipfile.ZipInfo(member or "x"), content)
    return made.getvalue()


def gzipped(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A gzip file: damaged itself, or of damaged content, or of far more content than it says."""
    content = gzip.decompress(rng.choice(seeds))
    match rng.randrange(3):
        case 0:
            return raw(rng, [gzip.compress(content, mtime=0)])
        case 1:
            return gzip.compress(raw(rng, [content]), mtime=0)
        case _:
            return gzip.compress(content + bytes(2 ** rng.randrange(8, 24)), mtime=0)


def torch_file(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A file of torch, in its format of today, a zip archive, or in the one before, a row of pickles."""
    chosen = rng.choice(seeds)
    return zipped(rng, [chosen]) if chosen.startswith(b"PK") else raw(rng, [chosen])
