// What every handler does first: finds the batch, checks each array's shape, and makes the scene that kernels work on.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "ffi/signatures.h"
#include "scene.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {

using Dimensions = ::xla::ffi::Span<const int64_t>;

// Collects what is wrong with the arguments of one call; the first complaint counts.
class Door {
 public:
  // `result` decides the batch: all of its dimensions but the last `rank`.
  Door(const char* target, Dimensions result, size_t rank) : target_(target) {
    if (result.size() < rank || result.size() - rank > kMaxBatchRank) {
      complain("at most " + std::to_string(kMaxBatchRank) + " batch dimensions");
      return;
    }
    batch_.num_views = 1, batch_.rank = static_cast<int>(result.size() - rank);
    for (int i = 0; i < batch_.rank; ++i) batch_.num_views *= batch_.dimensions[i] = result[i];
  }

  const Batch& batch() const { return batch_; }

  // Dimension `axis`, counted from behind, of an array that must have `rank` dimensions of its own; 0 if it has not.
  template <typename Buffer>
  int64_t size(const char* name, const Buffer& buffer, size_t rank, size_t axis) {
    const Dimensions dimensions = buffer.dimensions();
    if (dimensions.size() == batch_.rank + rank) return dimensions[dimensions.size() - axis];
    complain(std::string(name) + " has " + std::to_string(dimensions.size()) + " dimensions, expected " +
             std::to_string(batch_.rank + rank));
    return 0;
  }

  // An argument, whose batch dimensions may have size 1 where views share it.
  template <typename Buffer>
  auto operand(const char* name, const Buffer& buffer, std::initializer_list<int64_t> shape) {
    Operand<std::remove_const_t<std::remove_pointer_t<decltype(buffer.typed_data())>>> operand = {};
    if (!check(name, buffer, shape, true)) return operand;
    operand.data = buffer.typed_data();
    int64_t stride = 1;
    for (int i = batch_.rank - 1; i >= 0; --i) {
      operand.stride[i] = buffer.dimensions()[i] == 1 ? 0 : stride;
      stride *= buffer.dimensions()[i];
    }
    return operand;
  }

  // A result: one item per view.
  template <typename Buffer>
  auto* result(const char* name, ::xla::ffi::Result<Buffer>& buffer, std::initializer_list<int64_t> shape) {
    check(name, *buffer, shape, false);
    return buffer->typed_data();
  }

  void complain(std::string what) {
    if (!error_) error_ = std::string(target_) + ": " + what;
  }

  bool refuses() const { return error_.has_value(); }
  ::xla::ffi::Error error() const { return ::xla::ffi::Error::InvalidArgument(*error_); }

 private:
  template <typename Buffer>
  bool check(const char* name, const Buffer& buffer, std::initializer_list<int64_t> shape, bool may_be_shared) {
    const Dimensions dimensions = buffer.dimensions();
    bool fits = !error_ && dimensions.size() == batch_.rank + shape.size();
    for (int i = 0; fits && i < batch_.rank; ++i)
      fits = dimensions[i] == batch_.dimensions[i] || (may_be_shared && dimensions[i] == 1);
    size_t axis = batch_.rank;
    for (const int64_t size : shape) fits = fits && dimensions[axis++] == size;
    if (!fits) complain(describe(name, dimensions, shape));
    return fits;
  }

  static std::string describe(const char* name, Dimensions dimensions, std::initializer_list<int64_t> shape) {
    std::string text = std::string(name) + ": expected [...";
    for (const int64_t size : shape) text += ", " + std::to_string(size);
    text += "], got [";
    for (size_t i = 0; i < dimensions.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(dimensions[i]);
    return text + "]";
  }

  const char* target_;
  Batch batch_ = {};
  std::optional<std::string> error_;
};

struct SceneArguments {
  F32 means, quats, scales, opacities, features, world_to_camera, intrinsics;
  float near, blur;
};

inline Scene read_scene(Door& door, const SceneArguments& in, int64_t height, int64_t width) {
  Scene scene = {};
  scene.batch = door.batch();
  const int64_t n = scene.num_gaussians = door.size("features", in.features, 2, 2);
  const int64_t c = scene.num_channels = door.size("features", in.features, 2, 1);
  scene.height = static_cast<int>(height), scene.width = static_cast<int>(width);
  scene.means = door.operand("means", in.means, {n, 3});
  scene.quats = door.operand("quats", in.quats, {n, 4});
  scene.scales = door.operand("scales", in.scales, {n, 3});
  scene.opacities = door.operand("opacities", in.opacities, {n});
  scene.features = door.operand("features", in.features, {n, c});
  scene.world_to_camera = door.operand("world_to_camera", in.world_to_camera, {4, 4});
  scene.intrinsics = door.operand("intrinsics", in.intrinsics, {3, 3});
  scene.near = in.near, scene.blur = in.blur;
  return scene;
}

struct ImageResults {
  F32Result features, alpha, depth, transmittance;
  S32Result last, stats;
};

inline Images read_images(Door& door, const Scene& scene, ImageResults& out) {
  const int64_t h = scene.height, w = scene.width;
  return {door.result("features image", out.features, {h, w, scene.num_channels}),
          door.result("alpha", out.alpha, {h, w}),
          door.result("depth", out.depth, {h, w}),
          door.result("transmittance", out.transmittance, {h, w}),
          door.result("last", out.last, {h, w}),
          door.result("stats", out.stats, {kNumStats})};
}

struct CotangentArguments {
  F32 transmittance;
  S32 last;
  F32 features, alpha, depth;
};

inline Cotangents read_cotangents(Door& door, const Scene& scene, const CotangentArguments& in) {
  const int64_t h = scene.height, w = scene.width;
  return {door.operand("transmittance", in.transmittance, {h, w}), door.operand("last", in.last, {h, w}),
          door.operand("cotangent of the features", in.features, {h, w, scene.num_channels}),
          door.operand("cotangent of alpha", in.alpha, {h, w}), door.operand("cotangent of depth", in.depth, {h, w})};
}

struct GradientResults {
  F32Result means, quats, scales, opacities, features, world_to_camera, intrinsics;
};

inline Gradients read_gradients(Door& door, const Scene& scene, GradientResults& out) {
  const int64_t n = scene.num_gaussians;
  return {door.result("gradient of means", out.means, {n, 3}),
          door.result("gradient of quats", out.quats, {n, 4}),
          door.result("gradient of scales", out.scales, {n, 3}),
          door.result("gradient of opacities", out.opacities, {n}),
          door.result("gradient of features", out.features, {n, scene.num_channels}),
          door.result("gradient of world_to_camera", out.world_to_camera, {4, 4}),
          door.result("gradient of intrinsics", out.intrinsics, {3, 3})};
}

struct ForwardCall {
  Scene scene;
  Images images;
};

inline ForwardCall read_forward(Door& door, const SceneArguments& in, ImageResults out) {
  const Scene scene = read_scene(door, in, door.size("alpha", *out.alpha, 2, 2), door.size("alpha", *out.alpha, 2, 1));
  return {scene, read_images(door, scene, out)};
}

struct BackwardCall {
  Scene scene;
  Cotangents cotangents;
  Gradients gradients;
};

inline BackwardCall read_backward(Door& door, const SceneArguments& in, const CotangentArguments& cotangents,
                                  GradientResults out) {
  const char* name = "cotangent of alpha";
  const Scene scene =
      read_scene(door, in, door.size(name, cotangents.alpha, 2, 2), door.size(name, cotangents.alpha, 2, 1));
  return {scene, read_cotangents(door, scene, cotangents), read_gradients(door, scene, out)};
}

struct MeshArguments {
  F32 vertices;
  S32 faces;
  F32 world_to_camera, intrinsics;
  float near;
};

inline MeshScene read_mesh(Door& door, const MeshArguments& in, int64_t height, int64_t width) {
  MeshScene scene = {};
  scene.batch = door.batch();
  scene.num_vertices = door.size("vertices", in.vertices, 2, 2);
  scene.num_faces = door.size("faces", in.faces, 2, 2);
  scene.height = static_cast<int>(height), scene.width = static_cast<int>(width);
  scene.vertices = door.operand("vertices", in.vertices, {scene.num_vertices, 3});
  scene.faces = door.operand("faces", in.faces, {scene.num_faces, 3});
  scene.world_to_camera = door.operand("world_to_camera", in.world_to_camera, {4, 4});
  scene.intrinsics = door.operand("intrinsics", in.intrinsics, {3, 3});
  scene.near = in.near;
  return scene;
}

}  // namespace omg::ffi
