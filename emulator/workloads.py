"""``[[workload]]``: what traffic a scenario carries; one class a kind."""

from math import cos, radians, sin
from typing import Annotated, Literal

from pydantic import Field, model_validator

from emulator.fields import NotNegative, Positive, Section, SomeShare
from emulator.units import EARTH_MEAN_RADIUS_KM


class PingWorkload(Section):
    """``[[workload]] kind = "ping"``: round trips at fixed spacing, by pairs or all neighbours."""

    kind: Literal["ping"]
    pairs: tuple[tuple[str, str], ...] = ()
    """Default: every pair of laser neighbours, while it is linked."""
    interval_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0


class Area(Section):
    """``over`` of an offload: a circle on the ground, or a box of latitude and longitude."""

    name: str = ""
    centre_deg: tuple[float, float] | None = None
    """Latitude and longitude of a circle's centre."""
    radius_km: Annotated[float, Field(ge=10, le=20_000)] | None = None
    """On the ground."""
    latitude_deg: tuple[float, float] | None = None
    """From the southern to the northern edge of a box."""
    longitude_deg: tuple[float, float] | None = None
    """From its western to its eastern edge; across the dateline the east is the smaller number.
    Default: all around."""

    @model_validator(mode="after")
    def _one_region(self) -> "Area":
        circle = self.centre_deg is not None and self.radius_km is not None
        box = self.latitude_deg is not None
        stray = (self.centre_deg or self.radius_km) if box else self.longitude_deg
        if circle == box or stray:
            raise ValueError("needs latitude_deg, or centre_deg and radius_km, and not both")
        south, north = self.latitude_deg or (-90.0, 90.0)
        if not -90 <= south < north <= 90:
            raise ValueError("latitude_deg goes from south to north within -90..90")
        latitude_deg, longitude_deg = self.centre_deg or (0.0, 0.0)
        edges = (*(self.longitude_deg or ()), longitude_deg)
        if abs(latitude_deg) > 90 or not all(-180 <= each <= 360 for each in edges):
            raise ValueError("is not on the globe: latitudes -90..90, longitudes -180..360")
        if self.longitude_deg and self.longitude_deg[0] == self.longitude_deg[1]:
            raise ValueError("longitude_deg goes from west to east and has no width")
        return self

    @property
    def share(self) -> float:
        """Its share of the ground, on a sphere."""
        if self.latitude_deg is None:
            return (1 - cos((self.radius_km or 0.0) / EARTH_MEAN_RADIUS_KM)) / 2
        south, north = (sin(radians(each)) for each in self.latitude_deg)
        west, east = self.longitude_deg or (0.0, 0.0)
        return (north - south) / 2 * ((east - west) % 360.0 or 360.0) / 360.0


Strategy = Literal[
    "raw",
    "onboard",
    "split",
    "laser",
    "onboard-laser",
    "neighbour",
    "next-contact",
    "relay",
    "onboard-relay",
]
"""Where an image is computed, and which way it and its answer go: emulator/placement.py."""


class Split(Section):
    """``split`` of an offload: what is done on board, and what that leaves to be sent down."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """Of the operations."""
    ratio: SomeShare
    """Size of what is sent down, as a share of the image."""


_CAPTURE_S, _CADENCE_S = 10.0, 60.0


class OffloadWorkload(Section):
    """``[[workload]] kind = "offload"``: images, and their answers on the ground by each strategy.

    When images are complete is said in one of three ways: ``capture_s``, ``every_s`` or ``over``.
    """

    kind: Literal["offload"]
    source: str = ""
    """The satellite that takes the images."""
    sources: tuple[str, ...] = ()
    """Or several: satellites and whole constellations."""
    capture_s: NotNegative | None = None
    """One image of each, complete so many seconds after the start. Default: 10."""
    every_s: Positive | None = None
    """Or one again and again, from ``first_s`` on."""
    first_s: NotNegative | None = None
    """With ``every_s``: when the first image is complete. Default: 0."""
    stagger: bool = False
    """With ``every_s``: the sources share the time between two images evenly, in their order."""
    over: tuple[Area, ...] = ()
    """Or as long as the point below a satellite is inside one of these areas."""
    cadence_s: Positive | None = None
    """With ``over``: from one image to the next, the first on entering. Default: 60."""
    object_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Size of a raw image before scaling."""
    result_bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """Size of an answer before scaling."""
    result_ratio: SomeShare | None = None
    """Or its share of the image."""
    operations: Positive | None = None
    """Operations that turn an image into its answer."""
    operations_per_byte: Positive | None = None
    """Or so many for each byte of the image."""
    memory_gb: NotNegative = 0.0
    """What the model takes of a computer's memory."""
    strategies: Annotated[tuple[Strategy, ...], Field(min_length=1)] = ("raw", "onboard", "laser")
    """Each image is answered by each of them, side by side."""
    relay: tuple[str, ...] = ()
    """Constellations through which ``relay`` and ``onboard-relay`` go: GEO relays, or a mesh."""
    split: Split | None = None
    """For ``split``."""
    deadline_s: Positive | None = None
    """An answer that takes longer is late; it is delivered nevertheless."""
    expires_s: Positive | None = None
    """What is not answered so long after it was taken is dropped where it is. Default: never."""
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    """Higher goes first."""
    transport: Literal["tcp", "quic"] = "tcp"
    """What carries images and answers; QUIC needs aioquic."""
    congestion: Literal["cubic", "bbr", "reno"] = "cubic"
    """Congestion control for images and answers; QUIC has no BBR."""

    @model_validator(mode="after")
    def _one_of_each(self) -> "OffloadWorkload":
        def one(*keys: str, needed: bool = True) -> None:
            given = [key for key in keys if getattr(self, key) not in (None, (), "")]
            if len(given) > 1 or (needed and not given):
                raise ValueError(f"needs one of {' and '.join(keys)}")

        one("source", "sources")
        one("result_bytes", "result_ratio")
        one("operations", "operations_per_byte")
        one("capture_s", "every_s", "over", needed=False)
        for key, other in (("first_s", "every_s"), ("stagger", "every_s"), ("cadence_s", "over")):
            if getattr(self, key) and not getattr(self, other):
                raise ValueError(f"{key} belongs to {other}")
        if len(set(self.strategies)) != len(self.strategies):
            raise ValueError("strategies names one twice: name it once")
        if ("split" in self.strategies) != (self.split is not None):
            raise ValueError('split = { share = …, ratio = … } belongs to strategy "split"')
        if any(each.endswith("relay") for each in self.strategies) != bool(self.relay):
            raise ValueError('relay = ["…"] belongs to strategies "relay" and "onboard-relay"')
        if self.transport == "quic" and self.congestion == "bbr":
            raise ValueError('transport "quic" has congestion "cubic" or "reno", and no "bbr"')
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The satellites and constellations that take images."""
        return self.sources or (self.source,)

    @property
    def answer_bytes(self) -> int:
        """Size of an answer before scaling."""
        return self.result_bytes or max(1, round(self.object_bytes * (self.result_ratio or 0.0)))

    @property
    def work(self) -> float:
        """Operations that turn an image into its answer."""
        return self.operations or self.object_bytes * (self.operations_per_byte or 0.0)

    @property
    def first_image_s(self) -> float:
        """When the first image may be complete."""
        if self.over or self.every_s:
            return self.first_s or 0.0
        return _CAPTURE_S if self.capture_s is None else self.capture_s

    @property
    def between_s(self) -> float:
        """Seconds from one image over an area to the next."""
        return self.cadence_s or _CADENCE_S


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


class Iperf3Workload(Section):
    """``[[workload]] kind = "iperf3"``: throughput by iperf3, over TCP or UDP."""

    kind: Literal["iperf3"]
    pairs: Annotated[tuple[tuple[str, str], ...], Field(min_length=1, max_length=10)]
    """Sender and receiver of each test."""
    start_s: NotNegative = 0.0
    duration_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """How long to send. Default, without ``bytes``: to the scenario's end."""
    bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    """How much to bring before scaling, instead of ``duration_s``."""
    congestion: Literal["cubic", "bbr", "reno"] | None = None
    """Of TCP. Default: cubic."""
    streams: Annotated[int, Field(gt=0, le=50)] = 1
    """How many tests each pair runs side by side."""
    udp_mbps: Positive | None = None
    """UDP instead of TCP, and the rate of each stream before scaling."""
    interval_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """Seconds between two readings."""

    @model_validator(mode="after")
    def _fits(self) -> "Iperf3Workload":
        if self.duration_s is not None and self.bytes is not None:
            raise ValueError("give bytes or duration_s, and not both")
        if self.congestion is not None and self.udp_mbps is not None:
            raise ValueError("give congestion, which is TCP's, or udp_mbps, and not both")
        return self


class BundlesWorkload(Section):
    """``[[workload]] kind = "bundles"``: bundles (RFC 9171), stored and forwarded node by node."""

    kind: Literal["bundles"]
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Nodes that make a bundle each, again and again."""
    destination: str
    bundle_bytes: Annotated[int, Field(gt=0, le=10**15)]
    """Payload of a bundle before scaling."""
    start_s: NotNegative = 0.0
    every_s: Positive = 60.0
    count: Annotated[int, Field(gt=0)] | None = None
    """Bundles of each source. Default: as many as there is time for."""
    lifetime_s: Annotated[float, Field(gt=0, le=10**15)] = 86_400.0
    """CBOR has 64 bits for it, in milliseconds."""
    convergence: Literal["tcpcl", "mtcp"] = "tcpcl"


Workload = Annotated[
    PingWorkload | OffloadWorkload | TcpWorkload | IrttWorkload | Iperf3Workload | BundlesWorkload,
    Field(discriminator="kind"),
]
