// Z-buffer of a triangle mesh. A pixel holds one 64-bit number: the inverted bits of the inverse depth above the face's
// index, so that the smallest is the nearest face, of equally near ones the first, whatever the order of drawing. A warp
// draws a face, its lanes the pixels of the bounding box.
#include "zbuffer.h"

#include "device.h"
#include "screen_triangle.h"

namespace omg::cuda {
namespace {

constexpr int kThreads = 256;
constexpr uint64_t kEmpty = ~uint64_t{0};
using Packed = unsigned long long;

__device__ void draw(const ScreenTriangle& t, int width, Packed* canvas) {
  const int columns = t.end_column - t.first_column, count = columns * (t.end_row - t.first_row);
  for (int i = threadIdx.x % kWarpSize; i < count; i += kWarpSize) {
    const int column = t.first_column + i % columns, row = t.first_row + i / columns;
    const float x = column + 0.5f, y = row + 0.5f;
    bool inside = true;
    for (int k = 0; k < 3; ++k) inside = inside && t.slope_x[k] * x + (t.slope_y[k] * y + t.offset[k]) >= 0.0f;
    if (!inside) continue;
    float inverse_z = t.anchor.inverse_z + t.inverse_z_dy * (y - t.anchor.y) + t.inverse_z_dx * (x - t.anchor.x);
    // Within the corners' range: the plane of a sliver seen edge-on extrapolates wildly.
    inverse_z = minimum(maximum(inverse_z, t.min_inverse_z), t.max_inverse_z);
    if (!(inverse_z > 0.0f)) continue;
    const Packed packed = static_cast<Packed>(~__float_as_uint(inverse_z)) << 32 | static_cast<uint32_t>(t.face);
    atomicMin(canvas + static_cast<int64_t>(row) * width + column, packed);
  }
}

__global__ void __launch_bounds__(kThreads) draw_kernel(MeshScene scene, Packed* canvases) {
  const int64_t face = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kWarpSize, view = blockIdx.y;
  if (face >= scene.num_faces) return;
  const int32_t* corners = item(scene.faces, scene.batch, view, 3 * scene.num_faces) + 3 * face;
  const float* vertices = item(scene.vertices, scene.batch, view, 3 * scene.num_vertices);
  const PinholeCamera camera = make_camera(item(scene.world_to_camera, scene.batch, view, 16),
                                           item(scene.intrinsics, scene.batch, view, 9), scene.width, scene.height);
  float triangle[3][3], polygon[4][3];
  for (int i = 0; i < 3; ++i) {
    if (corners[i] < 0 || corners[i] >= scene.num_vertices) return;
    to_camera(camera, vertices + 3 * static_cast<int64_t>(corners[i]), triangle[i]);
  }
  const bool whole = triangle[0][2] >= scene.near && triangle[1][2] >= scene.near && triangle[2][2] >= scene.near;
  int num_corners = 3;
  if (!whole) num_corners = clip_near(triangle, scene.near, polygon);
  Packed* canvas = canvases + view * scene.width * scene.height;
  for (int i = 2; i < num_corners; ++i) {
    const float(*p)[3] = whole ? triangle : polygon;
    const ScreenPoint screen[3] = {to_screen(camera, p[0]), to_screen(camera, p[i - 1]), to_screen(camera, p[i])};
    ScreenTriangle piece;
    if (set_up_triangle(screen, static_cast<int>(face), scene.width, scene.height, &piece)) draw(piece, scene.width, canvas);
  }
}

__global__ void __launch_bounds__(kThreads)
    unpack_kernel(const Packed* canvases, int64_t count, float* depth, int32_t* face_index) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const bool empty = canvases[i] == kEmpty;
  depth[i] = empty ? INFINITY : 1.0f / __uint_as_float(~static_cast<uint32_t>(canvases[i] >> 32));
  face_index[i] = empty ? -1 : static_cast<int32_t>(static_cast<uint32_t>(canvases[i]));
}

int64_t num_pixels(const MeshScene& scene) { return scene.batch.num_views * scene.width * scene.height; }

}  // namespace

size_t zbuffer_workspace_bytes(const MeshScene& scene) {
  Workspace workspace(nullptr);
  workspace.array<Packed>(num_pixels(scene));
  return workspace.bytes();
}

Status zbuffer(const MeshScene& scene, float* depth, int32_t* face_index, void* memory, Stream stream) {
  if (scene.batch.num_views == 0) return kSuccess;
  Workspace workspace(memory);
  const int64_t pixels = num_pixels(scene);
  Packed* canvases = workspace.array<Packed>(pixels);
  OMG_RETURN_IF_FAILED(fill_bytes(canvases, 0xff, pixels * sizeof(Packed), stream));
  if (scene.num_faces > 0) {
    const dim3 grid(num_blocks(scene.num_faces * kWarpSize, kThreads), static_cast<unsigned>(scene.batch.num_views));
    OMG_RETURN_IF_FAILED(OMG_LAUNCH(draw_kernel, grid, dim3(kThreads), stream, scene, canvases));
  }
  return OMG_LAUNCH(unpack_kernel, dim3(num_blocks(pixels, kThreads)), dim3(kThreads), stream, canvases, pixels, depth,
                    face_index);
}

}  // namespace omg::cuda
