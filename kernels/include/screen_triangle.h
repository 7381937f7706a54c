// Triangles on the image plane: projection, clipping at the near plane, edge functions and the plane of inverse depth.
#pragma once

#include <cstdint>

#include "macros.h"
#include "projection.h"
#include "real.h"

namespace omg {

// A corner on the image plane: pixels, and inverse depth, which is linear in them.
struct ScreenPoint {
  float x, y, inverse_z;
};

// A triangle ready to be drawn. Edge function i is slope_x[i] * x + slope_y[i] * y + offset[i]; a point is inside where
// all three are >= 0.
struct ScreenTriangle {
  float slope_x[3], slope_y[3], offset[3];
  ScreenPoint anchor;  // the first pixel's centre: a corner may lie far outside, and differences to it lose digits
  float inverse_z_dx, inverse_z_dy;
  float min_inverse_z, max_inverse_z;
  int32_t first_column, end_column, first_row, end_row;  // pixels whose centres lie within the bounding box
  int32_t face;
};

OMG_FN void to_camera(const PinholeCamera& camera, const float* world, float (&point)[3]) {
  for (int i = 0; i < 3; ++i) {
    point[i] = camera.rotation[i][0] * world[0] + camera.rotation[i][1] * world[1] + camera.rotation[i][2] * world[2] +
               camera.translation[i];
  }
}

OMG_FN ScreenPoint to_screen(const PinholeCamera& camera, const float (&point)[3]) {
  const float inverse_z = 1.0f / point[2];
  return {camera.fx * (point[0] * inverse_z) + camera.cx, camera.fy * (point[1] * inverse_z) + camera.cy, inverse_z};
}

// The part of a triangle with z >= near: a polygon of 0, 3 or 4 corners (Sutherland and Hodgman 1974). Returns their
// number.
OMG_FN int clip_near(const float (&corners)[3][3], float near, float (&polygon)[4][3]) {
  int count = 0;
  for (int i = 0; i < 3; ++i) {
    const float (&a)[3] = corners[i];
    const float (&b)[3] = corners[(i + 1) % 3];
    const bool a_in = a[2] >= near, b_in = b[2] >= near;
    if (a_in) {
      for (int k = 0; k < 3; ++k) polygon[count][k] = a[k];
      ++count;
    }
    if (a_in != b_in) {
      const float t = (near - a[2]) / (b[2] - a[2]);
      for (int k = 0; k < 2; ++k) polygon[count][k] = a[k] + t * (b[k] - a[k]);
      polygon[count++][2] = near;
    }
  }
  return count;
}

// Fills `triangle`; false if it covers no pixel centre of the image, has no area, or a corner that is not a number.
OMG_FN bool set_up_triangle(const ScreenPoint (&p)[3], int face, int width, int height, ScreenTriangle* triangle) {
  // A product of two floats is exact in double. So the two triangles of a shared edge get the same edge function with
  // opposite signs, and a pixel centre on it belongs to both: no cracks.
  const double area = (static_cast<double>(p[1].x) - p[0].x) * (static_cast<double>(p[2].y) - p[0].y) -
                      (static_cast<double>(p[2].x) - p[0].x) * (static_cast<double>(p[1].y) - p[0].y);
  const double sign = area < 0 ? -1 : 1, magnitude = area * sign;
  if (!(magnitude > 0 && magnitude < 1e30)) return false;

  const float left = minimum(p[0].x, minimum(p[1].x, p[2].x)), right = maximum(p[0].x, maximum(p[1].x, p[2].x));
  const float top = minimum(p[0].y, minimum(p[1].y, p[2].y)), bottom = maximum(p[0].y, maximum(p[1].y, p[2].y));
  triangle->first_column = static_cast<int32_t>(minimum(maximum(ceilf(left - 0.5f), 0.0f), static_cast<float>(width)));
  triangle->end_column = static_cast<int32_t>(minimum(maximum(floorf(right + 0.5f), 0.0f), static_cast<float>(width)));
  triangle->first_row = static_cast<int32_t>(minimum(maximum(ceilf(top - 0.5f), 0.0f), static_cast<float>(height)));
  triangle->end_row = static_cast<int32_t>(minimum(maximum(floorf(bottom + 0.5f), 0.0f), static_cast<float>(height)));
  if (triangle->first_column >= triangle->end_column || triangle->first_row >= triangle->end_row) return false;

  double dx = 0, dy = 0;
  for (int i = 0; i < 3; ++i) {
    const ScreenPoint &a = p[(i + 1) % 3], &b = p[(i + 2) % 3];
    const double slope_x = sign * (static_cast<double>(a.y) - b.y), slope_y = sign * (static_cast<double>(b.x) - a.x);
    triangle->slope_x[i] = static_cast<float>(slope_x), triangle->slope_y[i] = static_cast<float>(slope_y);
    triangle->offset[i] = static_cast<float>(sign * (static_cast<double>(a.x) * b.y - static_cast<double>(b.x) * a.y));
    dx += slope_x * p[i].inverse_z, dy += slope_y * p[i].inverse_z;
  }
  dx /= magnitude, dy /= magnitude;
  triangle->inverse_z_dx = static_cast<float>(dx), triangle->inverse_z_dy = static_cast<float>(dy);
  triangle->anchor.x = triangle->first_column + 0.5f, triangle->anchor.y = triangle->first_row + 0.5f;
  triangle->anchor.inverse_z =
      static_cast<float>(p[0].inverse_z + dx * (triangle->anchor.x - p[0].x) + dy * (triangle->anchor.y - p[0].y));
  triangle->min_inverse_z = minimum(p[0].inverse_z, minimum(p[1].inverse_z, p[2].inverse_z));
  triangle->max_inverse_z = maximum(p[0].inverse_z, maximum(p[1].inverse_z, p[2].inverse_z));
  triangle->face = face;
  return true;
}

}  // namespace omg
