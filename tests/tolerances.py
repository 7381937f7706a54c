"""The few numerical tolerances of the test suite, each with its reason. Tests write no numbers of their own.

Each is a pair of keyword arguments for numpy.testing.assert_allclose.
"""

FLOAT32_ROUNDING = dict(rtol=1e-5, atol=1e-6)  # dozens of float32 operations (6e-8 each) on values of order one
JPEG_LEVELS = dict(rtol=0, atol=12)  # of 255: what quality 95 with halved chroma may change in a smooth picture
FLOAT16_OFFSETS = dict(rtol=0, atol=2.5e-3)  # world units (0.5 mm): bases stored in float16, weighted by sliders up to 2
PIXEL_POSITIONS = dict(rtol=0, atol=1e-2)  # pixels: float32 projection at a depth of ten units and 512 pixels
HEAD_PARITY = dict(rtol=0, atol=1e-5)  # metres; the head's float32 chain of rotations against a float64 one
SKINNING = dict(rtol=1e-5, atol=1e-5)  # world units; a chain of float32 rotations and sums over bases of order one
