"""The access lists of a running broker."""

from typing import Any

import kafka.errors as told
from kafka import KafkaAdminClient
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePatternFilter,
    ResourceType,
)

from hub.acl.entry import Entry, Kind
from hub.bus.kafka_connect import connect
from hub.bus.kafka_errors import translated
from hub.bus.kafka_url import KafkaAddress
from hub.errors import ConfigurationError

_KINDS = {
    ResourceType.TOPIC: Kind.TOPIC,
    ResourceType.GROUP: Kind.GROUP,
    ResourceType.TRANSACTIONAL_ID: Kind.TRANSACTIONAL_ID,
    ResourceType.CLUSTER: Kind.CLUSTER,
    ResourceType.DELEGATION_TOKEN: Kind.DELEGATION_TOKEN,
    ResourceType.USER: Kind.USER,
}
_EVERYTHING = ACLFilter(
    principal=None,
    host=None,
    operation=ACLOperation.ANY,
    permission_type=ACLPermissionType.ANY,
    resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


def read_access_lists(address: KafkaAddress) -> list[Entry]:
    """Every entry there is, of anybody.

    Raises `ConfigurationError` where the broker has no authorizer, or we may not ask.
    """
    client: Any = connect(KafkaAdminClient, address)
    try:
        with translated("reading access lists", str(address)):
            found, _ = client.describe_acls(_EVERYTHING)
    except told.SecurityDisabledError as error:
        raise ConfigurationError(_UNGUARDED.format(address)) from error
    finally:
        client.close()
    return [_entry(each) for each in found]


_UNGUARDED = (
    "Kafka at {} has no authorizer: anybody may do anything. Set authorizer.class.name on its brokers."
)


def _entry(found: Any) -> Entry:
    pattern = found.resource_pattern
    words = found.operation.name.split("_")
    return Entry(
        principal=found.principal,
        kind=_KINDS[pattern.resource_type],
        name=pattern.resource_name,
        operation="".join(word.capitalize() for word in words),
        prefixed=pattern.pattern_type is ACLResourcePatternType.PREFIXED,
        host=found.host,
        allow=found.permission_type is ACLPermissionType.ALLOW,
    )
