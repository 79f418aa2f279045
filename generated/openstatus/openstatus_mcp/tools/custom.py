"""Turns remote procedures of openstatus into the eight tools that it promises, because the two speak differently.

A model gives numbers for ids and pages for slices, and says whether subscribers are notified; the API takes texts for
ids, at most 100 items at once, and stores and notifies in one call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .._runtime import About, Api, ApiError, CustomTool, Refused, Tool
from .maintenance_service import MaintenanceServiceCreateMaintenance, MaintenanceServiceListMaintenances
from .status_page_service import StatusPageServiceGetStatusPageOverview, StatusPageServiceListStatusPages
from .status_report_service import (
    StatusReportServiceAddStatusReportUpdate,
    StatusReportServiceCreateStatusReport,
    StatusReportServiceGetStatusReport,
    StatusReportServiceListStatusReports,
    StatusReportServiceUpdateStatusReport,
)

Object = dict[str, Any]
Active = Literal["investigating", "identified", "monitoring"]
Status = Literal["investigating", "identified", "monitoring", "resolved"]
WireStatus = Literal[
    "STATUS_REPORT_STATUS_INVESTIGATING",
    "STATUS_REPORT_STATUS_IDENTIFIED",
    "STATUS_REPORT_STATUS_MONITORING",
    "STATUS_REPORT_STATUS_RESOLVED",
]

WIRE: dict[Status, WireStatus] = {
    "investigating": "STATUS_REPORT_STATUS_INVESTIGATING",
    "identified": "STATUS_REPORT_STATUS_IDENTIFIED",
    "monitoring": "STATUS_REPORT_STATUS_MONITORING",
    "resolved": "STATUS_REPORT_STATUS_RESOLVED",
}
RESOLVED: WireStatus = "STATUS_REPORT_STATUS_RESOLVED"
AT_ONCE = 100
"""Items that the API lists in one answer at most."""
MOST_PAGES = 1_000
"""Status pages that one call lists."""
CANDIDATES = 5
"""Reports of one title that are looked through for what a call has stored."""


def real(moment: str) -> str:
    """A date-time that the calendar has. Raises ValueError for one that it has not."""
    datetime.fromisoformat(moment)
    return moment


Moment = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$",
        json_schema_extra={"format": "date-time"},
    ),
    AfterValidator(real),
]


# --- what the tools answer --------------------------------------------------------------------------------------------


class Result(BaseModel):
    """A part of an answer; its keys are those of the API."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)


class StatusPage(Result):
    """A status page, and nothing of its settings: a password may be among them."""

    id: Annotated[int, Field(description="What the tools that need a page take as pageId.")]
    title: str
    slug: str


class StatusPages(Result):
    """All status pages."""

    items: list[StatusPage]


class Pagination(Result):
    """Where a page of a list stands in the list."""

    page: int
    per_page: int
    total_size: Annotated[int, Field(description="How many there are on all pages together.")]
    total_pages: int


class StatusReportItem(Result):
    """A status report in a list."""

    id: Annotated[int, Field(description="What the tools that change a report take as statusReportId.")]
    title: str
    status: Annotated[str, Field(description="investigating, identified, monitoring or resolved.")]
    page_component_ids: list[int]
    created_at: str | None
    updated_at: str | None


class StatusReports(Result):
    """One page of the list of status reports."""

    items: list[StatusReportItem]
    pagination: Pagination


class MaintenanceItem(Result):
    """A maintenance in a list."""

    id: int
    title: str
    message: str
    from_: Annotated[str, Field(alias="from")]
    to: str
    page_id: int | None
    page_component_ids: list[int]


class Maintenances(Result):
    """One page of the list of maintenances."""

    items: list[MaintenanceItem]
    pagination: Pagination


Notified = Annotated[
    bool,
    Field(
        description="Whether subscribers were notified. False although notify was true: it is stored and public, the "
        "notification failed; do not call again."
    ),
]


class NewStatusReport(Result):
    """A status report that was just opened."""

    id: int
    title: str
    status: str
    page_id: int
    created_at: str | None


class CreatedStatusReport(Result):
    """What opening a status report came to."""

    status_report: NewStatusReport
    initial_update_id: Annotated[int | None, Field(description="Null only where the API does not tell it.")]
    notified: Notified


class AddedUpdate(Result):
    """What adding an update came to."""

    status_report_update_id: Annotated[int | None, Field(description="Null only where the API does not tell it.")]
    notified: Notified


class UpdatedStatusReport(Result):
    """A status report after a change."""

    id: int
    title: str
    status: str


class CreatedMaintenance(Result):
    """What announcing a maintenance came to."""

    id: int
    title: str
    from_: Annotated[str, Field(alias="from")]
    to: str
    page_id: int | None
    notified: Notified


# --- arguments that several tools take --------------------------------------------------------------------------------

Page = Annotated[int, Field(ge=1, description="Which page of the list, from 1.")]
PerPage = Annotated[int, Field(alias="perPage", ge=1, le=200, description="How many items a page has.")]
PageId = Annotated[
    int,
    Field(
        alias="pageId",
        description="Id of the status page, from {tool:list_status_pages}; never type a numeric id you don't know.",
    ),
]
ReportId = Annotated[
    int,
    Field(
        alias="statusReportId",
        description="Id of the report, from {tool:list_status_reports}; never type a numeric id you don't know.",
    ),
]
ComponentIds = Annotated[
    tuple[int, ...],
    Field(
        alias="pageComponentIds",
        description="Ids of the affected components, all of the same status page; none for the page as a whole.",
    ),
]
When = Annotated[Moment | None, Field(description="When it happened, in ISO 8601; now if left out.")]
Notify = Annotated[
    bool,
    Field(
        description="Whether subscribers are notified of this now. There is no default: ask the user. It cannot be "
        "made up for later, nor taken back."
    ),
]


# --- tools that read --------------------------------------------------------------------------------------------------


class ListStatusPages(CustomTool):
    """List the status pages in the workspace, each with its id, title and slug.

    Used to discover the pageId required by mutation tools. Call it before any tool that takes a pageId; never type a
    numeric id you don't know. It lists all pages at once.
    """

    ABOUT: ClassVar = About(
        title="List status pages",
        read_only=True,
        destructive=False,
        idempotent=True,
        open_world=False,
        area="status_page_service",
    )

    async def run(self, api: Api) -> StatusPages:
        def slice_(limit: int, offset: int) -> Tool:
            return StatusPageServiceListStatusPages(limit=limit, offset=offset)

        found, total = await listed(api, slice_, "statusPages", 0, MOST_PAGES)
        if total > MOST_PAGES:
            raise Refused(f"there are {total:,} status pages, more than the {MOST_PAGES:,} that this tool lists")
        return StatusPages(
            items=[StatusPage(id=number(p), title=text(p, "title"), slug=text(p, "slug")) for p in found]
        )


class ListStatusReports(CustomTool):
    """List status reports, newest first, each with its status and the ids of affected components.

    By default only active ones, which are not resolved; filter "all" lists the resolved ones too. Use it to find the
    statusReportId that the tools which change a report require. A pageId comes from {tool:list_status_pages}. The list
    comes in pages: while page is less than pagination.totalPages, there is a next one.
    """

    ABOUT: ClassVar = About(
        title="List status reports",
        read_only=True,
        destructive=False,
        idempotent=True,
        open_world=False,
        area="status_report_service",
    )

    filter: Annotated[
        Literal["active", "all"], Field(description="active: without those that are resolved; all: every report.")
    ] = "active"
    page_id: Annotated[
        int | None,
        Field(
            alias="pageId",
            description="Only reports of this status page, an id from {tool:list_status_pages}. Together with the "
            "filter active only: of resolved reports the API does not tell the page.",
        ),
    ] = None
    page: Page = 1
    per_page: PerPage = 50

    async def run(self, api: Api) -> StatusReports:
        start = (self.page - 1) * self.per_page
        if self.page_id is None:
            found, total = await listed(api, self._slice, "statusReports", start, self.per_page)
        elif self.filter == "all":
            raise Refused(
                "the API tells the status page of active reports only; leave pageId out, or ask with the filter active"
            )
        else:
            overview = await api.call(StatusPageServiceGetStatusPageOverview(id=str(self.page_id)))
            reports = [r for r in items(overview, "statusReports") if r.get("status") != RESOLVED]
            found, total = reports[start : start + self.per_page], len(reports)
        return StatusReports(items=[report_item(r) for r in found], pagination=place(self.page, self.per_page, total))

    def _slice(self, limit: int, offset: int) -> Tool:
        operation = StatusReportServiceListStatusReports(limit=limit, offset=offset)
        if self.filter == "active":
            operation.statuses = [wire for wire in WIRE.values() if wire != RESOLVED]
        return operation


class ListMaintenances(CustomTool):
    """List maintenances: planned work, whether past, running or still to come.

    Use it to see what is already announced before you announce more. A pageId comes from {tool:list_status_pages}. The
    list comes in pages: while page is less than pagination.totalPages, there is a next one.
    """

    ABOUT: ClassVar = About(
        title="List maintenances",
        read_only=True,
        destructive=False,
        idempotent=True,
        open_world=False,
        area="maintenance_service",
    )

    page_id: Annotated[
        int | None,
        Field(
            alias="pageId",
            description="Only maintenances of this status page, an id from {tool:list_status_pages}.",
        ),
    ] = None
    page: Page = 1
    per_page: PerPage = 50

    async def run(self, api: Api) -> Maintenances:
        start = (self.page - 1) * self.per_page
        found, total = await listed(api, self._slice, "maintenances", start, self.per_page)
        return Maintenances(
            items=[maintenance_item(m) for m in found], pagination=place(self.page, self.per_page, total)
        )

    def _slice(self, limit: int, offset: int) -> Tool:
        operation = MaintenanceServiceListMaintenances(limit=limit, offset=offset)
        if self.page_id is not None:
            operation.pageId = str(self.page_id)
        return operation


# --- tools that write -------------------------------------------------------------------------------------------------


class CreateStatusReport(CustomTool):
    """Open a status report on a public status page: an unplanned problem, with the first update of its timeline.

    It is public at once. Call {tool:list_status_pages} first to get the pageId; never type a numeric id you don't know.

    Before you call it:
    1. Draft the title/status/message/components.
    2. Show the draft to the user.
    3. Ask explicitly whether to notify subscribers.
    4. Only call the tool once both content and notify are confirmed.

    The report is stored first, then subscribers are notified. If notifying fails, the report stays and the answer
    carries notified: false; do not call again, it would open a second report. For planned work there is
    {tool:create_maintenance}, for a report that exists {tool:add_status_report_update}.
    """

    ABOUT: ClassVar = About(
        title="Open a status report",
        read_only=False,
        destructive=True,
        idempotent=False,
        open_world=True,
        area="status_report_service",
    )

    title: Annotated[
        str, Field(min_length=1, max_length=256, description="Title that visitors read, about what they notice.")
    ]
    status: Annotated[Status, Field(description="State of the problem now.")]
    message: Annotated[str, Field(min_length=1, description="Text of the first update, which visitors read.")]
    page_id: PageId
    page_component_ids: ComponentIds = ()
    date: When = None
    notify: Notify

    async def run(self, api: Api) -> CreatedStatusReport:
        date = self.date or now()
        status = WIRE[self.status]
        operation = StatusReportServiceCreateStatusReport(
            title=self.title,
            status=status,
            message=self.message,
            pageId=str(self.page_id),
            pageComponentIds=wire_ids(self.page_component_ids),
            date=date,
            notify=self.notify,
        )

        async def find() -> Object | None:
            same = StatusReportServiceListStatusReports(limit=AT_ONCE, offset=0)
            same.statuses = [status]
            reports = items(await api.call(same), "statusReports")
            titled = sorted((r for r in reports if r.get("title") == self.title), key=number, reverse=True)
            for report in titled[:CANDIDATES]:
                whole = await report_of(api, number(report))
                if update_of(whole, status, self.message, date) is not None:
                    return whole
            return None

        report, notified = await stored(api, operation, self.notify, "statusReport", find)
        return CreatedStatusReport(
            status_report=NewStatusReport(
                id=number(report),
                title=text(report, "title"),
                status=status_of(report),
                page_id=self.page_id,
                created_at=report.get("createdAt"),
            ),
            initial_update_id=await update_id(api, report, status, self.message, date),
            notified=notified,
        )


class AddStatusReportUpdate(CustomTool):
    """Add an update to the timeline of a status report, and move the report to the status of that update.

    It is public at once. Get the statusReportId from {tool:list_status_reports}, which takes a pageId from
    {tool:list_status_pages}; never type a numeric id you don't know.

    Before you call it:
    1. Draft the title/status/message/components.
    2. Show the draft to the user.
    3. Ask explicitly whether to notify subscribers.
    4. Only call the tool once both content and notify are confirmed.

    The update is stored first, then subscribers are notified. If notifying fails, the update stays and the answer
    carries notified: false; do not call again, it would add a second one. To close a report there is
    {tool:resolve_status_report}.
    """

    ABOUT: ClassVar = About(
        title="Post an update on a status report",
        read_only=False,
        destructive=True,
        idempotent=False,
        open_world=True,
        area="status_report_service",
    )

    status_report_id: ReportId
    status: Annotated[Status, Field(description="State of the problem from now on.")]
    message: Annotated[str, Field(min_length=1, description="What is new, as visitors read it.")]
    date: When = None
    notify: Notify

    async def run(self, api: Api) -> AddedUpdate:
        return await add_update(
            api, self.status_report_id, WIRE[self.status], self.message, self.date or now(), self.notify
        )


class UpdateStatusReport(CustomTool):
    """Correct the title or the affected components of a status report. It adds no update and notifies nobody.

    Draft the change, show it to the user, and only call the tool once it is confirmed: the page shows it at once. Get
    the statusReportId from {tool:list_status_reports}, which takes a pageId from {tool:list_status_pages}; never type a
    numeric id you don't know. To say what is new there is {tool:add_status_report_update}, to close a report
    {tool:resolve_status_report}.
    """

    ABOUT: ClassVar = About(
        title="Correct a status report",
        read_only=False,
        destructive=True,
        idempotent=True,
        open_world=False,
        area="status_report_service",
    )

    status_report_id: ReportId
    title: Annotated[
        str | None, Field(min_length=1, max_length=256, description="New title; without it the present one stays.")
    ] = None
    status: Annotated[
        Active | None,
        Field(
            description="The status that the report has now, to be sure of it: the API moves a report with an update "
            "only, so any other status is refused and nothing changes. To resolve, use {tool:resolve_status_report}."
        ),
    ] = None
    page_component_ids: Annotated[
        list[int] | None,
        Field(
            alias="pageComponentIds",
            description="Complete new list of the ids of affected components; an empty one takes all away, without it "
            "the present ones stay.",
        ),
    ] = None

    async def run(self, api: Api) -> UpdatedStatusReport:
        if self.status is not None:
            report = await report_of(api, self.status_report_id)
            if status_of(report) != self.status:
                raise Refused(
                    f"the report is {status_of(report)}, and the API moves a report to another status only with an "
                    "update, so nothing was changed: use add_status_report_update, with notify false if nobody is to "
                    "be told"
                )
            if self.title is None and self.page_component_ids is None:
                return updated(report)
        operation = StatusReportServiceUpdateStatusReport(id=str(self.status_report_id))
        if self.title is not None:
            operation.title = self.title
        if self.page_component_ids is not None:
            operation.pageComponentIds = wire_ids(self.page_component_ids)
            operation.updatePageComponentIds = True
        return updated(part(await api.call(operation), "statusReport"))


class ResolveStatusReport(CustomTool):
    """Close a status report: add a last update to its timeline, and set the report to resolved.

    It is public at once. Get the statusReportId from {tool:list_status_reports}, which takes a pageId from
    {tool:list_status_pages}; never type a numeric id you don't know.

    Before you call it:
    1. Draft the title/status/message/components.
    2. Show the draft to the user.
    3. Ask explicitly whether to notify subscribers.
    4. Only call the tool once both content and notify are confirmed.

    The update is stored first, then subscribers are notified. If notifying fails, the report stays resolved and the
    answer carries notified: false; do not call again, it would add a second update.
    """

    ABOUT: ClassVar = About(
        title="Resolve a status report",
        read_only=False,
        destructive=True,
        idempotent=False,
        open_world=True,
        area="status_report_service",
    )

    status_report_id: ReportId
    message: Annotated[str, Field(min_length=1, description="What was wrong and is right again, as visitors read it.")]
    date: When = None
    notify: Notify

    async def run(self, api: Api) -> AddedUpdate:
        return await add_update(api, self.status_report_id, RESOLVED, self.message, self.date or now(), self.notify)


class CreateMaintenance(CustomTool):
    """Announce a maintenance on a public status page: planned work with a start and an end.

    It is public at once. Call {tool:list_status_pages} first to get the pageId; never type a numeric id you don't know.

    Before you call it:
    1. Draft the title/status/message/components.
    2. Show the draft to the user.
    3. Ask explicitly whether to notify subscribers.
    4. Only call the tool once both content and notify are confirmed.

    The maintenance is stored first, then subscribers are notified. If notifying fails, the maintenance stays and the
    answer carries notified: false; do not call again, it would announce a second one. For a problem that was not
    planned there is {tool:create_status_report}.
    """

    ABOUT: ClassVar = About(
        title="Announce a maintenance",
        read_only=False,
        destructive=True,
        idempotent=False,
        open_world=True,
        area="maintenance_service",
    )

    title: Annotated[str, Field(min_length=1, max_length=256, description="Title that visitors read.")]
    message: Annotated[str, Field(min_length=1, description="What is planned and what visitors will notice.")]
    from_: Annotated[Moment, Field(alias="from", description="Start of the work, in ISO 8601.")]
    to: Annotated[Moment, Field(description="End of the work, in ISO 8601, after its start.")]
    page_id: PageId
    page_component_ids: ComponentIds = ()
    notify: Notify

    async def run(self, api: Api) -> CreatedMaintenance:
        operation = MaintenanceServiceCreateMaintenance.model_validate(
            {
                "title": self.title,
                "message": self.message,
                "from": self.from_,
                "to": self.to,
                "pageId": str(self.page_id),
                "pageComponentIds": wire_ids(self.page_component_ids),
                "notify": self.notify,
            }
        )

        async def find() -> Object | None:
            there = MaintenanceServiceListMaintenances(limit=AT_ONCE, offset=0, pageId=str(self.page_id))
            same = [
                m
                for m in items(await api.call(there), "maintenances")
                if (m.get("title"), m.get("message")) == (self.title, self.message)
                and same_second(m.get("from"), self.from_)
                and same_second(m.get("to"), self.to)
            ]
            return max(same, key=number, default=None)

        found, notified = await stored(api, operation, self.notify, "maintenance", find)
        return CreatedMaintenance(
            id=number(found),
            title=text(found, "title"),
            from_=text(found, "from"),
            to=text(found, "to"),
            page_id=found.get("pageId") or None,
            notified=notified,
        )


# --- steps ------------------------------------------------------------------------------------------------------------


async def listed(
    api: Api, slice_: Callable[[int, int], Tool], key: str, start: int, count: int
) -> tuple[list[Object], int]:
    """The items of a list from `start` on, at most `count`, and how many the list has; `slice_` takes limit, offset."""
    found: list[Object] = []
    while True:
        size = min(count - len(found), AT_ONCE)
        answer = await api.call(slice_(size, start + len(found)))
        got = items(answer, key)
        found += got
        total = max(int(answer.get("totalSize") or 0), start + len(found) if got else 0)
        if len(got) < size or start + len(found) >= total or len(found) == count:
            return found, total


async def stored(
    api: Api, operation: Tool, notify: bool, key: str, find: Callable[[], Awaitable[Object | None]]
) -> tuple[Object, bool]:
    """What a call stored, and whether subscribers were notified.

    The API stores, then notifies, and answers the failure of either with an error: so what it may have stored is looked
    for with `find`, and the call is never sent again. A gateway's error is passed on, as the API may still be at work.
    """
    try:
        return part(await api.call(operation), key), notify
    except ApiError as error:
        if not notify or error.status < 500 or error.status in (502, 504):
            raise
        try:
            found = await find()
        except Refused:
            found = None
        if found is None:
            raise
        return found, False


async def add_update(
    api: Api, report_id: int, status: WireStatus, message: str, date: str, notify: bool
) -> AddedUpdate:
    """Add an update to a report."""
    operation = StatusReportServiceAddStatusReportUpdate(
        statusReportId=str(report_id), status=status, message=message, date=date, notify=notify
    )

    async def find() -> Object | None:
        report = await report_of(api, report_id)
        return report if update_of(report, status, message, date) is not None else None

    report, notified = await stored(api, operation, notify, "statusReport", find)
    return AddedUpdate(status_report_update_id=await update_id(api, report, status, message, date), notified=notified)


async def report_of(api: Api, report_id: int) -> Object:
    """A status report with its timeline."""
    return part(await api.call(StatusReportServiceGetStatusReport(id=str(report_id))), "statusReport")


async def update_id(api: Api, report: Object, status: WireStatus, message: str, date: str) -> int | None:
    """The id of the update that was just added; it is read only if the answer came without the timeline."""
    try:
        if not report.get("updates"):
            report = await report_of(api, number(report))
        newest = max(map(number, items(report, "updates")), default=None)
        return update_of(report, status, message, date) or newest
    except Refused:
        return None  # it is added all the same


def update_of(report: Object, status: WireStatus, message: str, date: str) -> int | None:
    """The id of the newest update of a report that says just that."""
    same = [
        number(u)
        for u in items(report, "updates")
        if (u.get("status"), u.get("message")) == (status, message) and same_second(u.get("date"), date)
    ]
    return max(same, default=None)


# --- values -----------------------------------------------------------------------------------------------------------


def now() -> str:
    """The present, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def same_second(one: object, other: str) -> bool:
    """Whether two date-times are less than a second apart: the API may drop fractions."""
    try:
        return abs(datetime.fromisoformat(str(one)) - datetime.fromisoformat(other)) < timedelta(seconds=1)
    except (TypeError, ValueError):
        return False


def part(answer: object, key: str) -> Object:
    """An object inside an answer. Raises Refused when the answer has none."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, dict) or "id" not in found:
        raise Refused(f"the API accepted the call, but its answer holds no {key}: look before you repeat it")
    return found


def items(answer: object, key: str) -> list[Object]:
    """A list of objects inside an answer, which leaves out an empty one. Raises Refused when there is another value."""
    found = answer.get(key, []) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(i, dict) for i in found):
        raise Refused(f"the answer of the API holds no list of {key}")
    return found


def text(found: Object, key: str) -> str:
    """A text inside an answer, which leaves out an empty one."""
    return str(found.get(key, ""))


def number(found: Object) -> int:
    """The id of an object, which the API writes as a text. Raises Refused when there is none."""
    try:
        return int(found["id"])
    except (KeyError, TypeError, ValueError):
        raise Refused("the answer of the API holds an object without an id") from None


def wire_ids(ids: Iterable[int]) -> list[str]:
    """Ids as the API takes them."""
    return [str(i) for i in ids]


def status_of(report: Object) -> str:
    """The status of a report, as the tools say it."""
    return text(report, "status").removeprefix("STATUS_REPORT_STATUS_").lower()


def report_item(report: Object) -> StatusReportItem:
    """A status report as a list shows it."""
    return StatusReportItem(
        id=number(report),
        title=text(report, "title"),
        status=status_of(report),
        page_component_ids=report.get("pageComponentIds", []),
        created_at=report.get("createdAt"),
        updated_at=report.get("updatedAt"),
    )


def maintenance_item(found: Object) -> MaintenanceItem:
    """A maintenance as a list shows it."""
    return MaintenanceItem(
        id=number(found),
        title=text(found, "title"),
        message=text(found, "message"),
        from_=text(found, "from"),
        to=text(found, "to"),
        page_id=found.get("pageId") or None,
        page_component_ids=found.get("pageComponentIds", []),
    )


def updated(report: Object) -> UpdatedStatusReport:
    """A status report after a change."""
    return UpdatedStatusReport(id=number(report), title=text(report, "title"), status=status_of(report))


def place(page: int, per_page: int, total: int) -> Pagination:
    """Where a page stands; the last one may be part of a page."""
    return Pagination(page=page, per_page=per_page, total_size=total, total_pages=-(-total // per_page))
