"""The few numerical tolerances of the test suite, each with its reason. Tests write no numbers of their own.

Each is a pair of keyword arguments for numpy.testing.assert_allclose.
"""

FLOAT32_ROUNDING = dict(rtol=1e-5, atol=1e-6)  # dozens of float32 operations (6e-8 each) on values of order one
