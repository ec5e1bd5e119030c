"""``[[workload]]``: what traffic a scenario carries; one class a kind."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emulator.fields import NotNegative, Positive, Section


class PingWorkload(Section):
    """``[[workload]] kind = "ping"``: round trips at fixed spacing, by pairs or all neighbours."""

    kind: Literal["ping"]
    pairs: tuple[tuple[str, str], ...] = ()
    """Default: every pair of laser neighbours, while it is linked."""
    interval_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0


class OffloadWorkload(Section):
    """``[[workload]] kind = "offload"``: one image, its answer on the ground by each strategy."""

    kind: Literal["offload"]
    source: str
    """The satellite that takes the image."""
    capture_s: NotNegative = 10.0
    """When the image is complete, seconds after the start."""
    object_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Size of the raw image before scaling."""
    result_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Size of the answer before scaling."""
    operations: Annotated[float, Field(gt=0)]
    """Operations that turn the image into the answer."""
    strategies: Annotated[tuple[Literal["raw", "onboard", "laser"], ...], Field(min_length=1)] = (
        "raw",
        "onboard",
        "laser",
    )
    onboard_tops: Positive
    onboard_utilisation: Annotated[float, Field(gt=0, le=1)]
    ground_tops: Positive
    ground_utilisation: Annotated[float, Field(gt=0, le=1)]


class TcpWorkload(Section):
    """``[[workload]] kind = "tcp"``: flows under a chosen congestion control, and TCP_INFO."""

    kind: Literal["tcp"]
    pairs: Annotated[tuple[tuple[str, str], ...], Field(min_length=1)]
    """Sender and receiver of each flow."""
    start_s: NotNegative = 0.0
    duration_s: Positive | None = None
    """How long to send. Default, without ``bytes``: to the scenario's end."""
    bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """How much to send before scaling, instead of ``duration_s``."""
    congestion: Literal["cubic", "bbr", "reno"] = "cubic"
    sample_s: Annotated[float, Field(ge=0.001, le=3600)] = 0.1
    """Seconds between two samples."""

    @model_validator(mode="after")
    def _one_end(self) -> "TcpWorkload":
        if self.duration_s is not None and self.bytes is not None:
            raise ValueError("give bytes or duration_s, and not both")
        return self


class IrttWorkload(Section):
    """``[[workload]] kind = "irtt"``: round trips and one-way delays by IRTT."""

    kind: Literal["irtt"]
    pairs: Annotated[tuple[tuple[str, str], ...], Field(min_length=1)]
    """Client and server of each."""
    start_s: NotNegative = 0.0
    duration_s: Positive | None = None
    """Default: to the scenario's end."""
    interval_s: Annotated[float, Field(ge=0.001, le=3600)] = 0.1
    length_bytes: Annotated[int, Field(ge=0, le=1472)] = 0
    """Of the UDP payload; IRTT sends no less than its own header."""


Workload = Annotated[
    PingWorkload | OffloadWorkload | TcpWorkload | IrttWorkload, Field(discriminator="kind")
]
