// What the handlers of one target take and return on every platform, after the contexts of its own.
#pragma once

#include <utility>

#include "xla/ffi/api/ffi.h"

namespace omg::ffi {

using F32 = ::xla::ffi::Buffer<::xla::ffi::F32>;
using S32 = ::xla::ffi::Buffer<::xla::ffi::S32>;
using F32Result = ::xla::ffi::Result<F32>;
using S32Result = ::xla::ffi::Result<S32>;

// What both passes of the rasterizer begin with.
template <typename Binding>
auto scene_arguments(Binding&& binding) {
  return std::move(binding)
      .template Arg<F32>()   // means
      .template Arg<F32>()   // quats
      .template Arg<F32>()   // scales
      .template Arg<F32>()   // opacities
      .template Arg<F32>()   // features
      .template Arg<F32>()   // world_to_camera
      .template Arg<F32>();  // intrinsics
}

template <typename Binding>
auto forward_signature(Binding&& contexts) {
  return scene_arguments(std::move(contexts))
      .template Ret<F32>()  // features image
      .template Ret<F32>()  // alpha
      .template Ret<F32>()  // depth
      .template Ret<F32>()  // transmittance
      .template Ret<S32>()  // last
      .template Ret<S32>()  // stats
      .template Attr<float>("near")
      .template Attr<float>("blur");
}

template <typename Binding>
auto backward_signature(Binding&& contexts) {
  return scene_arguments(std::move(contexts))
      .template Arg<F32>()  // transmittance
      .template Arg<S32>()  // last
      .template Arg<F32>()  // cotangent of the features image
      .template Arg<F32>()  // cotangent of alpha
      .template Arg<F32>()  // cotangent of depth
      .template Ret<F32>()  // means
      .template Ret<F32>()  // quats
      .template Ret<F32>()  // scales
      .template Ret<F32>()  // opacities
      .template Ret<F32>()  // features
      .template Ret<F32>()  // world_to_camera
      .template Ret<F32>()  // intrinsics
      .template Attr<float>("near")
      .template Attr<float>("blur")
      .template Attr<int32_t>("deterministic");
}

template <typename Binding>
auto zbuffer_signature(Binding&& contexts) {
  return std::move(contexts)
      .template Arg<F32>()  // vertices
      .template Arg<S32>()  // faces
      .template Arg<F32>()  // world_to_camera
      .template Arg<F32>()  // intrinsics
      .template Ret<F32>()  // depth
      .template Ret<S32>()  // face index
      .template Attr<float>("near");
}

}  // namespace omg::ffi
