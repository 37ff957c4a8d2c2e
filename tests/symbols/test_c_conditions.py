from __future__ import annotations

import pytest

from patchbot.symbols import cfg
from patchbot.symbols.build import build_script
from patchbot.symbols.build.c_conditions import translate
from patchbot.symbols.rust.tokens import read_trees

SCRIPT = """
fn main() {
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap();
    build.define(&format!("CFG_TARGET_OS_{os}"), None);
    build.define("VERSIONED_SUFFIX", Some("_1"));
    if cfg!(feature = "debug-builtins") { build.define("FEATURE_DEBUG_BUILTINS", None); }
}
"""


def meaning(condition: str) -> str:
    build = build_script.read(read_trees(SCRIPT, "build.rs"))
    return cfg.render(cfg.simplify(translate(condition, build)))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("defined(CFG_TARGET_OS_windows)", 'target_os = "windows"'),
        ("!defined(CFG_TARGET_OS_windows)", 'not(target_os = "windows")'),
        ("!defined(CFG_TARGET_OS_windows) && !defined(CFG_TARGET_OS_macos)", 'all(not(target_os = "windows"), not(target_os = "macos"))'),
        ("defined(FEATURE_DEBUG_BUILTINS)", 'feature = "debug-builtins"'),
        ("defined FEATURE_DEBUG_BUILTINS", 'feature = "debug-builtins"'),
        ("defined(VERSIONED_SUFFIX)", ""),
        ("!(defined(_WIN32) || defined(__APPLE__))", 'not(any(windows, target_vendor = "apple"))'),
        ("(defined(__s390x__))", 'target_arch = "s390x"'),
        ("defined(__MINGW32__)", 'all(windows, target_env = "gnu")'),
        ("defined(__cplusplus)", "any()"),
        ("defined(UNHEARD_OF)", "opaque(defined(UNHEARD_OF))"),
        ("defined(UNHEARD_OF) && defined(_WIN32)", "all(opaque(defined(UNHEARD_OF)), windows)"),
    ],
)  # fmt: skip
def test_conditions_of_c_files(condition: str, expected: str) -> None:
    assert meaning(condition) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "__GNUC__ >= 4",
        "X",
        "0",
        "!X",
        "defined(A",
        "defined(A) B",
        "defined(_WIN32) && X > 1",
        "f(x)",
        "",
        "!",
    ],
)
def test_what_is_not_understood_stays_as_it_is_written(condition: str) -> None:
    assert meaning(condition) == f"opaque({condition})"
