// XLA FFI handler of the CPU z-buffer: checks face indices, takes batches apart, and chooses the instruction set.
#include "cpu/zbuffer.h"

#include <atomic>
#include <new>

#include "ffi/arena_pool.h"
#include "ffi/door.h"
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

xffi::Error zbuffer(xffi::ThreadPool threads, F32 vertices, S32 faces, F32 world_to_camera, F32 intrinsics,
                    F32Result depth, S32Result face_index, float near) {
  Door door("omg_zbuffer", depth->dimensions(), 2);
  const int64_t height = door.size("depth", *depth, 2, 2), width = door.size("depth", *depth, 2, 1);
  const MeshScene scene = read_mesh(door, {vertices, faces, world_to_camera, intrinsics, near}, height, width);
  float* depths = door.result("depth", depth, {height, width});
  int32_t* face_indices = door.result("face index", face_index, {height, width});
  if (!door.refuses() && !indices_valid(faces, scene.num_vertices))
    door.complain("a face names a vertex that does not exist; faces must lie in [0, V)");
  if (door.refuses()) return door.error();
  const Parallel parallel = on_thread_pool(threads);
  std::atomic<bool> out_of_memory{false};
  parallel(scene.batch.num_views, [&](int64_t view) {
    const cpu::ZbufferInputs in = {scene.num_vertices,
                                   scene.num_faces,
                                   scene.width,
                                   scene.height,
                                   item(scene.vertices, scene.batch, view, 3 * scene.num_vertices),
                                   item(scene.faces, scene.batch, view, 3 * scene.num_faces),
                                   item(scene.world_to_camera, scene.batch, view, 16),
                                   item(scene.intrinsics, scene.batch, view, 9),
                                   scene.near};
    const cpu::ZbufferOutputs out = {depths + view * height * width, face_indices + view * height * width};
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
