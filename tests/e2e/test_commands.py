"""The commands on small input, one after the other, as a person runs them."""

import json

import imageio.v2 as imageio
import numpy as np
import pytest
from skimage import data

from omg_jax.avatar_file import load_avatar
from omg_jax.cli.video import write_video


def frames_of(path) -> np.ndarray:
    with imageio.get_reader(path) as reader:
        return np.stack([frame for frame in reader])  # list() would ask the reader for its unknown length


def test_reconstruct_reports_what_it_made(omg, photos, tiny_weights, tmp_path):
    output = tmp_path / "avatar.omg"
    options = ["--preset", "tiny", "--weights", tiny_weights, "--json"]
    run = omg("reconstruct", photos["one face"], "-o", output, *options)
    assert run.code == 0
    facts = json.loads(run.out)
    avatar = load_avatar(output)
    assert facts["faces_in_photo"] == 1
    assert min(facts["seconds_tracking"], facts["seconds_building"]) > 0
    heads = [level.opacities.size for level in avatar.levels]
    assert heads[0] < heads[1] < heads[2]
    plane = int(np.count_nonzero(avatar.plane.opacities))
    assert facts["gaussians"] == {f"level {lod}": count + plane for lod, count in enumerate(heads)}


def test_of_two_faces_the_largest_is_taken_and_said_so(omg, photos, tiny_weights, tiny_avatar, tmp_path):
    output = tmp_path / "avatar.omg"
    options = ["--preset", "tiny", "--weights", tiny_weights]
    run = omg("reconstruct", photos["two faces"], "-o", output, *options)
    assert run.code == 0
    assert "2 faces" in run.err
    assert "largest" in run.err
    # The larger face is the single photo's: the same person, found in a wider picture.
    alone, of_two = load_avatar(tiny_avatar), load_avatar(output)
    distance = np.linalg.norm(alone.shape_params - of_two.shape_params)
    assert distance < np.linalg.norm(alone.shape_params)


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_one_avatar_plays_at_every_level(omg, tiny_avatar, tiny_weights, short_motion, tmp_path, lod):
    output = tmp_path / "out.mp4"
    options = ["--weights", tiny_weights, "--lod", lod, "--json"]
    run = omg("animate", tiny_avatar, "--driver", short_motion, "-o", output, *options)
    assert run.code == 0
    facts = json.loads(run.out)
    assert facts["level"] == lod
    assert facts["frames"] == len(frames_of(output)) == len(np.load(short_motion)["world_to_camera"])


def test_the_level_and_the_length_may_be_chosen_by_the_program_and_by_the_user(
    omg, tiny_avatar, tiny_weights, short_motion, tmp_path
):
    output = tmp_path / "out.mp4"
    options = ["--weights", tiny_weights, "--lod", "auto", "--max-frames", 2, "--json"]
    run = omg("animate", tiny_avatar, "--driver", short_motion, "-o", output, *options)
    assert run.code == 0
    facts = json.loads(run.out)
    assert facts["level"] in (0, 1, 2)
    assert facts["frames"] == len(frames_of(output)) == 2


def test_the_refiner_and_the_orbit_change_the_picture(omg, tiny_avatar, tiny_weights, short_motion, tmp_path):
    def play(*options):
        common = ["--driver", short_motion, "--weights", tiny_weights, "--lod", 0]
        run = omg("animate", tiny_avatar, "-o", tmp_path / "out.mp4", *common, *options)
        assert run.code == 0
        return frames_of(tmp_path / "out.mp4").astype(int)

    plain = play()
    assert np.any(plain != play("--no-refiner"))
    turned = play("--orbit", 30)
    assert np.abs(plain[1] - turned[1]).mean() > np.abs(plain[0] - turned[0]).mean()


def test_a_photo_makes_a_motion_of_one_frame(omg, photos, tmp_path):
    run = omg("track", photos["one face"], "-o", tmp_path / "motion.npz", "--json")
    assert run.code == 0
    facts = json.loads(run.out)
    assert (facts["frames"], facts["faces_in_photo"]) == (1, 1)
    assert (tmp_path / "motion.npz").is_file()


def test_a_clip_reports_its_faces_and_the_frames_without_one(omg, tmp_path):
    photo, clip = data.astronaut()[:300, :400], tmp_path / "clip.mp4"
    write_video(clip, [photo, photo, np.zeros_like(photo)], fps=25.0)
    overlay = tmp_path / "overlay.mp4"
    run = omg("track", clip, "-o", tmp_path / "motion.npz", "--overlay", overlay, "--json")
    assert run.code == 0
    assert len(frames_of(overlay)) == 3
    assert json.loads((tmp_path / "motion.json").read_text())["lost"] == [[2, 2]]
    facts = json.loads(run.out)
    assert (facts["frames"], facts["faces_in_video"], facts["frames_without_face"]) == (3, 1, 1)
    assert "clip.mp4 shows no face in 1 of 3 frames" in run.err


def test_doctor_prints_one_json_object(omg):
    run = omg("doctor", "--json")
    facts = json.loads(run.out)
    assert run.code == 0, facts["problems"]
    assert "omg_rasterize_forward" in facts["native_kernels"]["cpu"]


def test_assets_are_listed_with_their_licence(omg):
    run = omg("assets", "list", "--json")
    assert run.code == 0
    assert "CC0" in run.out or "Apache-2.0" in run.out
    assert json.loads(run.out)["face-landmarker"]["licence"]
