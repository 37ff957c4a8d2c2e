from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.symbols import cfg
from patchbot.symbols.cfg import ALWAYS, NEVER, All, Any, Cfg, Not, Opaque, Option
from patchbot.targets import KNOWN, Target

UNIX, WINDOWS, MIRI = Option("unix"), Option("windows"), Option("miri")

# -- reading and spelling ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ALWAYS),
        ("unix", UNIX),
        ('target_arch = "x86_64"', Option("target_arch", "x86_64")),
        ('target_arch="x86_64"', Option("target_arch", "x86_64")),
        ("not(unix)", Not(UNIX)),
        ("all()", ALWAYS),
        ("any()", NEVER),
        ("any(unix, windows,)", Any((UNIX, WINDOWS))),
        ("all(unix, not(any(miri)))", All((UNIX, Not(Any((MIRI,)))))),
        ("r#unix", UNIX),
        ("true", ALWAYS),
        ("false", NEVER),
        ("any(not(false), unix)", Any((Not(NEVER), UNIX))),
        ("opaque(a && b)", Opaque("a && b")),
        ("all(unix, not(opaque(f(x) == 1)))", All((UNIX, Not(Opaque("f(x) == 1"))))),
        # what is none of the reference's grammar is kept as it stands
        ('os == "windows"', Opaque('os == "windows"')),
        ("not(unix, windows)", Opaque("not(unix, windows)")),
        ("all(unix", Opaque("all(unix")),
        ("unix windows", Opaque("unix windows")),
        ('version("1.2")', Opaque('version("1.2")')),
        ("target_arch = x", Opaque("target_arch = x")),
        ("all(unix miri)", Opaque("all(unix miri)")),
    ],
)
def test_reading(text: str, expected: Cfg) -> None:
    assert cfg.parse(text) == expected


ATOMS = ["unix", "windows", 'target_arch = "x86"', 'target_arch = "arm"', 'target_os = "linux"',
         'target_os = "windows"', 'target_os = "none"', "miri", 'feature = "gc"']  # fmt: skip
EXPRESSIONS: st.SearchStrategy[Cfg] = st.recursive(
    st.sampled_from([*map(cfg.parse, ATOMS), Opaque("x == 1")]),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Any(tuple(parts))),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
@small.quick
def test_what_is_spelled_is_read_again(expression: Cfg) -> None:
    assert cfg.parse(cfg.render(expression)) == expression


# -- simplifying ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], ""),
        ([""], ""),
        (["unix"], "unix"),
        (["unix", "unix"], "unix"),
        (["unix", "", "miri"], "all(unix, miri)"),
        (["all(unix, miri)", "unix"], "all(unix, miri)"),
        (["all(unix, all(miri, not(test)))"], "all(unix, miri, not(test))"),
        (["all(unix)"], "unix"),
        (["any(a, b)", "any(a, b)"], "any(a, b)"),
        (["any(a, b,)"], "any(a, b)"),
        (["not(not(a))"], "a"),
        (["not(all(not(a), not(b)))"], "any(a, b)"),
        (["not(all(not(a), b))"], "any(a, not(b))"),
        (["not(any(a, b))"], "not(any(a, b))"),
        (["any(a, not(a))"], ""),
        (["a", "not(a)"], "any()"),
        (["any(a, all(a, b))"], "a"),
        (["a", "any(a, b)"], "a"),
        (["a", "any(not(a), b)"], "all(a, b)"),
        (['target_arch = "x86"', 'not(target_arch = "arm")'], 'target_arch = "x86"'),
        (['not(target_os = "macos")', 'target_os = "linux"'], 'target_os = "linux"'),
        (['not(target_os = "macos")', 'target_arch = "arm"'], 'all(not(target_os = "macos"), target_arch = "arm")'),
        (["not(windows)", "unix"], "unix"),
        (["not(windows)"], "not(windows)"),
        (["not(unix)", "windows"], "windows"),
        (["unix", 'target_os = "linux"'], 'target_os = "linux"'),
        (["unix", 'target_os = "windows"'], "any()"),
        (["unix", 'target_os = "of tomorrow"'], 'all(unix, target_os = "of tomorrow")'),
        (['target_os = "none"', "not(unix)", "not(windows)"], 'target_os = "none"'),
        (["unix", 'not(all(windows, target_arch = "x86"))'], "unix"),
        (['not(feature = "a")', 'feature = "b"'], 'all(not(feature = "a"), feature = "b")'),
        (["opaque(x == 1)", "unix", "opaque(x == 1)"], "all(opaque(x == 1), unix)"),
    ],
)  # fmt: skip
def test_conditions_that_all_hold_are_one_expression(conditions: list[str], expected: str) -> None:
    assert cfg.join(conditions) == expected


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "a"], "a"),
        (["a", "b", "a"], "any(a, b)"),
        (["a", ""], ""),
        (["all(a, b)", "c"], "any(all(a, b), c)"),
        (["unix", "all(unix, miri)"], "unix"),
    ],
)
def test_alternatives_are_one_expression(alternatives: list[str], expected: str) -> None:
    assert cfg.either(alternatives) == expected


@given(EXPRESSIONS)
@small.quick
def test_simplifying_twice_changes_nothing(expression: Cfg) -> None:
    once = cfg.simplify(expression)
    assert cfg.simplify(once) == once


@given(EXPRESSIONS)
@small.quick
def test_simplifying_makes_nothing_longer(expression: Cfg) -> None:
    assert len(cfg.render(cfg.simplify(expression))) <= len(cfg.render(expression))


SYSTEMS = {"linux": "unix", "windows": "windows", "none": None, "of tomorrow": "unix"}


@given(EXPRESSIONS)
@small.quick
def test_simplifying_keeps_the_meaning_on_every_target(expression: Cfg) -> None:
    for arch, system, rest in product(["x86", "arm", "s390x"], SYSTEMS, product([True, False], repeat=3)):
        true = {Option("target_arch", arch), Option("target_os", system)}
        true |= {Option(family) for family in [SYSTEMS[system]] if family}
        extra: tuple[Cfg, ...] = (MIRI, Option("feature", "gc"), Opaque("x == 1"))
        true |= {option for option, on in zip(extra, rest, strict=True) if on}  # type: ignore[misc]
        assert evaluate(cfg.simplify(expression), true) == evaluate(expression, true)


def evaluate(expression: Cfg, true: set[Option]) -> bool:
    """Evaluate an expression the plain way, knowing nothing of the code under test."""
    match expression:
        case Not(part):
            return not evaluate(part, true)
        case All(parts):
            return all(evaluate(part, true) for part in parts)
        case Any(parts):
            return any(evaluate(part, true) for part in parts)
        case _:
            return expression in true


# -- what a target says -----------------------------------------------------------------------------

LINUX, MINGW, BARE = (
    KNOWN[t] for t in ("s390x-unknown-linux-gnu", "x86_64-pc-windows-gnu", "x86_64-unknown-none")
)


@pytest.mark.parametrize(
    ("condition", "target", "expected"),
    [
        ("", LINUX, True),
        ("unix", LINUX, True),
        ("unix", MINGW, False),
        ("any(unix, windows)", BARE, False),
        ('target_arch = "s390x"', LINUX, True),
        ('all(windows, target_env = "gnu")', MINGW, True),
        ('target_endian = "big"', LINUX, True),
        ('target_pointer_width = "32"', LINUX, False),
        ('feature = "gc"', LINUX, None),
        ('all(windows, feature = "gc")', LINUX, False),
        ('any(unix, feature = "gc")', LINUX, True),
        ("opaque(x)", LINUX, None),
        ("not(opaque(x))", LINUX, None),
        ("asan", LINUX, None),
        ("test", LINUX, False),
        ("miri", LINUX, False),
    ],
)  # fmt: skip
def test_what_holds_in_a_build_for_a_target(condition: str, target: Target, expected: object) -> None:
    assert cfg.on(cfg.parse(condition), target, features=None) is expected


def test_features_can_be_taken_as_given() -> None:
    gc = cfg.parse('feature = "gc"')
    assert [cfg.on(gc, LINUX, features=features) for features in (True, False, None)] == [True, False, None]


def test_options_of_a_build_script_mean_what_it_says() -> None:
    custom = {"native": cfg.parse("any(unix, windows)"), "loop": cfg.parse("loop")}
    assert cfg.on(cfg.parse("native"), LINUX, custom) is True
    assert cfg.on(cfg.parse("native"), BARE, custom) is False
    assert cfg.on(cfg.parse("loop"), BARE, custom) is None
    assert cfg.on(cfg.parse('native = "x"'), LINUX, custom) is None
