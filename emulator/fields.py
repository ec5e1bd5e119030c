"""What the tables of a scenario file are made of: the strict base and the common value types."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("has no time zone; write it in UTC, for example 2026-08-22T12:00:00Z")
    # The span of a TLE's two-digit year; sidereal time and SGP4 are good for all of it.
    if not 1957 <= moment.year <= 2056:
        raise ValueError("lies outside the years 1957 to 2056")
    return moment.astimezone(UTC)


def _from_iso(moment: object) -> object:
    if not isinstance(moment, str):
        return moment
    try:
        return datetime.fromisoformat(moment)
    except ValueError:
        return moment


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Moment = Annotated[datetime, BeforeValidator(_from_iso), AfterValidator(_in_utc)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
SomeShare = Annotated[float, Field(gt=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=360)]
HalfAngle = Annotated[float, Field(ge=0, le=180)]


class Section(BaseModel):
    """A table of the scenario: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
