// The constants of the blending rules (gsplat's), and the size of a tile. The rules themselves are told in
// omg_jax/splat/api.py.
#pragma once

// A test's build sets these so low that pictures have no visible steps, and compares gradients with finite differences.
#if !defined(OMG_MIN_ALPHA)
#define OMG_MIN_ALPHA (1.0f / 255.0f)
#define OMG_MIN_TRANSMITTANCE 1e-4f
#endif

namespace omg {

constexpr int kTileSize = 16;               // pixels
constexpr float kMaxAlpha = 0.99f;          // keeps 1 / (1 - alpha) bounded
constexpr float kMinAlpha = OMG_MIN_ALPHA;  // fainter contributions are dropped
// The splat that would take a pixel to this or below is left out, and all behind it.
constexpr float kMinTransmittance = OMG_MIN_TRANSMITTANCE;
constexpr float kClampMargin = 0.15f;  // of the image, beyond each side: where the linearised projection is clamped

}  // namespace omg
