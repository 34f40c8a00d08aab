"""Settings of the server: GRAFT_* environment variables; options of `serve` override them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from graft.runtime.cpu_threads import available_cores
from graft.runtime.device import Device
from service.auth import require_key_outside_loopback


class Settings(BaseSettings):
    """The validated settings of one server."""

    model_config = SettingsConfigDict(env_prefix="GRAFT_", frozen=True, extra="forbid")

    models: Path = Path("models")  # the model repository
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)  # 0: any free one
    api_key: SecretStr | None = None
    allow_anyone: bool = False  # outside loopback without a key
    versions: int = Field(2, ge=1, le=100)  # of each model, newest first
    poll: float = Field(1.0, gt=0, le=3600)  # seconds between two scans for new versions
    max_body: int = Field(16 << 20, ge=1024)  # bytes
    upload: float = Field(60.0, gt=0, le=3600)  # seconds within which a request must arrive
    max_images: int = Field(64, ge=1)  # in one request
    max_texts: int = Field(1024, ge=1)  # in one request; token ids count as their text
    max_tokens: int = Field(1 << 18, ge=1)  # of one request to /v1/embeddings
    workers: int = Field(default_factory=available_cores, ge=1, le=1024)  # threads; "auto": one for each core
    device: Device = "auto"
    max_waiting: int = Field(128, ge=0)  # samples that may wait for a free core
    drain: float = Field(1.0, ge=0, le=300)  # seconds of "not ready" after SIGTERM before the port is closed

    @field_validator("workers", mode="before")
    @classmethod
    def _resolve_auto_workers(cls, workers: object) -> object:
        return available_cores() if workers == "auto" else workers

    @field_validator("api_key")
    @classmethod
    def _blank_to_none(cls, key: SecretStr | None) -> SecretStr | None:
        return key if key and key.get_secret_value().strip() else None

    @model_validator(mode="after")
    def _check_key_outside_loopback(self) -> Self:
        if not self.allow_anyone:
            require_key_outside_loopback(self.host, self.api_key)
        return self

    @property
    def url(self) -> str:
        """The address at which this machine reaches the server."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
