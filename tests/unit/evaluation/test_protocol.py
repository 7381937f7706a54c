"""Protocols: who drives whom, by which frames; results of another one are told apart."""

import dataclasses

import pytest

from omg_jax.evaluation.protocol import PROTOCOLS, check_protocol, driver_frames, pair_clips, protocol_to_json


def test_a_clip_drives_its_photo_by_all_other_frames():
    assert driver_frames(PROTOCOLS["self"], 4) == (1, 2, 3)
    assert pair_clips(PROTOCOLS["self"], 2) == [(0, 0), (1, 1)]


def test_a_clip_drives_the_one_before_it_by_fifty_frames():
    frames = driver_frames(PROTOCOLS["cross"], 200)
    assert (frames[0], frames[-1], len(frames)) == (0, 199, 50)
    assert driver_frames(PROTOCOLS["cross"], 3) == (0, 1, 2)
    assert pair_clips(PROTOCOLS["cross"], 3) == [(0, 1), (1, 2), (2, 0)]


def test_fewer_are_spread_frames_and_first_pairs():
    few = dataclasses.replace(PROTOCOLS["self"], max_frames=3, max_pairs=1)
    assert driver_frames(few, 10) == (1, 5, 9)
    assert pair_clips(few, 5) == [(0, 0)]


def test_too_little_to_pair_is_refused():
    with pytest.raises(ValueError, match="at least two frames"):
        driver_frames(PROTOCOLS["self"], 1)
    with pytest.raises(ValueError, match="at least 2 clips, got 1"):
        pair_clips(PROTOCOLS["cross"], 1)
    with pytest.raises(ValueError, match="at least 1 clips, got 0"):
        pair_clips(PROTOCOLS["self"], 0)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_protocol_is_equal_to_itself_only(protocol):
    check_protocol(protocol_to_json(protocol), protocol, "here")
    for changes in ({"version": protocol.version + 1}, {"max_frames": 7}, {"crop": "another"}):
        other = protocol_to_json(dataclasses.replace(protocol, **changes))
        with pytest.raises(ValueError, match=f"here was made by another protocol: its {next(iter(changes))}"):
            check_protocol(other, protocol, "here")
