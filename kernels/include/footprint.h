// What a projected Gaussian does to pixels: its alpha, the pixels it can reach, and the way back from pixel gradients
// to the projection.
#pragma once

#include "macros.h"
#include "projection.h"
#include "real.h"
#include "rules.h"

namespace omg {

// kWhitening^2 = log2(e) / 2, so that |whiten(p - mean)|^2 is the exponent of 2 in the falloff.
constexpr float kWhitening = 0.84932180028801904f;
// The reach is computed a hair too wide (in powers of two of alpha): what a pixel receives is decided by its own alpha,
// never by culling.
constexpr float kReachSlack = 1e-3f;

// The falloff is 2^-(u^2 + v^2) with u = xx * dx + xy * dy, v = yy * dy. A Cholesky factor keeps the digits that the
// usual quadratic form a * dx^2 + 2 b * dx * dy + c * dy^2 loses for long thin splats, and can never be negative.
template <class Real>
struct Footprint {
  Real x, y;        // pixels
  Real xx, xy, yy;  // whitening
  Real opacity;
  Real limit;           // u^2 + v^2 where alpha falls to kMinAlpha
  Real half_x, half_y;  // half the sides of the bounding box of that ellipse, pixels
  Real lean;            // y - mean at the right-most point of that ellipse, pixels
};

template <class Real>
OMG_FN Footprint<Real> make_footprint(const Projection<Real>& p, Real opacity) {
  Footprint<Real> f;
  f.x = p.x, f.y = p.y, f.opacity = opacity;
  f.yy = kWhitening / square_root(p.yy);
  f.xx = kWhitening * square_root(p.yy / p.det);
  f.xy = -(f.xx * (p.xy / p.yy));
  f.limit = log2(opacity * (1.0f / kMinAlpha)) + kReachSlack;
  const Real radius = square_root(f.limit) * (1.0f / kWhitening);
  const Real sigma_x = square_root(p.xx);
  f.half_x = radius * sigma_x;
  f.half_y = radius * square_root(p.yy);
  f.lean = radius * (p.xy / sigma_x);
  return f;
}

// True where the Gaussian can be drawn at all: every input finite, in front of the near plane, opaque enough to be
// seen, and of an area that float32 can hold. `finite` is zero times the sum of all inputs: zero unless one is infinite
// or not a number.
template <class Real>
OMG_FN auto is_drawable(const Projection<Real>& p, const Footprint<Real>& f, Real finite, float near) {
  const Real derived = 0.0f * (p.depth + p.x + p.y + p.xx + p.yy + p.det + f.xx + f.xy);
  return (finite + derived == Real(0.0f)) & (p.depth >= Real(near)) & (f.opacity >= Real(kMinAlpha)) &
         (p.det > Real(0.0f));
}

// Left and right ends of the part of the ellipse with y - mean in [low, high], relative to the mean's x; left > right
// if there is none.
struct Span {
  float left, right;
};

OMG_FN Span ellipse_span(const Footprint<float>& f, float low, float high) {
  low = maximum(low, -f.half_y), high = minimum(high, f.half_y);
  if (!(low <= high)) return {1.0f, -1.0f};
  const float at_right = minimum(maximum(f.lean, low), high), at_left = minimum(maximum(-f.lean, low), high);
  const float v_right = f.yy * at_right, v_left = f.yy * at_left;
  const float right = square_root(maximum(f.limit - v_right * v_right, 0.0f)) - f.xy * at_right;
  const float left = -square_root(maximum(f.limit - v_left * v_left, 0.0f)) - f.xy * at_left;
  return {left / f.xx, right / f.xx};
}

// Sums over the pixels of one splat, of the gradient with respect to the negative exponent sigma = -ln(falloff) times
// powers of (u, v).
template <class Real>
struct Moments {
  Real one, u, v, uu, uv, vv;
};

// d alpha = -alpha d sigma = alpha / opacity d opacity, so the opacity's gradient needs no sum of its own.
template <class Real>
OMG_FN Real opacity_gradient(const Footprint<Real>& f, const Moments<Real>& m) {
  return -(m.one / f.opacity);
}

// With U the whitening matrix: d mean = -U^T sum(u), d covariance = -1/2 U^T sum(u u^T) U; the powers of kWhitening
// undo its scale.
template <class Real>
OMG_FN ProjectionGradient<Real> footprint_vjp(const Footprint<Real>& f, const Moments<Real>& m, Real d_depth) {
  constexpr float first = -1.0f / (kWhitening * kWhitening), second = -0.5f * first * first;
  ProjectionGradient<Real> d;
  d.depth = d_depth;
  d.x = first * (f.xx * m.u);
  d.y = first * (f.xy * m.u + f.yy * m.v);
  d.xx = second * (f.xx * f.xx * m.uu);
  d.xy = second * (f.xx * (f.xy * m.uu + f.yy * m.uv));
  d.yy = second * (f.xy * f.xy * m.uu + 2.0f * f.xy * f.yy * m.uv + f.yy * f.yy * m.vv);
  return d;
}

}  // namespace omg
