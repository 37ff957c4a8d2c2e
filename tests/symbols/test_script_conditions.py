from __future__ import annotations

import pytest

from patchbot.symbols import cfg
from patchbot.symbols.build.script_conditions import Script
from patchbot.symbols.rust.tokens import read_trees

HEAD = """
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap();
    let os = &std::env::var("CARGO_CFG_TARGET_OS").unwrap();
    let family = env::var("CARGO_CFG_TARGET_FAMILY").unwrap();
    let unix = given("unix");
    let supported = (unix || given("windows")) && cfg!(feature = "std");
    let twice = true;
    let twice = false;
    let round = round;
    fn given(key: &str) -> bool { std::env::var(&format!("CARGO_CFG_{}", key.to_uppercase())).is_ok() }
    fn given_as(key: &str, val: &str) -> bool {
        env::var(format!("CARGO_CFG_{}", key.to_uppercase())).ok().as_deref() == Some(val)
    }
"""


def meaning(expression: str) -> str:
    script = Script(read_trees(HEAD, "build.rs"), ["gdb-jit", "gdb_jit_int"])
    return cfg.render(cfg.simplify(script.condition(read_trees(expression, "build.rs"))))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('os == "windows"', 'target_os = "windows"'),
        ('"windows" == os', 'target_os = "windows"'),
        ('os != "windows"', 'not(target_os = "windows")'),
        ('arch.as_str() == "s390x"', 'target_arch = "s390x"'),
        ('&arch == "s390x"', 'target_arch = "s390x"'),
        ('env::var("CARGO_CFG_TARGET_ARCH").unwrap() == "arm"', 'target_arch = "arm"'),
        ('env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")', 'opaque(env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu"))'),
        ('family == "unix"', "unix"),
        ('&family == "wasm"', 'target_family = "wasm"'),
        ('std::env::var("CARGO_CFG_UNIX").is_ok()', "unix"),
        ('env::var_os("CARGO_CFG_WINDOWS").is_some()', "windows"),
        ('env::var("CARGO_CFG_UNIX").is_err() && env::var("CARGO_CFG_WINDOWS").is_err()', "all(not(unix), not(windows))"),
        ('env::var("CARGO_FEATURE_GDB_JIT").is_ok()', 'feature = "gdb-jit"'),
        ('env::var("CARGO_FEATURE_GDB_JIT_INT").is_ok()', 'feature = "gdb_jit_int"'),
        ('env::var("CARGO_FEATURE_OTHER").is_ok()', "opaque(CARGO_FEATURE_OTHER)"),
        ('env::var("CI").is_ok()', "opaque(the environment has CI)"),
        ('cfg!(feature = "gc")', 'feature = "gc"'),
        ('!cfg!(all(unix, feature = "gc"))', 'not(all(unix, feature = "gc"))'),
        ('!(os == "windows" || arch == "arm")', 'not(any(target_os = "windows", target_arch = "arm"))'),
        ("!unix", "not(unix)"),
        ("supported", 'all(any(unix, windows), feature = "std")'),
        ('given("windows") && given_as("target_env", "gnu")', 'all(windows, target_env = "gnu")'),
        ('matches!(arch.as_str(), "x86_64" | "aarch64")', 'any(target_arch = "x86_64", target_arch = "aarch64")'),
        (
            'match arch.as_str() { "x86_64" | "arm" => true, "s390x" => { cfg!(miri) } _ => false }',
            'any(target_arch = "x86_64", target_arch = "arm", all(target_arch = "s390x", miri))',
        ),
        ('match os { "windows" => false, _ => true }', 'not(target_os = "windows")'),
        ("true", ""),
        ("false", "any()"),
    ],
)  # fmt: skip
def test_what_upstreams_scripts_ask(expression: str, expected: str) -> None:
    assert meaning(expression) == expected


@pytest.mark.parametrize(
    "expression",
    ["x", "x == y", 'x == "a"', 'os.len() == "a"', "twice", "round", "f(x)", "given(x)", "matches!(x, Some(_))",
     "match x { A => true, _ => false }", "let Some(x) = y", 'var("A").is_ok()', "x > 3", "x.is_ok()",
     'format!("{}{}", a, "b") == "ab"', "|| true"],
)  # fmt: skip
def test_what_is_not_understood_stays_as_it_is_written(expression: str) -> None:
    assert meaning(expression).startswith("opaque(")


def test_only_the_part_that_is_not_understood_is_opaque() -> None:
    assert meaning('x && !(os == "windows")') == 'all(opaque(x), not(target_os = "windows"))'
