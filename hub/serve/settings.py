"""Settings of the HTTP server: its certificates, who they stand for, and what one caller may take of it."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ServerSettings(BaseModel):
    """How the server is guarded: `[server]`.

    With `certificate_file` and `key_file` it speaks TLS alone. The files are read again at the next
    connection once they were replaced on disk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate_file: Path | None = Field(None, description="PEM: the server's certificate and its chain.")
    key_file: Path | None = Field(None, description="PEM: the certificate's private key, unencrypted.")
    client_ca_file: Path | None = Field(
        None, description="PEM: who may issue client certificates; one that is shown must be theirs."
    )
    clients_file: Path | None = Field(
        None, description="Who holds which client certificate, as [[clients]]; see `hub/serve/clients.py`."
    )
    client_certificate_required: bool = Field(
        False, description="Refuse every connection without a client certificate, health checks among them."
    )
    plain_http: bool = Field(
        False,
        description="Serve beyond this machine without TLS: for a server behind a proxy that speaks it, or "
        "on a network of the hub alone.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="A port of its own for /metrics, /livez and /readyz, without TLS and tokens, for a "
        "network that only the monitoring reaches. Without it /metrics asks for the role monitor.",
    )

    @property
    def unread(self) -> bool:
        """Whether nobody on the way can read what is sent, or the settings take that upon them."""
        return self.certificate_file is not None or self.plain_http

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file are set together")
        if self.plain_http and self.certificate_file is not None:
            raise ValueError("plain_http is for a server without certificate_file")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file and key_file")
        if (self.client_ca_file is None) != (self.clients_file is None):
            raise ValueError("client_ca_file and clients_file are set together")
        if self.client_certificate_required and self.client_ca_file is None:
            raise ValueError("client_certificate_required needs client_ca_file and clients_file")
        return self


class LimitSettings(BaseModel):
    """What one caller may take of the server: `[limits]`. Who goes beyond is told, or cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(500, ge=1, description="Open connections; more are closed at once.")
    connections_per_address: int = Field(
        100, ge=1, description="Open connections of one address; raise it behind a proxy."
    )
    connection_seconds: float = Field(
        3600, gt=0, description="A connection's longest life; a live stream ends then, and is taken up again."
    )
    handshake_seconds: float = Field(10, gt=0, description="Within this TLS is agreed.")
    header_seconds: float = Field(10, gt=0, description="Within this the whole head of a request is there.")
    body_seconds: float = Field(60, gt=0, description="Within this the whole body of a request is there.")
    slow_reader_seconds: float = Field(
        30, gt=0, description="A caller who takes less than some 48 KiB of an answer in this time is cut."
    )
    header_bytes: int = Field(
        16_384, ge=1024, le=1_048_576, description="Request line and headers: else 431."
    )
    body_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="A request's body: else 413.")
    requests_per_second: float = Field(
        50, gt=0, description="Of one principal, or of one address without one: else 429 with Retry-After."
    )
    request_burst: int = Field(200, ge=1, description="Requests at once before that rate counts.")
