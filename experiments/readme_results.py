"""Writes the result section of README.md from experiments/results.

    python experiments/readme_results.py

The section stands between the markers BEGIN and END; a result that is not there yet is left out.
"""

import json
from pathlib import Path

from record import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results: experiments/readme_results.py -->", "<!-- end of results -->"


def load(name: str) -> dict | None:
    """A result, or None."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def table(columns: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def source(result: dict) -> str:
    """Where a result comes from."""
    return f"`{result['command']}`; {result['device']}; {result['date']}; commit {result['commit']}."


def reenactment(name: str, title: str, lpips: str) -> str:
    """One method a row."""
    result = load(name)
    if result is None:
        return ""
    rows = [
        [method, f"{row['psnr']:.2f}", f"{row['psnr_head']:.2f}", f"{row['ssim']:.3f}", f"{row['lpips']:.3f}"]
        for method, row in result["methods"].items()
    ]
    body = table(["", "PSNR", "PSNR, head", "SSIM", f"LPIPS ({lpips})"], rows)
    return f"**{title}** {result['targets']} driven frames. {source(result)}\n\n{body}\n"


def levels() -> str:
    """Gaussians and speed by level of detail."""
    result = load("level_of_detail")
    if result is None:
        return ""
    rows = [
        [name, row["head_gaussians"], row["plane_gaussians"], f"{row['frames_per_second']:.1f}"]
        for name, row in result.items()
        if name.startswith("level ")
    ]
    body = table(["", "Gaussians on the head", "on the plane", "frames per second, 512 x 512, refined"], rows)
    return f"**Levels of detail**, two CPU cores. {source(result)}\n\n{body}\n"


def tracking() -> str:
    """Reprojection error by clip."""
    result = load("tracking")
    if result is None:
        return ""
    shapes = ("shape_of_clip", "shape_of_first_frame")
    rows = [
        [clip, *(f"{row[shape][key]:.2f}" for shape in shapes for key in ("median", "p95"))]
        + [f"{row['smoothing']['second_difference'][key]:.2f}" for key in ("net", "smoothed")]
        + [f"{sum(row['smoothing'][key] for key in ('net_cpu_ms_per_frame', 'fit_cpu_ms_per_frame')):.1f}"]
        for clip, row in result["clips"].items()
    ]
    columns = ["clip", "median, shape of the clip", "p95", "median, shape of one frame", "p95"]
    columns += ["trembling, landmark net", "trembling, head", "CPU ms per frame"]
    return f"**Tracking**: reprojection error in {result['unit']}. {source(result)}\n\n{table(columns, rows)}\n"


def rasterizer() -> str:
    """Times by scene."""
    result = load("rasterizer_cpu")
    if result is None:
        return ""
    rows = [
        [row["scene"], row["num_gaussians"], f"{row['size']} x {row['size']}", row["channels"]]
        + [f"{row[f'{name}_cpu_ms']:.1f}" for name in ("forward", "backward", "both")]
        for row in result["rows"]
        if row["by"] == "omg_jax"
    ]
    columns = ["scene", "Gaussians", "picture", "channels", "forward, CPU ms", "backward, CPU ms", "both, CPU ms"]
    return f"**Rasterizer**, {result['simd_level']}. {source(result)}\n\n{table(columns, rows)}\n"


def paper_size() -> str:
    """Seconds of the paper preset by stage."""
    result = load("paper_size")
    if result is None:
        return ""
    whole, stages = {"photo to avatar, three levels": result["reconstruction"]}, result["stages_alone"]
    frames = {f"a frame, {name}": row for name, row in result["frames"].items()}
    timed = {**whole, **{f"of it, {name}": row for name, row in stages.items()}, **frames}
    rows = [[name, f"{row['seconds']:.2f}", f"{row['cpu_seconds']:.2f}"] for name, row in timed.items()]
    trained = sum(count for name, count in result["parameters"].items() if name != "backbone")
    sizes = f"{trained / 1e6:.1f} M parameters and a frozen backbone of {result['parameters']['backbone'] / 1e6:.1f} M"
    memory = f"at most {result['memory']['peak_gigabytes']:.1f} GB of memory"
    heading = f"**The paper preset**, full size with random weights: {sizes}, {memory}, two CPU cores."
    return f"{heading} {source(result)}\n\n{table(['', 'seconds', 'CPU seconds'], rows)}\n"


def main() -> None:
    sections = [
        levels(),
        reenactment("small_synthetic", "Held-out synthetic identities.", "vgg"),
        reenactment("small_carphone", "A real clip (carphone), first frame as the photo.", "alex"),
        tracking(),
        paper_size(),
        rasterizer(),
    ]
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    body = "\n".join(section for section in sections if section)
    README.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}")


if __name__ == "__main__":
    main()
