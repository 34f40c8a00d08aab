"""Settings: environment, options, and the API key that other hosts than loopback need."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.auth import is_loopback
from service.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_api_key(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).api_key is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.com", "127.0.0.1.example.com"])  # noqa: S104
def test_binding_beyond_loopback_needs_an_api_key_or_consent(host: str) -> None:
    with pytest.raises(ValidationError, match="no API key"):
        Settings(host=host)
    with pytest.raises(ValidationError, match="no API key"):
        Settings(host=host, api_key="  ")
    assert Settings(host=host, api_key="k").api_key
    assert Settings(host=host, allow_anyone=True).allow_anyone


def test_settings_from_flags_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_PORT", "9001")
    monkeypatch.setenv("GRAFT_API_KEY", "secret")
    assert Settings().port == 9001
    assert Settings(port=9002).port == 9002
    assert "secret" not in repr(Settings())


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")])  # noqa: S104
def test_settings_url_is_reachable_from_this_machine(host: str, url: str) -> None:
    assert Settings(host=host, port=80, api_key="k").url == url
