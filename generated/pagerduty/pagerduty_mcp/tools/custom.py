"""The tools of PagerDuty that are more than one call of one operation."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .._runtime import About, Api, CustomTool, Model, Refused
from ..models.incidents import UpdateIncidentsIncidentsItem, UpdateIncidentsIncidentsItemAssignmentsItem
from ..models.shared import UserReference
from .event_orchestrations import GetEventOrchestrationRouter, UpdateEventOrchestrationRouter
from .incidents import ListIncidents as FindIncidents
from .incidents import UpdateIncidents
from .teams import ListTeams as FindTeams

Ids = list[str]
Limit = Annotated[int, Field(ge=1, le=1000, description="How many to return at most, from all pages together.")]


async def my(api: Api, path: str) -> Any:
    """What is known of the current user. Raises Refused for a key that is nobody's."""
    try:
        return await api.context(f"me.user.{path}")
    except Refused as error:
        message = "this needs a current user, whom the key of a whole account has not; leave the scope out"
        raise Refused(f"{message} ({error})") from None


async def my_teams(api: Api) -> Ids:
    """The IDs of the teams that the current user is in."""
    return [team["id"] for team in await my(api, "teams")]


# Incidents

Order = Literal[
    "incident_number:asc",
    "incident_number:desc",
    "created_at:asc",
    "created_at:desc",
    "resolved_at:asc",
    "resolved_at:desc",
    "urgency:asc",
    "urgency:desc",
]


class ListIncidents(CustomTool):
    """Find incidents by status, urgency, service, team, assignee and time.

    Without `since` and `until` only the last month is searched. What is open has the status triggered or acknowledged.
    `request_scope` narrows the search to the incidents of the current user, or of the teams of that user.
    """

    ABOUT: ClassVar = About("Find incidents", read_only=True, destructive=False, idempotent=True, area="incidents")

    request_scope: Annotated[
        Literal["all", "assigned", "teams"],
        Field(description="Whose incidents: all, those assigned to the current user, or those of the user's teams."),
    ] = "all"
    statuses: Annotated[
        list[Literal["triggered", "acknowledged", "resolved"]] | None,
        Field(description="Only incidents in one of these states."),
    ] = None
    urgencies: Annotated[list[Literal["high", "low"]] | None, Field(description="Only incidents so urgent.")] = None
    service_ids: Annotated[Ids | None, Field(description="Only incidents of these services.")] = None
    team_ids: Annotated[
        Ids | None, Field(description="Only incidents of these teams; not together with the scope `teams`.")
    ] = None
    user_ids: Annotated[
        Ids | None,
        Field(
            description="Only incidents that are assigned to these users, which resolved ones never are; "
            "not together with the scope `assigned`."
        ),
    ] = None
    since: Annotated[
        str | None,
        Field(description="Start of the time to search, as ISO 8601; at most six months before `until`."),
    ] = None
    until: Annotated[str | None, Field(description="End of the time to search, as ISO 8601. Default: now.")] = None
    sort_by: Annotated[list[Order] | None, Field(max_length=2, description="What to sort by, the first first.")] = None
    limit: Limit = 100

    async def run(self, api: Api) -> Any:
        user_ids, team_ids = self.user_ids, self.team_ids
        if self.request_scope == "assigned":
            if user_ids:
                raise Refused("`user_ids` and the `request_scope` assigned exclude each other: leave one of them out")
            user_ids = [await my(api, "id")]
        if self.request_scope == "teams":
            if team_ids:
                raise Refused("`team_ids` and the `request_scope` teams exclude each other: leave one of them out")
            team_ids = await my_teams(api)
            if not team_ids:
                return {"response": [], "response_summary": "0 items: the current user is in no team."}
        return await api.call(
            FindIncidents(
                statuses=self.statuses,
                urgencies=self.urgencies,
                service_ids=self.service_ids,
                team_ids=team_ids,
                user_ids=user_ids,
                since=self.since,
                until=self.until,
                sort_by=[*self.sort_by] if self.sort_by else None,
                limit=self.limit,
            )
        )


class ManageIncidents(CustomTool):
    """Acknowledge, resolve, escalate or reassign incidents, or change their urgency.

    All of it happens to all of the incidents, in one request. Say at least one change.
    """

    ABOUT: ClassVar = About("Manage incidents", read_only=False, destructive=True, idempotent=False, area="incidents")

    incident_ids: Annotated[Ids, Field(min_length=1, max_length=250, description="The incidents to change, by ID.")]
    status: Annotated[Literal["acknowledged", "resolved"] | None, Field(description="New status.")] = None
    urgency: Annotated[Literal["high", "low"] | None, Field(description="New urgency.")] = None
    assignment: Annotated[UserReference | None, Field(description="The user who gets the incidents instead.")] = None
    escalation_level: Annotated[
        int | None, Field(ge=1, description="Level of the escalation policy to escalate to, from 1.")
    ] = None

    async def run(self, api: Api) -> Any:
        if (self.status, self.urgency, self.assignment, self.escalation_level) == (None, None, None, None):
            raise Refused("nothing to change: say a `status`, an `urgency`, an `assignment` or an `escalation_level`")
        assignee = UserReference(id=self.assignment.id) if self.assignment else None
        assigned = UpdateIncidentsIncidentsItemAssignmentsItem(assignee=assignee)
        incidents = [
            UpdateIncidentsIncidentsItem(
                id=incident_id,
                type="incident_reference",
                status=self.status,
                urgency=self.urgency,
                assignments=[assigned] if assignee else None,
                escalation_level=self.escalation_level,
            )
            for incident_id in self.incident_ids
        ]
        return await api.call(UpdateIncidents(incidents=incidents))


# Event orchestrations


class Condition(Model):
    """When a rule applies."""

    expression: Annotated[str, Field(description="Condition in PCL, such as event.summary matches part 'www'.")]


class DynamicRoute(Model):
    """How a service is found by what an event says."""

    source: Annotated[str | None, Field(description="Field of the event to look at, such as event.source.")] = None
    regex: Annotated[str | None, Field(description="RE2 expression that takes the value out of the field.")] = None
    lookup_by: Annotated[
        Literal["service_name", "service_id"] | None, Field(description="What the value is of a service.")
    ] = None


class Route(Model):
    """Where events go."""

    route_to: Annotated[str | None, Field(description="ID of the service that gets the events.")] = None
    dynamic_route_to: Annotated[
        DynamicRoute | None, Field(description="Finds the service by what the event says, instead of `route_to`.")
    ] = None


def without_nulls(value: Any) -> Any:
    """What was read, as it may be written: the API answers null for what is not there, and takes no null."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


class AppendEventOrchestrationRouterRule(CustomTool):
    """Add a rule behind the routing rules that an event orchestration has.

    Reads the router, adds the rule at the end, and writes the whole router back; a change that someone else makes
    between the two is lost. To change or reorder rules use {tool:update_event_orchestration_router}.
    """

    ABOUT: ClassVar = About(
        "Append router rule", read_only=False, destructive=True, idempotent=False, area="event_orchestrations"
    )

    orchestration_id: Annotated[str, Field(description="ID of the event orchestration, a UUID.")]
    conditions: Annotated[
        list[Condition], Field(description="The rule applies when any of these is met; with none it always does.")
    ]
    actions: Annotated[Route, Field(description="Where the events go that the rule applies to.")]
    label: Annotated[str | None, Field(description="What the rule is for.")] = None
    disabled: Annotated[bool, Field(description="If true, the rule is there but skipped.")] = False

    async def run(self, api: Api) -> Any:
        router = without_nulls(await api.call(GetEventOrchestrationRouter(orchestration_id=self.orchestration_id)))
        first, *others = router.get("sets") or [{"id": "start"}]
        rule = self.model_dump(exclude_unset=True, exclude={"orchestration_id"}) | {"disabled": self.disabled}
        first["rules"] = [*first.get("rules", []), {"id": "temp_id_will_be_replaced_by_api", **rule}]
        catch_all = router.get("catch_all", {"actions": {"route_to": "unrouted"}})
        return await api.call(
            UpdateEventOrchestrationRouter(
                orchestration_id=self.orchestration_id, sets=[first, *others], catch_all=catch_all
            )
        )


# Teams


class ListTeams(CustomTool):
    """Find teams by name, or those that the current user is in.

    Turns the name of a team into its ID.
    """

    ABOUT: ClassVar = About("Find teams", read_only=True, destructive=False, idempotent=True, area="teams")

    scope: Annotated[
        Literal["all", "my"], Field(description="All teams of the account, or those that the current user is in.")
    ] = "all"
    query: Annotated[str | None, Field(description="Only teams whose name matches this text.")] = None
    limit: Limit = 20

    async def run(self, api: Api) -> Any:
        if self.scope == "all":
            return await api.call(FindTeams(query=self.query, limit=self.limit))
        mine = await my_teams(api)
        found = await api.call(FindTeams(query=self.query, limit=1000))
        teams = [team for team in found["response"] if team["id"] in mine]
        left = f"; there are {len(teams) - self.limit} more" if len(teams) > self.limit else ", all there are"
        return {"response": teams[: self.limit], "response_summary": f"{len(teams[: self.limit])} items{left}."}
