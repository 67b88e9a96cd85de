"""Passwords as kafka-python takes them: from their file, at each connection and not once.

So a password that is replaced on disk is used at the next connection, as a certificate is.
"""

from pathlib import Path
from typing import Any

import kafka.errors as told
from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram

from hub.bus.kafka_url import read_secret


class _Plain(SaslMechanismPlain):  # type: ignore[misc]  # kafka-python has no types
    def __init__(self, **config: Any) -> None:
        super().__init__(**_with_password(config))


class _Scram(SaslMechanismScram):  # type: ignore[misc]
    def __init__(self, **config: Any) -> None:
        super().__init__(**_with_password(config))


def passwords_from_files() -> None:
    """Have kafka-python take a `Path` in place of a password."""
    for name, mechanism in (("PLAIN", _Plain), ("SCRAM-SHA-256", _Scram), ("SCRAM-SHA-512", _Scram)):
        register_sasl_mechanism(name, mechanism, overwrite=True)


def _with_password(config: dict[str, Any]) -> dict[str, Any]:
    file = config["sasl_plain_password"]
    if not isinstance(file, Path):
        return config
    try:
        return {**config, "sasl_plain_password": read_secret(file)}
    except (OSError, UnicodeDecodeError) as error:
        # It may be replaced just now, so it is tried again.
        raise told.KafkaConnectionError(f"the password in {file} cannot be read: {error}") from error
