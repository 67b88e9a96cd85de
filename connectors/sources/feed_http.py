"""One GET of a feed: bounded in size and time, its answers sorted by what happens next."""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from connectors.sources.feed_settings import FeedSettings
from hub.errors import ConfigurationError, SourceChangedError, TransientError
from hub.forces import Feed

_MOST_PAUSE = 3600.0
_TRY_LATER = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `date` is when, by the server's clock in microseconds, if it says so."""

    status: int
    body: bytes
    etag: str | None
    modified: str | None
    date: int | None


class Web:
    """Asks one URL, by GET alone (invariant 9). `shown` is the URL as it may be printed."""

    def __init__(
        self,
        feed: Feed,
        settings: FeedSettings,
        location: str,
        secret: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._feed, self._settings, self._clock = feed, settings, clock
        try:
            self._url = httpx.URL(location)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"{feed}: location is not a URL: {error}.") from None
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise ConfigurationError(f"{feed}: location must be an http:// or https:// URL.")
        if self._url.userinfo:
            raise ConfigurationError(f"{feed}: put the password of the location into a `secret_file`.")
        self.shown = str(self._url.copy_with(query=None, fragment=None))
        headers = {"User-Agent": "alliance-hub", "Accept-Encoding": "gzip"}
        if secret:
            headers[settings.secret_header] = settings.secret_prefix + secret
        self._client = httpx.Client(
            headers=headers,
            timeout=settings.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context() if self._url.scheme == "https" else False,
        )

    def get(
        self, params: Mapping[str, str], headers: Mapping[str, str], expected: tuple[int, ...] = ()
    ) -> Answer:
        """Ask once. Answers 200, 304 and the `expected` ones; raises what any other comes to."""
        url = self._url.copy_merge_params({**self._settings.params, **params})
        try:
            with self._client.stream("GET", url, headers=dict(headers)) as response:
                if response.status_code not in (200, 304, *expected):
                    raise self._fault(response)
                body = self._body(response)
                return Answer(
                    response.status_code,
                    body,
                    response.headers.get("ETag"),
                    response.headers.get("Last-Modified"),
                    _micros(response.headers.get("Date")),
                )
        except httpx.RequestError as error:
            said = f": {error}" if isinstance(error, httpx.ConnectError) else ""  # others may quote what came
            raise TransientError(f"{self._feed}: {self.shown}: {type(error).__name__}{said}.") from error

    def close(self) -> None:
        self._client.close()

    def _body(self, response: httpx.Response) -> bytes:
        body, deadline = bytearray(), time.monotonic() + self._settings.page_seconds
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._settings.max_page_bytes:
                raise SourceChangedError(
                    f"{self._feed}: {self.shown} sends pages above {self._settings.max_page_bytes} bytes. "
                    f"Ask for smaller pages (`params`), or raise max_page_bytes in {self._feed.file}."
                )
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{self._feed}: {self.shown} was over {self._settings.page_seconds} s at a page."
                )
        return bytes(body)

    def _fault(self, response: httpx.Response) -> Exception:
        status = response.status_code
        said = f"{self._feed}: {self.shown} answers {status}"
        if status in _TRY_LATER or status >= 500:
            return TransientError(f"{said}; asked again later.", retry_after_seconds=self._pause(response))
        if status in {401, 403, 407}:
            return ConfigurationError(
                f"{said}: the secret is missing, wrong or without rights; see `secret_file`."
            )
        if 300 <= status < 400:
            return ConfigurationError(f"{said}: it has moved; correct `location`.")
        return ConfigurationError(
            f"{said}: no feed there; correct `location` or, in {self._feed.file}, `params`."
        )

    def _pause(self, response: httpx.Response) -> float | None:
        """The pause that Retry-After asks for, in seconds or as a date, an hour at most."""
        stated = response.headers.get("Retry-After", "").strip()
        if stated.isdecimal():
            return min(float(stated[:9]), _MOST_PAUSE)
        until = _micros(stated)
        if until is None:
            return None
        now = _micros(response.headers.get("Date")) or int(self._clock() * 1_000_000)
        return min(max((until - now) / 1_000_000, 0.0), _MOST_PAUSE)


def _micros(date: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(date or "").timestamp() * 1_000_000)
    except (ValueError, TypeError, OverflowError):
        return None
