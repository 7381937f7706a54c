"""Compiler options for programs that run once, where most of the time goes into compiling."""

COMPILE_FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
