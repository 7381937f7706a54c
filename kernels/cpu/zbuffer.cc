// Z-buffer of a triangle mesh: vertices to the screen, faces to screen triangles, then every band of rows is drawn by
// one thread. Until the band is done its depth image holds inverse depth, whose maximum is wanted, or 0.
#include "zbuffer.h"

#include <cmath>

#include "screen_triangle.h"
#include "vector.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int64_t kChunk = 2048;  // vertices or faces per work item
constexpr int kBandRows = 32;     // rows per work item
constexpr int kMaxPieces = 2;     // screen triangles of one face: two where the near plane cuts off one corner

struct CameraPoint {
  float camera[3];
  ScreenPoint screen;
};

// The triangles of one chunk of faces, and which rows they reach.
struct TriangleChunk {
  ScreenTriangle* triangles;
  int32_t count, first_row, end_row;
};

struct Canvas {
  float* inverse_z;
  int32_t* face;
  int width, height, stride;  // stride >= kLanes
};

int64_t chunks_of(int64_t count) { return (count + kChunk - 1) / kChunk; }
int64_t chunk_end(int64_t chunk, int64_t count) { return (chunk + 1) * kChunk < count ? (chunk + 1) * kChunk : count; }

void project_vertices(const ZbufferInputs& in, const PinholeCamera& camera, const Parallel& parallel,
                      CameraPoint* points) {
  parallel(chunks_of(in.num_vertices), [&](int64_t chunk) {
    for (int64_t i = chunk * kChunk; i < chunk_end(chunk, in.num_vertices); ++i) {
      to_camera(camera, in.vertices + 3 * i, points[i].camera);
      points[i].screen = to_screen(camera, points[i].camera);
    }
  });
}

// Appends the visible pieces of a face to `out` and returns their number.
int set_up_face(const ZbufferInputs& in, const PinholeCamera& camera, const CameraPoint* points, int64_t face,
                ScreenTriangle* out) {
  const int32_t* corners = in.faces + 3 * face;
  const CameraPoint* p[3] = {points + corners[0], points + corners[1], points + corners[2]};
  if (p[0]->camera[2] >= in.near && p[1]->camera[2] >= in.near && p[2]->camera[2] >= in.near) {
    const ScreenPoint screen[3] = {p[0]->screen, p[1]->screen, p[2]->screen};
    return set_up_triangle(screen, static_cast<int>(face), in.width, in.height, out);
  }
  float triangle[3][3], polygon[4][3];
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 3; ++k) triangle[i][k] = p[i]->camera[k];
  }
  const int num_corners = clip_near(triangle, in.near, polygon);
  int count = 0;
  for (int i = 2; i < num_corners; ++i) {
    const ScreenPoint screen[3] = {to_screen(camera, polygon[0]), to_screen(camera, polygon[i - 1]),
                                   to_screen(camera, polygon[i])};
    count += set_up_triangle(screen, static_cast<int>(face), in.width, in.height, out + count);
  }
  return count;
}

void set_up_faces(const ZbufferInputs& in, const PinholeCamera& camera, const CameraPoint* points,
                  const Parallel& parallel, ScreenTriangle* triangles, TriangleChunk* chunks) {
  parallel(chunks_of(in.num_faces), [&](int64_t index) {
    TriangleChunk chunk = {triangles + index * kChunk * kMaxPieces, 0, in.height, 0};
    for (int64_t face = index * kChunk; face < chunk_end(index, in.num_faces); ++face) {
      const int added = set_up_face(in, camera, points, face, chunk.triangles + chunk.count);
      for (int i = 0; i < added; ++i) {
        const ScreenTriangle& t = chunk.triangles[chunk.count++];
        chunk.first_row = t.first_row < chunk.first_row ? t.first_row : chunk.first_row;
        chunk.end_row = t.end_row > chunk.end_row ? t.end_row : chunk.end_row;
      }
    }
    chunks[index] = chunk;
  });
}

OMG_VECTOR_FN Float lane_centres() {
  alignas(64) static constexpr float kCentres[16] = {0.5f, 1.5f, 2.5f,  3.5f,  4.5f,  5.5f,  6.5f,  7.5f,
                                                     8.5f, 9.5f, 10.5f, 11.5f, 12.5f, 13.5f, 14.5f, 15.5f};
  return load(kCentres);
}

// Draws the rows [first_row, end_row) of a triangle.
void draw(const ScreenTriangle& t, int first_row, int end_row, const Canvas& canvas) {
  const int last_start = canvas.stride - kLanes;
  for (int row = first_row; row < end_row; ++row) {
    const float y = row + 0.5f;
    Float at_row[3];
    for (int i = 0; i < 3; ++i) at_row[i] = Float(t.slope_y[i] * y + t.offset[i]);
    const Float inverse_z_at_row = Float(t.anchor.inverse_z + t.inverse_z_dy * (y - t.anchor.y));
    float* inverse_z_row = canvas.inverse_z + static_cast<int64_t>(row) * canvas.stride;
    int32_t* face_row = canvas.face + static_cast<int64_t>(row) * canvas.stride;
    for (int column = t.first_column; column < t.end_column; column += kLanes) {
      // At the right border the lanes are moved to the left: drawing a pixel twice does no harm.
      const int start = column < last_start ? column : last_start;
      const Float x = Float(static_cast<float>(start)) + lane_centres();
      Mask inside = Float(t.slope_x[0]) * x + at_row[0] >= Float(0.0f);
      inside = inside & (Float(t.slope_x[1]) * x + at_row[1] >= Float(0.0f));
      inside = inside & (Float(t.slope_x[2]) * x + at_row[2] >= Float(0.0f));
      Float inverse_z = inverse_z_at_row + Float(t.inverse_z_dx) * (x - Float(t.anchor.x));
      // Within the corners' range: the plane of a sliver seen edge-on extrapolates wildly.
      inverse_z = minimum(maximum(inverse_z, Float(t.min_inverse_z)), Float(t.max_inverse_z));
      const Float before = load(inverse_z_row + start);
      const Mask nearer = inside & (inverse_z > before);
      if (!any(nearer)) continue;
      store(inverse_z_row + start, select(nearer, inverse_z, before));
      store(face_row + start, select(nearer, Int(t.face), load(face_row + start)));
    }
  }
}

// Clears the rows, draws every triangle that reaches them in the faces' order, and turns inverse depth into depth.
void draw_band(const TriangleChunk* chunks, int64_t num_chunks, int first_row, int end_row, const Canvas& canvas,
               const ZbufferOutputs& out) {
  const int64_t begin = static_cast<int64_t>(first_row) * canvas.stride;
  const int64_t end = static_cast<int64_t>(end_row) * canvas.stride;
  for (int64_t i = begin; i < end; ++i) canvas.inverse_z[i] = 0.0f, canvas.face[i] = -1;
  for (const TriangleChunk* chunk = chunks; chunk != chunks + num_chunks; ++chunk) {
    if (chunk->first_row >= end_row || chunk->end_row <= first_row) continue;
    for (const ScreenTriangle* t = chunk->triangles; t != chunk->triangles + chunk->count; ++t) {
      if (t->first_row >= end_row || t->end_row <= first_row) continue;
      draw(*t, t->first_row > first_row ? t->first_row : first_row, t->end_row < end_row ? t->end_row : end_row,
           canvas);
    }
  }
  for (int row = first_row; row < end_row; ++row) {
    const int64_t from = static_cast<int64_t>(row) * canvas.stride, to = static_cast<int64_t>(row) * canvas.width;
    for (int column = 0; column < canvas.width; ++column) {
      const float inverse_z = canvas.inverse_z[from + column];
      out.depth[to + column] = inverse_z > 0.0f ? 1.0f / inverse_z : INFINITY;
      out.face_index[to + column] = canvas.face[from + column];
    }
  }
}

}  // namespace

void zbuffer(const ZbufferInputs& in, const ZbufferOutputs& out, const Arena& arena, const Parallel& parallel) {
  const PinholeCamera camera = make_camera(in.world_to_camera, in.intrinsics, in.width, in.height);
  CameraPoint* points = arena.array<CameraPoint>(in.num_vertices);
  ScreenTriangle* triangles = arena.array<ScreenTriangle>(in.num_faces * kMaxPieces);
  TriangleChunk* chunks = arena.array<TriangleChunk>(chunks_of(in.num_faces));
  Canvas canvas = {out.depth, out.face_index, in.width, in.height, in.width};
  if (in.width < kLanes) {  // too narrow for a vector: drawn beside the outputs
    canvas.stride = kLanes;
    canvas.inverse_z = arena.array<float>(static_cast<int64_t>(in.height) * kLanes);
    canvas.face = arena.array<int32_t>(static_cast<int64_t>(in.height) * kLanes);
  }
  project_vertices(in, camera, parallel, points);
  set_up_faces(in, camera, points, parallel, triangles, chunks);
  parallel((in.height + kBandRows - 1) / kBandRows, [&](int64_t band) {
    const int first_row = static_cast<int>(band) * kBandRows;
    const int end_row = first_row + kBandRows < in.height ? first_row + kBandRows : in.height;
    draw_band(chunks, chunks_of(in.num_faces), first_row, end_row, canvas, out);
  });
}

}  // namespace omg::cpu::OMG_SIMD
