// The Python extension module: hands XLA FFI handlers to jax.ffi as capsules. One handler per file beside this one.
#include <pybind11/pybind11.h>

namespace omg::ffi {
void* rasterize_forward_cpu();
void* rasterize_backward_cpu();
void* zbuffer_cpu();
#if defined(OMG_CUDA_ARCHITECTURES)
void* rasterize_forward_cuda();
void* rasterize_backward_cuda();
void* zbuffer_cuda();
#endif
const char* simd_level();  // "avx512", "avx2" or "baseline": what this machine's CPU kernels dispatch to
}  // namespace omg::ffi

namespace py = pybind11;

PYBIND11_MODULE(_native, m) {
  m.doc() = "Native kernels of omg_jax: XLA FFI handlers by platform and target name.";
  m.def("handlers", [] {
    py::dict cpu;
    cpu["omg_rasterize_forward"] = py::capsule(omg::ffi::rasterize_forward_cpu());
    cpu["omg_rasterize_backward"] = py::capsule(omg::ffi::rasterize_backward_cpu());
    cpu["omg_zbuffer"] = py::capsule(omg::ffi::zbuffer_cpu());
    py::dict platforms;
    platforms["cpu"] = cpu;
#if defined(OMG_CUDA_ARCHITECTURES)
    py::dict cuda;
    cuda["omg_rasterize_forward"] = py::capsule(omg::ffi::rasterize_forward_cuda());
    cuda["omg_rasterize_backward"] = py::capsule(omg::ffi::rasterize_backward_cuda());
    cuda["omg_zbuffer"] = py::capsule(omg::ffi::zbuffer_cuda());
    platforms["CUDA"] = cuda;
#endif
    return platforms;
  });
  m.def("simd_level", &omg::ffi::simd_level);
#if defined(OMG_CUDA_ARCHITECTURES)
  m.attr("cuda_architectures") = OMG_CUDA_ARCHITECTURES;
#else
  m.attr("cuda_architectures") = py::none();
#endif
}
