"""What Rust itself has: attributes, derives, and macros of its library that make no link-time name.

Everything else is somebody's macro, and can make any.
"""

from __future__ import annotations

# The reference, "Attributes" and the unstable book; those that can make a link-time name are read, not known.
ATTRIBUTES = frozenset(
    {"alloc_error_handler", "allow", "allow_internal_unsafe", "allow_internal_unstable",
     "automatically_derived", "bench", "cfg", "cfg_attr", "cfg_eval", "cold", "collapse_debuginfo",
     "coroutine", "coverage", "crate_name", "crate_type", "debugger_visualizer", "default",
     "default_lib_allocator", "define_opaque", "deny", "deprecated", "derive", "derive_const", "diagnostic",
     "do_not_recommend", "doc", "expect", "export_name", "feature", "ffi_const", "ffi_pure", "forbid",
     "fundamental", "global_allocator", "ignore", "inline", "instruction_set", "lang", "link", "link_name",
     "link_ordinal", "link_section", "linkage", "macro_export", "macro_use", "may_dangle",
     "must_not_suspend", "must_use", "naked", "needs_allocator", "needs_panic_runtime", "no_builtins",
     "no_core", "no_implicit_prelude", "no_link", "no_main", "no_mangle", "no_sanitize", "no_std",
     "non_exhaustive", "on_unimplemented", "optimize", "panic_handler", "panic_runtime", "path", "plugin",
     "pointee", "prelude_import", "proc_macro", "proc_macro_attribute", "proc_macro_derive",
     "profiler_runtime", "recursion_limit", "reexport_test_harness_main", "register_tool", "repr",
     "rustc_std_internal_symbol", "sanitize", "should_panic", "stable", "target_feature", "test",
     "test_case", "test_runner", "thread_local", "track_caller", "type_const", "type_length_limit",
     "unsafe", "unstable", "used", "warn", "windows_subsystem"}
)  # fmt: skip

# Paths that only tools read.
TOOLS = frozenset({("clippy",), ("diagnostic",), ("miri",), ("rust_analyzer",), ("rustfmt",)})

DERIVES = frozenset(
    {"Clone", "CoercePointee", "Copy", "Debug", "Default", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd"}
)

CRATES = frozenset({"std", "core", "alloc", "proc_macro", "test"})

# Macros whose arguments are plain code: they are read as if the macro were not there.
PLAIN = frozenset(
    {"addr_of", "addr_of_mut", "assert", "assert_eq", "assert_matches", "assert_ne", "cfg", "compile_error",
     "concat", "const_format_args", "dbg", "debug_assert", "debug_assert_eq", "debug_assert_matches",
     "debug_assert_ne", "env", "eprint", "eprintln", "format", "format_args", "format_args_nl", "matches",
     "offset_of", "option_env", "panic", "pin", "print", "println", "ready", "thread_local", "todo",
     "unimplemented", "unreachable", "unreachable_unchecked", "vec", "write", "writeln"}
)  # fmt: skip

# Macros that make a value of their own, whatever they are given.
VALUES = frozenset(
    {"column", "file", "include_bytes", "include_str", "is_aarch64_feature_detected",
     "is_arm_feature_detected", "is_loongarch_feature_detected", "is_riscv_feature_detected",
     "is_s390x_feature_detected", "is_x86_feature_detected", "line", "module_path", "stringify"}
)  # fmt: skip

# Words that an exclamation mark can follow without being a macro.
KEYWORDS = frozenset(
    {"as", "box", "break", "else", "if", "impl", "in", "let", "loop", "match", "move", "mut", "ref",
     "return", "unsafe", "where", "while", "yield"}
)  # fmt: skip

# Macros that are read by what they do, not by what they are called with.
READ = frozenset(
    {"macro_rules", "asm", "global_asm", "naked_asm", "paste", "cfg_if", "cfg_select", "include"}
)

MACROS = PLAIN | VALUES | KEYWORDS | READ
