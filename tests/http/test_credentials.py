"""What goes with every request: headers and a part of the query, which no repr shows."""

from __future__ import annotations

import pytest
from yarl import URL

from jobwatch import Fault, FaultKind
from jobwatch._http.credentials import Credentials
from jobwatch._http.secrets import without


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Authorization": "Bearer x", "X-A": "a b\tc"}, None),
        ({"X A": "x"}, "not a header name: X A"),
        ({"X\u202e": "x"}, "not a header name: X\\u202e"),
        ({"Host": "x"}, "the header Host is not for the caller to set"),
        ({"If-None-Match": "x"}, "the header If-None-Match is not for the caller to set"),
        ({"X-Key": "top-secret\n"}, "the value of the header X-Key is empty or not printable ASCII"),
        ({"X-Key": ""}, "the value of the header X-Key is empty"),
        ({"X-Key": "t\u00f6p-secret"}, "the value of the header X-Key"),
    ],
)
def test_headers_that_cannot_be_sent_are_named_and_their_values_never(headers: dict[str, str], why: str | None) -> None:
    trouble = Credentials(headers, None).trouble()
    assert (trouble is None) if why is None else (trouble or "").startswith(why)
    assert "secret" not in (trouble or "")


def test_the_callers_headers_are_over_ours() -> None:
    sent = Credentials({"accept": "text/plain", "Authorization": "Bearer x"}, None).complete(
        URL("https://a.test:8443/x")
    )
    assert sent["Host"] == "a.test:8443"
    assert (sent["accept"], sent["Accept-Encoding"], sent["Cache-Control"]) == ("text/plain", "identity", "no-cache")
    assert "Accept" not in sent
    assert sent["User-Agent"].startswith("jobwatch")
    assert "Host" not in Credentials({}, None).complete()


def test_a_body_is_json_unless_the_caller_says_otherwise() -> None:
    assert Credentials({}, None).of_body() == {"Content-Type": "application/json"}
    assert Credentials({"content-type": "text/xml"}, None).of_body() is None


def test_the_token_in_the_query_is_encoded() -> None:
    assert Credentials({}, ("api_key", "a&b=c")).query() == "api_key=a%26b%3Dc"
    assert Credentials({}, None).query() is None


def test_a_fault_is_scrubbed_of_headers_query_body_and_token() -> None:
    credentials = Credentials({"X-Key": "header-secret", "Accept": "application/json"}, ("key", "query-token"))
    said = "header-secret query-token url-secret body-secret application/json visible"
    scrubbed = credentials.scrubbed(
        Fault(FaultKind.REFUSED, said),
        URL("https://a.test/x?sig=url-secret&page=visible"),
        b'{"password":"body-secret"}',
    )
    assert scrubbed.message == "*** *** *** *** application/json visible"


def test_no_repr_shows_them() -> None:
    assert repr(Credentials({"X-Key": "header-secret"}, ("key", "query-token"))) == "Credentials()"


@pytest.mark.parametrize("said", ["HEADER-SECRET-7Q", "header-secret-7q", "x.header-secret-7q.test", "cut: HEADER-SEC"])
def test_a_secret_is_masked_whatever_its_case(said: str) -> None:
    fault = Credentials({"X-Key": "Header-Secret-7q"}, None).scrubbed(
        Fault(FaultKind.REFUSED, f"redirected to {said}", code=said, request_id=said), URL("https://a.test/"), None
    )
    for text in (fault.message, fault.code, fault.request_id):
        assert "***" in (text or "")
        assert "header-s" not in (text or "").lower()


def test_what_is_no_secret_keeps_its_letters() -> None:
    fault = Fault(FaultKind.REFUSED, "\u0130 SECRET-1234 \u00c4 secret-1234 \u0130")
    assert without(frozenset({"Secret-1234"}), fault).message == "\u0130 *** \u00c4 *** \u0130"
