"""Sizes as people write them."""

from __future__ import annotations

import pytest

from jobwatch import Client, ConfigError
from jobwatch._reading.sizes import size_of
from jobwatch._table.compile import api_of
from jobwatch._table.fields import TableError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1, 1),
        (65536, 65536),
        ("65536", 65536),
        ("16MiB", 16 * 1024**2),
        ("16 mib", 16 * 1024**2),
        (" 1.5KiB ", 1536),
        ("500kB", 500_000),
        ("2MB", 2_000_000),
        ("1GiB", 1024**3),
        ("12B", 12),
    ],
)
def test_a_size_is_bytes_or_a_text_with_a_unit(text: object, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "16M", "MiB", "-1", "1e9", "1.MiB", "16 MiB x", "\u0661MiB", 1.5, True, None, []])
def test_what_is_none_is_refused_with_the_right_form(text: object) -> None:
    with pytest.raises(ValueError, match="is no size: write 16MiB, 500kB or a number of bytes"):
        size_of(text)


@pytest.mark.parametrize("text", [0, -1, "0MiB", "1025MiB", "9GiB", 2**60, "0.0001B"])
def test_a_size_has_bounds(text: object) -> None:
    with pytest.raises(ValueError, match="is not between 1 byte and 1GiB"):
        size_of(text)


def test_a_table_and_a_client_name_the_key() -> None:
    table = {"job": "https://x.example/{job_id}", "status": "s"}
    assert api_of({**table, "max_body": "2MiB"}, "own").max_body == 2 * 1024**2
    for wrong in ("16M", -5, 1.5, True):
        with pytest.raises(TableError) as caught:
            api_of({**table, "max_body": wrong}, "own")
        assert caught.value.keys[0] == "max_body"
    with pytest.raises(ConfigError, match="max_body: '16M' is no size"):
        Client("bedrock", token="t", max_body="16M")
    with pytest.raises(ConfigError, match="a source has its own"):
        Client(source=object(), max_body=5)  # type: ignore[call-overload]
