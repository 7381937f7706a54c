"""The few numerical tolerances of the test suite, each with its reason. Tests write no numbers of their own.

Each is a pair of keyword arguments for numpy.testing.assert_allclose.
"""

FLOAT32_ROUNDING = dict(rtol=1e-5, atol=1e-6)  # dozens of float32 operations (6e-8 each) on values of order one
JPEG_LEVELS = dict(rtol=0, atol=12)  # of 255: what quality 95 with halved chroma may change in a smooth picture
FLOAT16_OFFSETS = dict(rtol=0, atol=5e-4)  # world units (0.1 mm): bases stored in float16, weighted by sliders up to 2
ONE_LEVEL = dict(rtol=0, atol=1)  # of 255: eight-bit textures are rounded once per step
EVEN_SKY = dict(rtol=0, atol=2e-2)  # of 1: sums over 400 directions in place of integrals over the sphere
HEAD_OVERLAP = 0.97  # intersection over union of the drawn head and ours; the drawn one is uneven and has its own ears
INSIDE_PORTRAIT = 0.99  # share of our head that the portrait's matte covers
HEAD_PARITY = dict(rtol=0, atol=1e-5)  # metres; the head's float32 chain of rotations against a float64 one
SKINNING = dict(rtol=1e-5, atol=1e-5)  # world units; a chain of float32 rotations and sums over bases of order one
ROTATIONS = dict(rtol=0, atol=5e-6)  # radians and matrix entries; float32, through an arc tangent or arc sine and back
CAMERA_DEGREES = dict(rtol=0, atol=1e-3)  # float32 sines and cosines, a hundred-thousandth of a radian
PIXEL_POSITIONS = dict(rtol=0, atol=1e-2)  # pixels: float32 projection at a depth of ten units and 512 pixels
PLACES_IN_STEPS = 0.5  # pixels; mean error of places that go in steps of eight
MAP_OF_MOST = dict(rtol=0, atol=5e-2)  # matrix entries; a twenty-fifth of the weight does not move, at 0.3 radians
GUESSED_DETAIL = 0.1  # of a residual's differences between neighbours, what its means over 24 pixels may leave
GUESSED_LIGHT = 0.01  # what they must leave of the residual itself
EXACT = dict(rtol=0, atol=0)  # the same bits
FRAME = dict(rtol=0, atol=2e-5)  # colours of two compilations of one frame: sums in other orders, through the refiner
LOOP_WEIGHTS = dict(rtol=0, atol=1e-6)  # float64 weights stored in float32, applied to coordinates of order one
DEPTH = dict(rtol=5e-6, atol=0)  # float32 corners in pixels, and inverse depth interpolated between them
BARYCENTRICS = dict(rtol=0, atol=1e-4)  # float32 coordinates of order 0.5 against triangles 0.02 units wide
SPHERE_CHORD = dict(rtol=0, atol=2e-3)  # world units in depth; the flat faces of a fine sphere lie inside of it

# Where a hit is a matter of rounding: barycentric coordinates this near to zero, or depths this near to each other.
EDGE_MARGIN = 1e-4
DEPTH_MARGIN = 1e-4
SHARE_OF_SURE_PIXELS = 0.95  # what must remain when those are left out
# The z-buffer knows a surface at pixel centres only: a vertex and its pixel may disagree at silhouettes and on slopes.
VISIBILITY_AGREEMENT = 0.98
DINOV2_PARITY = dict(rtol=0, atol=1e-4)  # tokens of unit variance after twelve float32 blocks, against float64
TRANSFORMER_PARITY = dict(rtol=0, atol=2e-5)  # features of unit variance after two float32 decoder layers
RESIZE_PARITY = dict(rtol=0, atol=5e-5)  # sample positions up to 518 in float32 (3e-5), between values in [0, 1]
PYRAMID_PARITY = dict(rtol=1e-5, atol=1e-5)  # a dozen float32 convolutions in a row, against float64
SSIM_PARITY = dict(rtol=0, atol=1e-6)  # float32 variances, which are small differences of squares, against float64
LPIPS_PARITY = dict(rtol=1e-5, atol=1e-7)  # float32 against float32, sums over 13 layers in another order

# Tracking.
GREY_LEVELS = dict(rtol=0, atol=1.5)  # of 255: bilinear weights in fixed point, rounding to eight bits, twice
NET_PIXEL = dict(rtol=0, atol=1.0)  # pixels of a net's input: what is smaller cannot be seen there
# Second differences in the fit over time over those frame by frame, for noise that all landmarks of a frame share: that
# is the hardest to tell from motion, and of a still head half of it is left.
TREMBLING_LEFT = 0.6
LAG_LEFT = 0.25  # pixels of a portrait by which the fit over time may lag behind a head that swings by 23 degrees
QUALITY = dict(rtol=3e-2, atol=0)  # errors are averaged over eye distances that vary by as much
BRIDGED_POSE = dict(rtol=0, atol=3e-2)  # matrix entries; a swing of 11 degrees where four frames of 40 are not seen
BANDED_SOLUTION = dict(rtol=0, atol=2e-3)  # conjugate gradients stop at a ten-thousandth of values of order one
ONE_MILLIMETRE = dict(rtol=0, atol=5e-3)  # world units; what two places on a head may differ by and be called the same
LANDMARK_PLACES = dict(rtol=0, atol=1.25e-2)  # world units (2.5 mm): half the base mesh's edge length in the face

# A torso of 128 pixels with smooth patterns, seen through Huber's weights and a prior that pulls towards the head.
TORSO_PLACES = dict(rtol=0, atol=4e-3)  # windows: half a pixel
TORSO_ANGLE = dict(rtol=0, atol=2e-2)  # radians: half a pixel at the torso's edge
TORSO_CORNERS = dict(rtol=0, atol=8e-3)  # windows: the sum of the above, at the torso's edge
TORSO_SIZE = dict(rtol=0, atol=2e-2)  # of its size: likewise

# The rasterizer against a float64 oracle, on images of 128 pixels: means in pixels are rounded to 1e-5, alphas by as
# much. Relative as well, for depth, which is ten units.
RENDERED_PIXELS = dict(rtol=1e-5, atol=1e-5)
FLIPPED_PIXELS = 1e-4  # share of pixels where rounding decides a threshold (alpha of 1/255, transmittance of 1e-4)
THRESHOLD_ROUNDING = 1e-4  # how near, relatively, float32 must come to a threshold to be on its other side
RENDER_GRADIENTS = 1e-4  # error over size, both as L2 norms: sums of thousands of float32 terms of either sign
FINITE_DIFFERENCES = 5e-3  # error over the sum of magnitudes; two float32 pictures hardly apart, and their curvature
SCENE_IN_VIEW = 0.95  # share of a benchmark scene's Gaussians that the camera sees; the cloud reaches over the edges
# Two ways to sum the same float32 products, each of relative error 1e-6.
RENDER_IDENTITY = dict(rtol=1e-5, atol=0)

# Training.
PARALLEL_TRAINING = 1e-5  # error over size, both as L2 norms: sums over devices in another order, through twenty steps
DRAWN_SHARES = dict(rtol=0, atol=0.02)  # five standard deviations of a share among 14,000 draws
FIT_POSE = dict(rtol=0, atol=5e-3)  # radians, world units across; the gaze's wrong prior pulls a little
JAW_LANDMARKS = dict(rtol=0, atol=1e-3)  # world units, 0.2 mm: skinning shares differ between a landmark's corners
JAW_ANGLES = dict(rtol=0, atol=3e-2)  # radians; lips and chin may be moved by jaw or expression, the priors decide
STEADY_LANDMARKS = 1.0  # pixels; median, of a mouth that opens within three frames, which steadiness flattens a little
TRANSFERRED_MOTION = 0.4  # of a unit's motion of the landmarks, what other expressions and priors leave of it
FIT_PARAMETERS = dict(rtol=0, atol=3e-2)  # unit weights; units that look alike share what the landmarks do not tell
FIT_LANDMARKS = 0.2  # pixels at a focal length of 3072; median, without noise
JACOBIANS = dict(rtol=1e-4, atol=1e-5)  # two float32 routes to one derivative of order one
PHOTO_LANDMARKS = dict(rtol=0, atol=4.0)  # pixels, on a face 92 pixels wide; how well a person reads off a place
LANDMARK_REPEAT = dict(rtol=0, atol=0.05)  # of the eyes' distance, worst of 478 landmarks: one net pixel and its noise
REPEATED_LANDMARKS, REPEATED_DEGREES = 0.0027, 0.3  # of the eyes' distance; yaw and pitch: bars for clips of webcams
TRACKED_LANDMARKS = 0.02  # of the eyes' distance, median; 0.012 was measured on clips
MATTE_EDGE = dict(rtol=0, atol=1e-6)  # a cubic in float32
OUTLIER_PULL = 0.4  # shift of the head over that of the landmarks' mean; Huber's loss leaves a constant pull
GAZE_LEFT = 0.5  # error of the gaze over that of its prior: five iris points against a prior of 9 degrees
SHAPE_ERROR_LEFT = 0.2  # landmark error after the fit over that of the mean head
SHAPE_CORRELATION = 0.5  # of 65 sliders with the true ones: the prior shrinks what a few views hardly show
WEIGHT_EXCESS = 0.2  # how far soft one-sided penalties let a unit weight out of its range
START_POSE = dict(rtol=0, atol=6e-2)  # matrix entries; the start knows neither shape nor perspective

# The network.
PLANE_PIXELS = dict(rtol=0, atol=1e-3)  # pixels at a focal length of 384: float32 positions ten units from the camera
PLANE_POINTS = dict(rtol=0, atol=1e-5)  # world units: rounding of float32 positions ten units from the camera
INSIDE_MATTE = 0.98  # what the soft matte may lack inside a face
HEAD_SYMMETRY = dict(rtol=0, atol=1e-2)  # world units, 2 mm: the built-in head's teeth are not quite symmetric
NEAREST = dict(rtol=0, atol=2e-3)  # world units: squares of coordinates of order one, subtracted in float32
MIRRORED_BACK = 0.99  # share of vertices that are their mirror image's mirror image

# Augmentation.
DOT_CENTRES = dict(rtol=0, atol=0.1)  # pixels: the centroid of a painted dot, in eight bits, interpolated
JPEG_DOT_CENTRES = dict(rtol=0, atol=0.25)  # pixels: the same after JPEG of quality 95, which loses faint borders
# Pixels: a fully drawn mouthFunnel differs from its own mirror image by 2.2 mm, seen at 290 pixels per world unit.
MIRRORED_MOUTH = dict(rtol=0, atol=4.0)
MIRRORED_SKIN = dict(rtol=0, atol=0.2)  # pixels, median: shape and expression bases are stored in float16

# Evaluation.
ROUNDED_MEANS = dict(rtol=0, atol=2e-4)  # decibels: results hold six significant digits, of values from 10 to 100
ALIGNMENT = dict(rtol=0, atol=1e-6)  # pixels; the same least squares in double precision
ALIGNED_FACE = dict(rtol=0, atol=8.0)  # pixels of 112; a broad smile against the mean face
SAME_PERSON = 0.9  # cosine of SFace's embeddings of one photo, turned or in another size
STILL_ERROR = 1e-4  # grey levels of 255; float32 rounding of colours in [0, 1]
SAME_POSE = 0.05  # radians; one face, fitted with two shapes of its head
SHIFTED_LANDMARKS = dict(rtol=0, atol=0.3)  # pixels of 512; the landmark net's noise, averaged over 478 points
RESAMPLED = dict(rtol=0, atol=1e-3)  # colours in [0, 1]; positions of 1e-4 pixels' precision, on slopes of up to 0.5
SIMILARITY = dict(rtol=0, atol=1e-9)  # the same regression in double precision
SFACE_PARITY = dict(rtol=0, atol=1e-5)  # 128 numbers of order 0.1 after 27 float32 convolutions, and their cosine
