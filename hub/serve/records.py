"""The record routes of a domain: a listing, and one record with its history."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hub.access import READ, Principal
from hub.audit import Entry
from hub.domains import Domain
from hub.errors import BadQueryError
from hub.events import iso_micros
from hub.serve.ask import Ask, read_ask
from hub.serve.desk import Desk
from hub.serve.present import Presenter
from hub.serve.problem import Problem


class Records:
    """Answers for one domain. What is answered has first been written to the audit log."""

    def __init__(self, domain: Domain, presenter: Presenter, desk: Desk) -> None:
        self._domain = domain
        self._presenter = presenter
        self._desk = desk

    def listing(self, request: Request) -> Response:
        """`GET /<path>`: newest first, with `next` to go on where this page ends."""
        principal = self._desk.callers.principal(request)
        reason = self._desk.callers.justification(request)
        ask = read_ask(self._domain, request.query_params, self._presenter.words)
        allowed = self._allowed(principal)
        if ask.box is not None:
            allowed = self._may_search_places(principal, allowed)
        asked = ask.filters.get("force", allowed)
        ask.filters["force"] = tuple(force for force in asked if force in allowed)
        records, following = self._page(ask) if ask.filters["force"] else ([], None)
        self._audit(
            principal, reason, (record["id"] for record in records), str(sorted(request.query_params))
        )
        presented = [self.present(principal, record) for record in records]
        return JSONResponse({"records": presented, "next": following, "as_of": iso_micros(self._desk.now())})

    def one(self, request: Request) -> Response:
        """`GET /<path>/{id}`: the record, its provenance, and every version that was visible."""
        principal = self._desk.callers.principal(request)
        reason = self._desk.callers.justification(request)
        allowed = self._allowed(principal)
        record_id = request.path_params["id"]
        found = self._desk.query.get(self._domain.name, record_id)
        if found is None or found.record["force"] not in allowed:
            raise Problem(404, "Not found", f"No {self._domain.noun} has this id, or it may not be read.")
        history = self._desk.query.history(self._domain.name, record_id)
        self._audit(principal, reason, (record_id,), "one")
        # A deletion known by its key alone does not say that what it deletes is restricted.
        restricted = found.record["restricted"] or (
            found.record["deleted"] and any(version.record["restricted"] for version in history)
        )
        body = {
            "record": self.present(principal, found.record),
            "change_number": found.change_number,
            "history": [
                {
                    "source_version": version.record["source_version"],
                    "mapping_version": version.record["mapping_version"],
                    "change_number": version.change_number,
                    "applied_at": iso_micros(version.applied_at),
                    "record": self.present(principal, version.record, restricted=restricted),
                }
                for version in history
            ],
        }
        return JSONResponse(body)

    def present(
        self, principal: Principal, record: Mapping[str, Any], *, restricted: bool = False
    ) -> dict[str, Any]:
        """The record as this principal may see it; `restricted` where all its versions count as such."""
        decision = self._desk.policy.decide(principal, READ, self._domain.name, record["force"])
        assert decision.allowed
        return self._presenter.present(record, decision.classes, restricted=restricted)

    def _allowed(self, principal: Principal) -> tuple[str, ...]:
        allowed = self._desk.policy.forces(principal, self._domain.name, self._desk.forces)
        if not allowed:
            raise Problem(
                403, "Not allowed", f"'{principal.name}' holds no role that may read {self._domain.path}."
            )
        return allowed

    def _may_search_places(self, principal: Principal, forces: tuple[str, ...]) -> tuple[str, ...]:
        """Coordinates are personal: who may not see them may not find them out by searching boxes."""
        decide = self._desk.policy.decide
        seeing = tuple(
            force
            for force in forces
            if "personal" in decide(principal, READ, self._domain.name, force).classes
        )
        if not seeing:
            raise Problem(403, "Not allowed", f"'{principal.name}' may not see places, so 'bbox' is refused.")
        return seeing

    def _page(self, ask: Ask) -> tuple[list[dict[str, Any]], str | None]:
        try:
            page = self._desk.query.list_records(
                self._domain.name,
                filters=ask.filters,
                box=ask.box,
                since=ask.since,
                until=ask.until,
                include_deleted=ask.deleted,
                limit=ask.limit,
                cursor=ask.cursor,
            )
        except BadQueryError as error:
            raise Problem(400, "That was not understood", str(error)) from error
        return [item.record for item in page.items], page.next

    def _audit(self, principal: Principal, reason: str, records: Iterable[str], query: str) -> None:
        entry = Entry(
            "consultation",
            principal.name,
            principal.force,
            self._domain.name,
            list(records),
            query=query,
            justification=reason,
        )
        self._desk.audit.write(entry)
