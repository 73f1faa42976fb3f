"""What requests bring and answers carry, as JSON.

Owns the HTTP face's shapes. Requests reject what they do not know; answers may gain optional fields. Must not know how
anything is stored.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.change.baseline import KeepWeights
from schemas.change.pins import MAX_PINS, PinnedClass
from schemas.change.report import ChangeCounts
from schemas.events.job import MAX_VARIANTS, ControlAction, SolveOptions, WeightOverrides
from schemas.events.solve import ErrorInfo, Infeasibility, Provenance
from schemas.fold import JobStatus, VariantState
from schemas.problem.read import ProblemFormat, TableFormat
from schemas.timetable import Score
from schemas.variants.comparison import Comparison
from schemas.variants.profiles import Profile
from schemas.whatif.answers import Move
from services.runtime.access import Role


class _Request(BaseModel):
    # What is wrong is told with its place; a traceback that ends up in a log must not repeat what was sent.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


# --- requests ---------------------------------------------------------------------------------------------------------


# PostgreSQL's texts cannot hold a NUL, and nobody's name or address has a control character.
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^\x00-\x20\x7f@]+@[^\x00-\x20\x7f@]+$")]
Password = Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class SignIn(_Request):
    email: Line = Field(min_length=1, max_length=320)
    password: Password


class NewPassword(_Request):
    """The caller's own. Every session and API token of the user ends; the caller's session begins anew."""

    current_password: Password
    new_password: Password = Field(description="At least 12 characters.")


class NewApiToken(_Request):
    name: Line = Field(min_length=1, max_length=100, description="What it is for.")
    days: int = Field(default=90, ge=1, le=366, description="How long it works.")
    password: Password = Field(description="The caller's: whoever found a signed-in browser makes no lasting key.")


class NewUser(_Request):
    email: Email
    password: Password = Field(description="The first one, at least 12 characters; to be told in person and changed.")
    role: Role = Role.VIEWER


class UserChanges(_Request):
    """What is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    password: Password | None = Field(
        default=None, description="A new one. Every session and API token of the user ends."
    )


class Weights(WeightOverrides):
    """Weights for this solve instead of the problem's own; omitted ones stay."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Keep(KeepWeights):
    """What each departure from the base timetable costs, in points of cost."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Pinned(PinnedClass):
    """A class that is fixed for this solve: to `time` and `room` by their ids, or to what it has in the base timetable.

    `keep` says what it keeps of the base beside `time` and `room`; a pin that says nothing keeps both. The pin replaces
    the problem's own pin of this class, if any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class GenerateRequest(SolveOptions):
    """What to solve and how: `problem_id` or `problem` (a native object, or a file's text), not both.

    With `base_job_id` both may be left out: then it is that job's problem again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    weights: Weights = Weights()
    profiles: list[Profile] = Field(  # type: ignore[assignment]  # only read, as `pins`
        default_factory=list,
        max_length=MAX_VARIANTS,
        description="Whom each variant is good for first, beginning anew when there are more variants than profiles."
        " Without `variants` there is one for each profile.",
    )
    keep_weights: Keep = Keep()
    pins: list[Pinned] = Field(  # type: ignore[assignment]  # only read: a list of the narrower type is one of the wider
        default_factory=list, max_length=MAX_PINS, description="Classes fixed for this solve, with or without a base."
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Higher starts earlier within the organisation.")
    problem_id: UUID | None = None
    problem: dict[str, Any] | str | None = None
    problem_format: ProblemFormat | None = Field(
        default=None,
        description="Of `problem`; by default native for an object, itc2019 for a text that is XML, else ctt. For a"
        " .tim text it must be given.",
    )

    @model_validator(mode="after")
    def _one_problem(self) -> Self:
        given = (self.problem is not None) + (self.problem_id is not None)
        if given > 1 or (given == 0 and self.base_job_id is None):
            raise ValueError("give exactly one of 'problem_id' and 'problem'")
        if self.problem is None and self.problem_format is not None:
            raise ValueError("'problem_format' goes with 'problem'; a stored problem's format is known")
        if isinstance(self.problem, dict) and self.problem_format not in (None, ProblemFormat.NATIVE):
            raise ValueError("an object is a native problem; give the text of the file as a string")
        return self

    @model_validator(mode="after")
    def _base_of_what_needs_one(self) -> Self:
        given = self.model_fields_set & {"base_variant", "keep_weights", "max_changes"}
        if self.base_job_id is None and given:
            raise ValueError(f"'{min(given)}' means nothing without 'base_job_id'; name the job to stay close to")
        return self

    def options(self) -> SolveOptions:
        """The part that travels in the event."""
        options = SolveOptions.model_validate(self.model_dump(mode="json", include=set(SolveOptions.model_fields)))
        if self.profiles and "variants" not in self.model_fields_set:
            options = options.model_copy(update={"variants": len(self.profiles)})
        return options


class MoveRequest(Move):
    """A class to another time, another room, or both; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Page(_Request):
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the page before.")


class JobPage(Page):
    status: list[JobStatus] = Field(default_factory=list, max_length=20, description="Only jobs in these states.")


class UploadQuery(_Request):
    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="Instead of the name in the problem."
    )


class VariantFormat(StrEnum):
    """For the benchmarks' validators: `xml` is ITC-2019's, `solution` ITC-2007's (of problems sent as .ctt or .tim)."""

    JSON = "json"
    CSV = "csv"
    ICS = "ics"
    XLSX = "xlsx"
    HTML = "html"
    SOLUTION = "solution"
    XML = "xml"


class VariantQuery(_Request):
    """At most one of room, instructor, course, student and curriculum."""

    format: VariantFormat = VariantFormat.JSON
    room: str | None = Field(default=None, min_length=1, max_length=128)
    instructor: str | None = Field(default=None, min_length=1, max_length=128)
    course: str | None = Field(default=None, min_length=1, max_length=128)
    student: str | None = Field(default=None, min_length=1, max_length=128)
    curriculum: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one_view(self) -> Self:
        if len(self.view) > 1:
            raise ValueError("give at most one of 'room', 'instructor', 'course', 'student' and 'curriculum'")
        if self.format in (VariantFormat.SOLUTION, VariantFormat.XML) and self.view:
            raise ValueError("a solution is always whole; leave out 'room' and the other views")
        return self

    @property
    def view(self) -> dict[str, str]:
        """The one filter that was given, or nothing."""
        given = {name: getattr(self, name) for name in ("room", "instructor", "course", "student", "curriculum")}
        return {name: value for name, value in given.items() if value is not None}


class ComparisonQuery(_Request):
    variants: str | None = Field(
        default=None,
        pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,7}$",
        description="Numbers separated by commas, such as 1,3; all finished variants if left out.",
    )

    @property
    def numbers(self) -> list[int]:
        return sorted({int(number) for number in (self.variants or "").split(",") if number})


# How an attempt ends. The solver's words; a newer solver may have one more, so they are described, not enumerated.
ATTEMPT_ENDS = {
    "finished": "the search ended by itself",
    "stopped": "the job was stopped; the best timetable is kept",
    "timed_out": "the hard limit passed; the best timetable is kept",
    "cancelled": "the job was cancelled; what was found is discarded",
    "released": "the worker was shut down and handed its task over, with its checkpoint; no failure",
    "lease_expired": "the worker was silent for longer than its lease (killed, frozen or cut off); a failed attempt",
    "error": "`detail` says what went wrong; a failed attempt",
}
_ATTEMPT_ENDS = "; ".join(f"`{word}`: {meaning}" for word, meaning in ATTEMPT_ENDS.items())

# --- answers ----------------------------------------------------------------------------------------------------------


class SignedIn(BaseModel):
    access_token: str | None = Field(
        description="For programs. Null for a browser, which is who sends Origin or Sec-Fetch-Site: its token is in a"
        " cookie that no script can read."
    )
    token_type: str = "bearer"  # noqa: S105  # the scheme's name (RFC 6750), not a secret
    expires_in: int = Field(description="Seconds.")


class Me(BaseModel):
    user_id: UUID
    email: str
    role: str
    organization_id: UUID
    organization: str


class ApiTokenAnswer(BaseModel):
    id: UUID
    user_id: UUID
    email: str = Field(description="Whose it is; it may do what this user may.")
    name: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    last_used_at: AwareDatetime | None = Field(description="To the minute; null if never.")


class MadeApiToken(ApiTokenAnswer):
    token: str = Field(description="Shown this once; only a hash of it is kept.")


class ApiTokenList(BaseModel):
    items: list[ApiTokenAnswer]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null on the last one.")


class UserAnswer(BaseModel):
    id: UUID
    email: str
    role: Role
    disabled_at: AwareDatetime | None = Field(description="Since when the user may not sign in; null if they may.")
    created_at: AwareDatetime


class UserList(BaseModel):
    items: list[UserAnswer]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null on the last one.")


class OrganizationLimits(BaseModel):
    generate_per_hour: int = Field(description="Accepted requests in any 60 minutes; more are refused (429).")
    running_jobs: int = Field(description="Solved at the same time; more wait.")
    open_jobs: int = Field(description="Queued and running; more are refused (429).")
    problem_bytes: int = Field(description="Of all stored problems, as uploaded; more are refused (409).")


class OrganizationUsage(BaseModel):
    generate_last_hour: int
    running_jobs: int
    open_jobs: int
    problem_bytes: int
    users: int = Field(description="Who may sign in.")


class OrganizationAnswer(BaseModel):
    id: UUID
    name: str
    limits: OrganizationLimits
    usage: OrganizationUsage


class ProblemAnswer(BaseModel):
    id: UUID
    name: str
    format: ProblemFormat = Field(description="Of the stored content: a spreadsheet is stored as a native problem.")
    uploaded_as: TableFormat | None = Field(
        default=None, description="The kind of spreadsheet that was uploaded; null if none was."
    )
    sha256: str = Field(
        description="Of the stored content: of the upload itself, or of the native problem that a spreadsheet says."
    )
    size_bytes: int
    summary: dict[str, int] = Field(description="How many there are of what.")
    created_at: AwareDatetime


class ProblemList(BaseModel):
    items: list[ProblemAnswer]
    next_cursor: str | None = Field(description="Ask again with it for the next page; null on the last one.")


class Accepted(BaseModel):
    job_id: UUID
    status: JobStatus
    status_url: str
    progress_url: str


class Controlled(BaseModel):
    """`status` is the job's state now; an ended job stays as it ended."""

    job_id: UUID
    action: ControlAction
    status: JobStatus
    status_url: str


class VariantAnswer(BaseModel):
    variant: int
    url: str
    score: Score
    own_score: Score | None = Field(
        default=None, description="With the problem's own weights, where others were used: by it variants compare."
    )
    optimal: bool
    lower_bound: int | None
    elapsed_s: float
    violations: list[str]
    provenance: Provenance
    changes: ChangeCounts | None = Field(
        default=None, description="What departs from the base timetable; `changes_url` lists the classes."
    )
    changes_url: str | None = None


class ComparedVariant(BaseModel):
    variant: int
    profile: str | None
    score: Score = Field(description="With the problem's own weights, whatever weights the search used.")


class ComparisonAnswer(Comparison):
    variants: list[ComparedVariant]


class JobAnswer(BaseModel):
    """A job without its timetables. `status_url` and `progress_url` are where to ask again."""

    job_id: UUID
    status: JobStatus
    percent: float
    problem_id: UUID | None
    problem_sha256: str | None
    options: SolveOptions
    priority: int
    source: str = Field(description="'api', or 'event' for a job that came over Kafka.")
    requested_by: str
    correlation_id: str
    control: ControlAction | None = Field(
        description="What was asked of the job, if anything: told at once; a stop takes effect when a solver answers."
    )
    best_score: Score | None
    best_variant: int | None
    error: ErrorInfo | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    updated_at: AwareDatetime
    status_url: str
    progress_url: str


class JobDetailAnswer(JobAnswer):
    infeasibility: Infeasibility | None
    progress: list[VariantState] = Field(description="The last report of each variant.")
    variants: list[VariantAnswer] = Field(description="The finished variants.")


class AttemptAnswer(BaseModel):
    """One worker's try at one variant. Times are the database's."""

    attempt: int = Field(description="From 1 on; every claim counts.")
    worker: str = Field(description="The name of the process that claimed the variant.")
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    end: str | None = Field(description=f"Null while it runs. {_ATTEMPT_ENDS}.")
    detail: str | None


class TaskStatus(StrEnum):
    """How a variant stands."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class VariantAttempts(BaseModel):
    """How a variant stands with the solvers, and everybody who has worked on it."""

    variant: int
    status: TaskStatus
    run_after: AwareDatetime | None = Field(description="When a failed variant is tried again, if that is to come.")
    checkpoint_age_s: float | None = Field(
        description="Since the last checkpoint of a variant that has not ended: what a lost worker would cost, seconds."
    )
    attempts: list[AttemptAnswer] = Field(description="In the order of their claims; the latest, if there are many.")
    attempts_left_out: int = Field(description="Earlier ones that are not shown.")


class JobAttempts(BaseModel):
    job_id: UUID
    variants: list[VariantAttempts] = Field(description="None as long as no solver has taken the job in.")


class JobList(BaseModel):
    items: list[JobAnswer]
    next_cursor: str | None
