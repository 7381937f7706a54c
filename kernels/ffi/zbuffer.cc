// XLA FFI handler of the CPU z-buffer: checks shapes and face indices, takes batches apart, and chooses the instruction
// set.
#include "cpu/zbuffer.h"

#include <atomic>
#include <new>

#include "ffi/arena_pool.h"
#include "ffi/batch.h"
#include "ffi/signatures.h"
#include "ffi/simd.h"
#include "ffi/thread_pool.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {

namespace xffi = ::xla::ffi;

bool indices_valid(const S32& faces, int64_t num_vertices) {
  const int32_t* data = faces.typed_data();
  bool valid = true;  // no early exit, so that the loop becomes a vector loop
  for (size_t i = 0; i < faces.element_count(); ++i) valid &= static_cast<uint32_t>(data[i]) < num_vertices;
  return valid;
}

xffi::Error check(const F32& vertices, const S32& faces, const F32& world_to_camera, const F32& intrinsics,
                  Dimensions image) {
  const size_t rank = image.size() - 2;
  const auto fits = [&](Dimensions dimensions, int64_t rows, int64_t columns) {
    return broadcasts(dimensions, 2, image, rank) && (rows < 0 || dimensions[rank] == rows) &&
           dimensions[rank + 1] == columns;
  };
  if (!fits(vertices.dimensions(), -1, 3) || !fits(faces.dimensions(), -1, 3)) {
    return xffi::Error::InvalidArgument("omg_zbuffer: expected vertices [..., V, 3] and faces [..., F, 3]");
  }
  if (!fits(world_to_camera.dimensions(), 4, 4) || !fits(intrinsics.dimensions(), 3, 3)) {
    return xffi::Error::InvalidArgument("omg_zbuffer: expected world_to_camera [..., 4, 4] and intrinsics [..., 3, 3]");
  }
  if (!indices_valid(faces, vertices.dimensions()[rank])) {
    return xffi::Error::InvalidArgument(
        "omg_zbuffer: a face names a vertex that does not exist; faces must lie in [0, V)");
  }
  return xffi::Error::Success();
}

xffi::Error zbuffer(xffi::ThreadPool threads, F32 vertices, S32 faces, F32 world_to_camera, F32 intrinsics,
                    xffi::Result<F32> depth, xffi::Result<S32> face_index, float near) {
  const Dimensions image = depth->dimensions();
  const size_t rank = image.size() - 2;
  if (xffi::Error error = check(vertices, faces, world_to_camera, intrinsics, image); error.failure()) return error;

  cpu::ZbufferInputs shared;
  shared.num_vertices = vertices.dimensions()[rank], shared.num_faces = faces.dimensions()[rank];
  shared.height = static_cast<int>(image[rank]), shared.width = static_cast<int>(image[rank + 1]);
  shared.near = near;
  const int64_t pixels = image[rank] * image[rank + 1];
  const Parallel parallel = on_thread_pool(threads);
  std::atomic<bool> out_of_memory{false};
  parallel(num_elements(image, 0, rank), [&](int64_t index) {
    cpu::ZbufferInputs in = shared;
    in.vertices = vertices.typed_data() + item_of(vertices.dimensions(), image, rank, index) * in.num_vertices * 3;
    in.faces = faces.typed_data() + item_of(faces.dimensions(), image, rank, index) * in.num_faces * 3;
    in.world_to_camera = world_to_camera.typed_data() + item_of(world_to_camera.dimensions(), image, rank, index) * 16;
    in.intrinsics = intrinsics.typed_data() + item_of(intrinsics.dimensions(), image, rank, index) * 9;
    const cpu::ZbufferOutputs out = {depth->typed_data() + index * pixels, face_index->typed_data() + index * pixels};
    try {
      const LentArena arena;
      OMG_AT_SIMD_LEVEL(zbuffer)(in, out, arena.get(), parallel);
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  });
  if (out_of_memory)
    return xffi::Error(xffi::ErrorCode::kResourceExhausted, "omg_zbuffer: out of memory for the triangles");
  return xffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(kZbuffer, zbuffer, zbuffer_signature(xffi::Ffi::Bind().Ctx<xffi::ThreadPool>()));

}  // namespace

void* zbuffer_cpu() { return reinterpret_cast<void*>(kZbuffer); }

}  // namespace omg::ffi
