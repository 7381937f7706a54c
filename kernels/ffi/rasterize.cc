#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {
::xla::ffi::Error unfinished() { return ::xla::ffi::Error(::xla::ffi::ErrorCode::kUnimplemented, "not yet"); }
XLA_FFI_DEFINE_HANDLER_SYMBOL(kForward, unfinished, ::xla::ffi::Ffi::Bind());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kBackward, unfinished, ::xla::ffi::Ffi::Bind());
}
void* rasterize_forward_cpu() { return reinterpret_cast<void*>(kForward); }
void* rasterize_backward_cpu() { return reinterpret_cast<void*>(kBackward); }
}
