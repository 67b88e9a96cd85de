"""What an error of Kafka means for the hub: the one place that decides what happens next."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import kafka.errors as told

from hub.errors import (
    BadRecordError,
    ConfigurationError,
    FatalError,
    FencedError,
    HubError,
    TransientError,
)

_FENCED = (told.ProducerFencedError, told.InvalidProducerEpochError, told.FencedInstanceIdError)
_BAD_RECORD = (
    told.MessageSizeTooLargeError,
    told.RecordListTooLargeError,
    told.InvalidRecordError,
    told.InvalidTimestampError,
)
_CONFIGURATION = (
    told.AuthorizationError,
    told.SaslAuthenticationFailedError,
    told.UnsupportedSaslMechanismError,
    told.KafkaConfigurationError,
    told.UnsupportedVersionError,
    told.InvalidTopicError,
    told.InvalidPartitionsError,
    told.InvalidReplicationFactorError,
    told.InvalidConfigurationError,
    told.InvalidTransactionTimeoutError,
    told.InvalidSessionTimeoutError,
    told.PolicyViolationError,
)
NOT_READY = (
    told.RetriableError,
    # A partition without a leader for now: kafka-python looks for a broker by the number -1.
    told.UnknownBrokerIdError,
)
_TRANSIENT = (
    *NOT_READY,
    # What came is no Kafka, or was cut short; the connection is made anew.
    told.KafkaProtocolError,
    # The broker itself failed at this request.
    told.UnknownError,
    # The group moved on: poll again, and read on from what is committed.
    told.CommitFailedError,
    told.IllegalGenerationError,
    told.UnknownMemberIdError,
    told.RebalanceInProgressError,
    # The transaction is lost, and another may succeed.
    told.TransactionAbortedError,
    told.TransactionAbortableError,
    told.OutOfOrderSequenceNumberError,
    told.UnknownProducerIdError,
    told.InvalidTxnStateError,
    told.InvalidProducerIdMappingError,
    told.BrokerNotAvailableError,
)

_RIGHTS = (
    told.TopicAuthorizationFailedError,
    told.GroupAuthorizationFailedError,
    told.TransactionalIdAuthorizationFailedError,
)
_DUMPED = re.compile(r" failed with response |Request Request\(")
_SAID = re.compile(r"error_message='([^']+)'|error_message=\"([^\"]+)\"")

ASK_FOR_RIGHTS = "an operator can compare the access lists with what we need: `alliance-hub acl check`"
_REMEDY = "another process uses this identity; stop one of the two, or give each its own `instance`"


def translate(error: Exception, doing: str, address: str) -> HubError:
    """Give the hub's error for Kafka's, with what was tried and where."""
    if isinstance(error, HubError):
        return error
    what = f"{doing} on Kafka at {address} failed: {_said(error)}"
    if isinstance(error, _FENCED):
        return FencedError(f"{what}; {_REMEDY}.")
    if isinstance(error, _BAD_RECORD):
        return BadRecordError(what)
    if isinstance(error, _CONFIGURATION):
        return ConfigurationError(f"{what}.")
    # kafka-python raises its bare root class when a request of a transaction ended in a way it
    # does not name (a dropped connection, a timeout); whether we still own the identity is asked
    # of the broker before the next transaction.
    if isinstance(error, _TRANSIENT) or type(error) is told.KafkaError:
        return TransientError(f"{what}.")
    return FatalError(f"{what} ({type(error).__name__}).")


def _said(error: Exception) -> str:
    """What a person can use of it: of a whole request and its answer, only what the broker says in words."""
    said = str(error)
    if _DUMPED.search(said):
        words = dict.fromkeys(one or other for one, other in _SAID.findall(said))
        said = f"{type(error).__name__}: {' '.join(words) or getattr(error, 'description', '')}"
    said = said.removesuffix(".")
    return f"{said}; {ASK_FOR_RIGHTS}" if isinstance(error, _RIGHTS) else said


@contextmanager
def translated(doing: str, address: str) -> Iterator[None]:
    """Raise the hub's errors for those that Kafka raises within."""
    try:
        yield
    except told.KafkaError as error:
        raise translate(error, doing, address) from error
