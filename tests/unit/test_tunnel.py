"""The tunnel's frames: any cut of the stream gives the same frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.kernel.tunnel import MAX_PAYLOAD, Frame, FrameReader, Kind, frame

frames = st.lists(
    st.builds(Frame, st.integers(0, 65535), st.sampled_from(Kind), st.binary(max_size=300)),
    max_size=8,
)


@given(frames, st.integers(1, 50))
def test_any_cut_gives_the_same_frames(sent: list[Frame], cut: int) -> None:
    data = b"".join(each.encode() for each in sent)
    reader = FrameReader()
    got = [f for i in range(0, len(data), cut) for f in reader.feed(data[i : i + cut])]
    assert got == sent


def test_json_payloads() -> None:
    assert frame(3, Kind.EXIT, 7).value == 7
    assert frame(1, Kind.OPEN, {"argv": ["é"]}).value == {"argv": ["é"]}


def test_a_stream_out_of_step_is_noticed() -> None:
    with pytest.raises(ValueError, match="out of step"):
        list(FrameReader().feed(b"\0\1\2" + (MAX_PAYLOAD + 1).to_bytes(4, "big")))
