// Projection of 3D Gaussians to 2D (EWA splatting, Zwicker et al. 2001) and its vector-Jacobian product.
#pragma once

#include "macros.h"
#include "real.h"
#include "rules.h"

namespace omg {

// An OpenCV pinhole camera without skew, with what projection derives from it.
struct PinholeCamera {
  float rotation[3][3];
  float translation[3];
  float fx, fy, cx, cy;            // pixels
  float min_slope_x, max_slope_x;  // bounds of x / z in the Jacobian
  float min_slope_y, max_slope_y;
};

// world_to_camera is 4x4, intrinsics 3x3, both row-major.
OMG_FN PinholeCamera make_camera(const float* world_to_camera, const float* intrinsics, int width, int height) {
  PinholeCamera camera;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) camera.rotation[i][j] = world_to_camera[4 * i + j];
    camera.translation[i] = world_to_camera[4 * i + 3];
  }
  camera.fx = intrinsics[0], camera.cx = intrinsics[2];
  camera.fy = intrinsics[4], camera.cy = intrinsics[5];
  const float margin_x = kClampMargin * width, margin_y = kClampMargin * height;
  camera.min_slope_x = (-margin_x - camera.cx) / camera.fx,
  camera.max_slope_x = (width + margin_x - camera.cx) / camera.fx;
  camera.min_slope_y = (-margin_y - camera.cy) / camera.fy,
  camera.max_slope_y = (height + margin_y - camera.cy) / camera.fy;
  return camera;
}

// Zero, unless a number that the camera is made of is infinite or not a number.
OMG_FN float times_zero(const PinholeCamera& camera) {
  float sum = 0.0f * camera.fx + 0.0f * camera.fy + 0.0f * camera.cx + 0.0f * camera.cy;
  for (int i = 0; i < 3; ++i) {
    sum += 0.0f * camera.translation[i];
    for (int j = 0; j < 3; ++j) sum += 0.0f * camera.rotation[i][j];
  }
  return sum;
}

template <class Real>
struct Gaussian {
  Real mean[3];
  Real quat[4];  // w x y z, any length but zero
  Real scale[3];
};

// A Gaussian on the image plane.
template <class Real>
struct Projection {
  Real depth;            // camera z
  Real x, y;             // pixels
  Real xx, xy, yy, det;  // covariance in pixels^2, blur included, and its determinant
};

// The first-order map from a Gaussian's own axes to pixels, with all that its derivative needs again.
template <class Real>
struct LocalMap {
  Real point[3];  // camera space
  Real inverse_z, ratio_x, ratio_y;
  Real slope_x, slope_y;  // the ratios, clamped
  Real unit_quat[4], inverse_norm;
  Real rotation[3][3];   // Gaussian's axes to world
  Real to_pixels[2][3];  // world to pixels
  Real axes[2][3];       // unit axes of the Gaussian, in pixels: to_pixels * rotation
  Real rows[2][3];       // axes times scale
};

template <class Real>
OMG_FN void quat_to_rotation(const Real (&q)[4], Real (&r)[3][3]) {
  const Real w = q[0], x = q[1], y = q[2], z = q[3];
  r[0][0] = 1.0f - 2.0f * (y * y + z * z), r[0][1] = 2.0f * (x * y - w * z), r[0][2] = 2.0f * (x * z + w * y);
  r[1][0] = 2.0f * (x * y + w * z), r[1][1] = 1.0f - 2.0f * (x * x + z * z), r[1][2] = 2.0f * (y * z - w * x);
  r[2][0] = 2.0f * (x * z - w * y), r[2][1] = 2.0f * (y * z + w * x), r[2][2] = 1.0f - 2.0f * (x * x + y * y);
}

template <class Real>
OMG_FN LocalMap<Real> linearize(const Gaussian<Real>& g, const PinholeCamera& camera) {
  LocalMap<Real> map;
  for (int i = 0; i < 3; ++i) {
    map.point[i] = camera.translation[i];
    for (int j = 0; j < 3; ++j) map.point[i] = map.point[i] + camera.rotation[i][j] * g.mean[j];
  }
  map.inverse_z = 1.0f / map.point[2];
  map.ratio_x = map.point[0] / map.point[2], map.ratio_y = map.point[1] / map.point[2];
  map.slope_x = minimum(maximum(map.ratio_x, Real(camera.min_slope_x)), Real(camera.max_slope_x));
  map.slope_y = minimum(maximum(map.ratio_y, Real(camera.min_slope_y)), Real(camera.max_slope_y));
  map.inverse_norm =
      1.0f / square_root(g.quat[0] * g.quat[0] + g.quat[1] * g.quat[1] + g.quat[2] * g.quat[2] + g.quat[3] * g.quat[3]);
  for (int i = 0; i < 4; ++i) map.unit_quat[i] = g.quat[i] * map.inverse_norm;
  quat_to_rotation(map.unit_quat, map.rotation);
  for (int k = 0; k < 3; ++k) {
    map.to_pixels[0][k] = camera.fx * map.inverse_z * (camera.rotation[0][k] - map.slope_x * camera.rotation[2][k]);
    map.to_pixels[1][k] = camera.fy * map.inverse_z * (camera.rotation[1][k] - map.slope_y * camera.rotation[2][k]);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      map.axes[i][j] = map.to_pixels[i][0] * map.rotation[0][j] + map.to_pixels[i][1] * map.rotation[1][j] +
                       map.to_pixels[i][2] * map.rotation[2][j];
      map.rows[i][j] = map.axes[i][j] * g.scale[j];
    }
  }
  return map;
}

// blur: variance in pixels^2 that is added to both axes of the image. The determinant is a sum of squares
// (Cauchy-Binet), because xx * yy - xy * xy loses all its digits for long thin splats.
template <class Real>
OMG_FN Projection<Real> project(const LocalMap<Real>& map, const PinholeCamera& camera, float blur) {
  const auto& a = map.rows[0];
  const auto& b = map.rows[1];
  const Real aa = a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
  const Real bb = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
  const Real n0 = a[1] * b[2] - a[2] * b[1], n1 = a[2] * b[0] - a[0] * b[2], n2 = a[0] * b[1] - a[1] * b[0];
  Projection<Real> p;
  p.depth = map.point[2];
  p.x = camera.fx * map.ratio_x + camera.cx;
  p.y = camera.fy * map.ratio_y + camera.cy;
  p.xx = aa + blur, p.yy = bb + blur;
  p.xy = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  p.det = (n0 * n0 + n1 * n1 + n2 * n2) + blur * (aa + bb) + blur * blur;
  return p;
}

// Gradient of a loss with respect to a Projection; xy is the gradient of either off-diagonal entry (half of the sum of
// both).
template <class Real>
struct ProjectionGradient {
  Real depth, x, y, xx, xy, yy;
};

template <class Real>
OMG_FN void quat_gradient(const LocalMap<Real>& map, const Real (&d)[3][3], Real (&gradient)[4]) {
  const Real w = map.unit_quat[0], x = map.unit_quat[1], y = map.unit_quat[2], z = map.unit_quat[3];
  const Real unit[4] = {2.0f * (x * (d[2][1] - d[1][2]) + y * (d[0][2] - d[2][0]) + z * (d[1][0] - d[0][1])),
                        2.0f * (y * (d[0][1] + d[1][0]) + z * (d[0][2] + d[2][0]) + w * (d[2][1] - d[1][2]) -
                                2.0f * x * (d[1][1] + d[2][2])),
                        2.0f * (x * (d[0][1] + d[1][0]) + z * (d[1][2] + d[2][1]) + w * (d[0][2] - d[2][0]) -
                                2.0f * y * (d[0][0] + d[2][2])),
                        2.0f * (x * (d[0][2] + d[2][0]) + y * (d[1][2] + d[2][1]) + w * (d[1][0] - d[0][1]) -
                                2.0f * z * (d[0][0] + d[1][1]))};
  const Real along = w * unit[0] + x * unit[1] + y * unit[2] + z * unit[3];
  for (int i = 0; i < 4; ++i) gradient[i] = (unit[i] - map.unit_quat[i] * along) * map.inverse_norm;
}

constexpr int kNumCameraNumbers = 16;

// What one Gaussian adds to the gradient of its camera: the upper three rows of world_to_camera, then fx, fy, cx, cy.
template <class Real>
struct CameraGradient {
  Real numbers[kNumCameraNumbers];
};

// A camera's summed gradient, laid out as world_to_camera [4, 4] and intrinsics [3, 3].
template <class Real>
OMG_FN void write_camera_gradient(const Real* numbers, float* world_to_camera, float* intrinsics) {
  for (int i = 0; i < 16; ++i) world_to_camera[i] = i < 12 ? static_cast<float>(numbers[i]) : 0.0f;
  for (int i = 0; i < 9; ++i) intrinsics[i] = 0.0f;
  intrinsics[0] = static_cast<float>(numbers[12]), intrinsics[2] = static_cast<float>(numbers[14]);
  intrinsics[4] = static_cast<float>(numbers[13]), intrinsics[5] = static_cast<float>(numbers[15]);
}

// The gradient with respect to mean, quat and scale, in the fields of a Gaussian, and with respect to the camera. Exact,
// the clamp of the slopes included.
template <class Real>
OMG_FN Gaussian<Real> project_vjp(const Gaussian<Real>& g, const LocalMap<Real>& map, const PinholeCamera& camera,
                                  const ProjectionGradient<Real>& d, CameraGradient<Real>* d_camera) {
  Gaussian<Real> gradient;
  Real d_axes[2][3];
  for (int j = 0; j < 3; ++j) {
    const Real d_row0 = 2.0f * (d.xx * map.rows[0][j] + d.xy * map.rows[1][j]);
    const Real d_row1 = 2.0f * (d.xy * map.rows[0][j] + d.yy * map.rows[1][j]);
    gradient.scale[j] = d_row0 * map.axes[0][j] + d_row1 * map.axes[1][j];
    d_axes[0][j] = d_row0 * g.scale[j], d_axes[1][j] = d_row1 * g.scale[j];
  }
  Real d_rotation[3][3], d_to_pixels[2][3];
  for (int k = 0; k < 3; ++k) {
    for (int j = 0; j < 3; ++j)
      d_rotation[k][j] = map.to_pixels[0][k] * d_axes[0][j] + map.to_pixels[1][k] * d_axes[1][j];
    for (int i = 0; i < 2; ++i) {
      d_to_pixels[i][k] =
          d_axes[i][0] * map.rotation[k][0] + d_axes[i][1] * map.rotation[k][1] + d_axes[i][2] * map.rotation[k][2];
    }
  }
  quat_gradient(map, d_rotation, gradient.quat);

  const auto& w = camera.rotation;
  Real d_magnify_x = 0.0f, d_magnify_y = 0.0f, d_slope_x = 0.0f, d_slope_y = 0.0f;  // magnify: focal length / z
  for (int k = 0; k < 3; ++k) {
    d_magnify_x = d_magnify_x + d_to_pixels[0][k] * (w[0][k] - map.slope_x * w[2][k]);
    d_magnify_y = d_magnify_y + d_to_pixels[1][k] * (w[1][k] - map.slope_y * w[2][k]);
    d_slope_x = d_slope_x - d_to_pixels[0][k] * w[2][k];
    d_slope_y = d_slope_y - d_to_pixels[1][k] * w[2][k];
  }
  // A clamped slope is (a constant - c) / f of its axis, and moves with the camera instead of the point.
  const auto free_x = map.slope_x == map.ratio_x, free_y = map.slope_y == map.ratio_y;
  const Real d_bound_x = select(free_x, Real(0.0f), d_slope_x), d_bound_y = select(free_y, Real(0.0f), d_slope_y);
  d_slope_x = select(free_x, d_slope_x, Real(0.0f));
  d_slope_y = select(free_y, d_slope_y, Real(0.0f));
  const Real d_ratio_x = camera.fx * (d.x + map.inverse_z * d_slope_x),
             d_ratio_y = camera.fy * (d.y + map.inverse_z * d_slope_y);
  const Real d_inverse_z =
      camera.fx * d_magnify_x + camera.fy * d_magnify_y + d_ratio_x * map.point[0] + d_ratio_y * map.point[1];
  const Real d_point[3] = {d_ratio_x * map.inverse_z, d_ratio_y * map.inverse_z,
                           d.depth - d_inverse_z * map.inverse_z * map.inverse_z};
  for (int j = 0; j < 3; ++j) gradient.mean[j] = w[0][j] * d_point[0] + w[1][j] * d_point[1] + w[2][j] * d_point[2];

  const Real magnify_x = camera.fx * map.inverse_z, magnify_y = camera.fy * map.inverse_z;
  for (int j = 0; j < 3; ++j) {
    const Real along_x = magnify_x * d_to_pixels[0][j], along_y = magnify_y * d_to_pixels[1][j];
    d_camera->numbers[j] = d_point[0] * g.mean[j] + along_x;
    d_camera->numbers[4 + j] = d_point[1] * g.mean[j] + along_y;
    d_camera->numbers[8 + j] = d_point[2] * g.mean[j] - map.slope_x * along_x - map.slope_y * along_y;
  }
  for (int i = 0; i < 3; ++i) d_camera->numbers[4 * i + 3] = d_point[i];
  d_camera->numbers[12] = d.x * map.ratio_x + map.inverse_z * (d_magnify_x - map.slope_x * d_bound_x);
  d_camera->numbers[13] = d.y * map.ratio_y + map.inverse_z * (d_magnify_y - map.slope_y * d_bound_y);
  d_camera->numbers[14] = d.x - map.inverse_z * d_bound_x;
  d_camera->numbers[15] = d.y - map.inverse_z * d_bound_y;
  return gradient;
}

}  // namespace omg
