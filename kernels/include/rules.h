// The constants of the blending rules (gsplat's), and the size of a tile. The rules themselves are told in
// omg_jax/splat/api.py.
#pragma once

namespace omg {

constexpr int kTileSize = 16;               // pixels
constexpr float kMaxAlpha = 0.99f;          // keeps 1 / (1 - alpha) bounded
constexpr float kMinAlpha = 1.0f / 255.0f;  // fainter contributions are dropped
constexpr float kMinTransmittance =
    1e-4f;  // the splat that would take a pixel to this or below is left out, and all behind it
constexpr float kClampMargin = 0.15f;  // of the image, beyond each side: where the linearised projection is clamped

}  // namespace omg
