// The CUDA rasterizer's entry points. They know neither Python nor XLA: all memory is the caller's, on the device, and
// everything is only launched, on the caller's stream.
#pragma once

#include <cstddef>

#include "scene.h"
#include "stream.h"

namespace omg::cuda {

// What pictures cannot have on a GPU, in words; null where they fit.
const char* picture_too_large(const Batch& batch, int64_t width, int64_t height);
const char* scene_too_large(const Scene& scene);

size_t forward_workspace_bytes(const Scene& scene);
Status rasterize_forward(const Scene& scene, const Images& out, void* workspace, Stream stream);

// deterministic: sums in fixed point, the same bits in every run; else float atomics, whose order varies.
size_t backward_workspace_bytes(const Scene& scene, bool deterministic);
Status rasterize_backward(const Scene& scene, const Cotangents& cotangents, bool deterministic, const Gradients& out,
                          void* workspace, Stream stream);

}  // namespace omg::cuda
