"""Trying again after what may mend by itself: ever longer pauses with jitter, each one told."""

import threading
from collections.abc import Callable

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from hub.errors import TransientError

log = structlog.get_logger()


def until_stopped(
    stop: threading.Event, *, longest_seconds: float, retried: Callable[[float], None], **who: str
) -> Retrying:
    """Make what calls a function again after every `TransientError`, until `stop` is set.

    Then that error is raised. Before each pause `retried` is called with its seconds and a warning
    logged, `who` with it. A pause is never shorter than the other side asked for.
    """
    back_off = wait_exponential_jitter(multiplier=0.1, max=longest_seconds, jitter=0.2)

    def pause(state: RetryCallState) -> float:
        asked = getattr(_error(state), "retry_after_seconds", None) or 0.0
        return max(asked, back_off(state))

    def tell(state: RetryCallState) -> None:
        retried(state.upcoming_sleep)
        log.warning("trying again", **who, attempt=state.attempt_number, message=str(_error(state)))

    return Retrying(
        retry=retry_if_exception_type(TransientError),
        wait=pause,
        sleep=sleep_using_event(stop),
        stop=stop_when_event_set(stop),
        before_sleep=tell,
        reraise=True,
    )


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
