"""What `omg bench` measures: scenes, clocks, what the work must cost at least, and other rasterizers beside ours."""
