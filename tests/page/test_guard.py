"""Who is let in: which requests are answered, and what goes with each answer. No browser, no server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import ConfigError
from jobwatch._serving.page.address import Address, address_of
from jobwatch._serving.page.guard import HEADERS, POLICY, Asked, Place, refusal
from jobwatch._serving.page.server import _ASSETS

KEY = "k" * 43
BEARER = f"Bearer {KEY}"
METHODS = {Place.FRAME: "GET", Place.PART: "HEAD", Place.NEWS: "GET", Place.ENTRY: "POST"}


def status(place: Place = Place.NEWS, **asked: Any) -> int:
    """Return the status of a refusal, or 200."""
    given_ = {"method": "GET", "host": "127.0.0.1:8787", "authorization": BEARER, **asked}
    secret = KEY if place in {Place.NEWS, Place.ENTRY} else None
    refused = refusal(Asked(**given_), place, secret, {"watch.example.com"})
    return 200 if refused is None else refused.status


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8787", "localhost:8787", "LOCALHOST", "[::1]:8787", "10.1.2.3:9000", "watch.example.com", "[fe80::1]"],
)
def test_it_answers_by_its_own_names(host: str) -> None:
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example:8787",
        "localhost.evil.example",
        "watch.example.com.evil.example",
        "127.0.0.1.evil.example:8787",
        "127.0.0.1@evil.example",
        "evil.example/127.0.0.1",
        "[::1].evil.example",
        "0x7f.evil.example",
        "localhost:80:80",
        "localhost evil.example",
    ],
)
def test_a_name_that_somebody_else_has_bent_to_lead_here_is_refused(host: str | None) -> None:
    for place in Place:
        assert status(place, host=host) == 421


def test_nothing_is_told_without_the_key() -> None:
    for shown in (
        None,
        "",
        "Bearer",
        "Bearer ",
        KEY,
        f"Basic {KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        "Bearer é",
    ):
        assert status(authorization=shown) == 401
    assert status(authorization=f"bearer {KEY}") == 200


def test_the_page_itself_holds_nothing_and_needs_no_key() -> None:
    assert status(Place.FRAME, authorization=None) == status(Place.PART, authorization=None) == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1", "file://"]
)
def test_a_request_of_another_page_is_refused(origin: str) -> None:
    for place in Place:
        assert status(place, origin=origin, method=METHODS[place]) == 403


def test_a_request_of_the_page_itself_is_answered_behind_a_proxy_that_speaks_tls_too() -> None:
    assert status(origin="http://127.0.0.1:8787") == 200
    assert status(origin="https://watch.example.com", host="watch.example.com") == 200


def test_what_a_browser_asks_for_on_behalf_of_another_site_is_refused() -> None:
    for site in ("cross-site", "same-site", "none", "anything"):
        assert status(site=site, mode="cors", dest="empty") == 403
        assert status(Place.PART, site=site, mode="no-cors", dest="script") == 403
        assert status(Place.FRAME, site=site, mode="no-cors", dest="image") == 403
    assert status(site="same-origin") == status(Place.PART, site="same-origin") == 200


def test_somebody_may_come_to_the_page_by_a_link_and_by_its_address_but_in_no_frame() -> None:
    for site in ("none", "cross-site"):
        assert status(Place.FRAME, site=site, mode="navigate", dest="document") == 200
        assert status(Place.FRAME, site=site, mode="navigate", dest="iframe") == 403
        assert status(Place.NEWS, site=site, mode="navigate", dest="document") == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(method: str) -> None:
    assert status(method=method) == status(Place.FRAME, method=method) == status(Place.PART, method=method) == 405


def test_the_word_of_a_link_is_only_taken_by_a_post_of_the_page() -> None:
    assert status(Place.ENTRY, method="POST", site="same-origin", origin="http://127.0.0.1:8787") == 200
    assert status(Place.ENTRY, method="GET") == 405
    assert status(Place.ENTRY, method="POST", authorization=None) == 401
    assert status(Place.ENTRY, method="POST", site="same-site", mode="cors", dest="empty") == 403


@given(st.text(max_size=60))
def test_no_key_is_right_but_the_one(shown: str) -> None:
    assert status(authorization=f"Bearer {shown}") == (200 if shown.strip() == KEY else 401)


def test_the_policy_lets_in_nothing_inline_and_nothing_from_elsewhere() -> None:
    rules = dict(rule.strip().partition(" ")[::2] for rule in POLICY.split(";"))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules.pop("frame-ancestors") == rules.pop("trusted-types") == "'none'"
    assert rules.pop("require-trusted-types-for") == "'script'"
    assert set(rules.values()) == {"'self'"}
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_the_page_asks_for_nothing_elsewhere_and_has_nothing_inline() -> None:
    files = {file.name: file.read_text("utf-8") for file in _ASSETS.iterdir()}
    page = files["page.html"]
    assert re.findall(r"<(?:style|iframe|object|embed|base|form(?! method=\"dialog\"))", page) == []
    assert re.findall(r"\s(?:style|on\w+)=", page) == []
    assert re.findall(r"<script(?! type=\"module\" src=\"/[\w.]+\"></script>)", page) == []
    # What a namespace of SVG is called is no address that anything is asked at.
    assert {url for text in files.values() for url in re.findall(r"https?://[\w./-]+", text)} == {
        "http://www.w3.org/2000/svg"
    }
    for name, text in files.items():
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
            assert {f"{part}" for part in re.findall(r'from "\./([\w.]+)"', text)} <= set(files)


# --- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8787", Address("127.0.0.1", 8787)),
        ("[::1]:0", Address("::1", 0)),
        ("LocalHost:80", Address("localhost", 80)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),
        ("watch.example.com:8787", Address("watch.example.com", 8787)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: Address) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "8787", ":8787", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:+80", "127.0.0.1:8_0", "127.0.0.1:٨٠", "::1:80", "[127.0.0.1]:80", "[::1:80", "[fe80::1%eth0]:80",
        "http://127.0.0.1:80", "a b:80", "user@host:80", "-host:80", "256.1.1.1:80", "127.1:80", "1:80",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_word_of_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT"):
        address_of(text)


def test_which_addresses_only_this_machine_can_reach() -> None:
    assert all(address_of(text).is_loopback for text in ("127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "localhost:1"))
    assert not any(address_of(text).is_loopback for text in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "a.example:1"))
    assert [address_of(text).is_any for text in ("0.0.0.0:1", "[::]:1", "127.0.0.1:1")] == [True, True, False]
