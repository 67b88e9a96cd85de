"""What Kafka refuses is said in a line that a person can act on."""

import kafka.errors as told  # noqa: TID251  # what kafka-python says
import pytest

from hub.bus.kafka_errors import translate
from hub.errors import ConfigurationError

DUMP = (
    "Request 'CreateTopicsRequest(topics=[{0}])' failed with response 'CreateTopicsResponse(topics=[{0}])'."
)
RESULT = "CreatableTopicResult(name='hub.audit.v1', error_code=1, error_message={})"

RIGHTS = "an operator can compare the access lists with what we need: `alliance-hub acl check`."

SESSION = (
    "Request Request(processor=3, connectionId=127.0.0.1:9092-127.0.0.1:4379, session=x) is not authorized."
)


@pytest.mark.parametrize(
    ("error", "message", "said"),
    [
        (
            told.TopicAuthorizationFailedError,
            "'Authorization failed.'",
            "TopicAuthorizationFailedError: Authorization failed; " + RIGHTS,
        ),
        (
            told.InvalidReplicationFactorError,
            '"The target replication factor of 3 can\'t be reached."',
            "InvalidReplicationFactorError: The target replication factor of 3 can't be reached.",
        ),
        (told.PolicyViolationError, "None", f"PolicyViolationError: {told.PolicyViolationError.description}"),
    ],
)
def test_of_a_whole_request_and_its_answer_only_the_words_are_told(error, message, said):
    dump = DUMP.format(", ".join([RESULT.format(message)] * 20))
    refused = translate(error(dump), "making topics", "kafka-1:9092")
    assert isinstance(refused, ConfigurationError)
    assert str(refused) == f"making topics on Kafka at kafka-1:9092 failed: {said}"


def test_of_the_brokers_own_session_nothing_is_told():
    refused = translate(told.ClusterAuthorizationFailedError(SESSION), "reading access lists", "kafka-1:9092")
    assert isinstance(refused, ConfigurationError)
    assert "connectionId" not in str(refused)
    assert "not authorized to use" in str(refused)
