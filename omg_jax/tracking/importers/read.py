"""Tells whose files lie at a path, and reads them."""

from pathlib import Path

from omg_jax.tracking.importers.gagavatar import is_gagavatar, read_gagavatar
from omg_jax.tracking.importers.track import ImportedTrack
from omg_jax.tracking.importers.vhap import is_vhap, read_vhap


def read_tracks(source: str | Path, edition: str | None = None) -> list[ImportedTrack]:
    """The tracks that another tracker left at a path. edition: of FLAME; None for the one that the tracker comes with.

    ValueError where the files are of no known tracker, damaged, or of another layout.
    """
    source = Path(source)
    if not source.exists():
        raise ValueError(f"there is nothing at {source}")
    if is_vhap(source):
        tracks = read_vhap(source)
    elif is_gagavatar(source):
        tracks = read_gagavatar(source)
    else:
        raise ValueError(
            f"{source} is of no tracker known here; expected a folder of GAGAvatar_track (smoothed.pkl or "
            "optim.pkl) or an export of VHAP, as LAM reads it (transforms.json and flame_param)"
        )
    return [track._replace(edition=edition or track.edition) for track in tracks]


def chosen_track(tracks: list[ImportedTrack], name: str) -> ImportedTrack:
    """The track of a name, or the only one; ValueError where the choice is open."""
    found = [track for track in tracks if name in ("", track.name)]
    if len(found) != 1:
        names = [track.name for track in tracks]
        listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise ValueError(f"a motion holds one track: choose with --track one of {listed}, or write clips to a folder")
    return found[0]
