"""What a few lines show of the item round a change is what the grammar says of it."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from patchbot.series.lines import Change, Lines, split
from patchbot.series.merge import items, nearby
from patchbot.series.merge.outline import _parser, outline_of

MARK = "HERE"


def changes(old: Lines, new: Lines) -> tuple[Change, ...]:
    found = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return tuple(Change(i, j, new[k:m]) for kind, i, j, k, m in found if kind != "equal")


def asked(base: str, ours: str) -> tuple[bool, str | None]:
    """Ask both about the place that HERE marks in each text: what a few lines show, and what the grammar says."""
    starts = [split(text.encode()).index(f"{MARK}\n".encode()) for text in (base, ours)]
    old, new = (split(text.replace(f"{MARK}\n", "").encode()) for text in (base, ours))
    change, upstream = Change(starts[0], starts[0], (b"x\n",)), changes(old, new)
    shown = nearby.stays(nearby.Text(old), nearby.Text(new), change, starts[1], upstream)
    outline = outline_of("a.rs")
    assert outline is not None
    read = (outline.read(b"".join(old)), outline.read(b"".join(new)))
    return shown, items.moved(*read, change, starts[1], upstream)


BODY = "fn a() {\n    one();\nHERE\n    two();\n}\n"
STAYS = {
    "other functions come and go": (
        f"fn z() {{}}\n\n{BODY}",
        f"fn y() {{\n    q();\n}}\n\n{BODY}fn w() {{}}\n",
    ),
    "its own lines change": (BODY, BODY.replace("one();", "one();\n    if b { c() }\n    d();")),
    "in a loop": (
        "fn a() {\n    loop {\n        b();\nHERE\n    }\n}\n",
        "fn a() {\n    c();\n    loop {\n        b();\nHERE\n    }\n}\n",
    ),
    "a string with braces": (
        'fn a() {\n    b("}}}");\nHERE\n    c();\n}\n',
        'fn a() {\n    d("{");\n    b("}}}");\nHERE\n    c();\n}\n',
    ),
    "a comment that nests": (
        "fn a() {\n    /* { /* } */ { */\nHERE\n    c();\n}\n",
        "fn a() {\n    b();\n    /* { /* } */ { */\nHERE\n    c();\n}\n",
    ),
    "characters": (
        "fn a<'x>(b: &'x u8) {\n    c('{', '\"', '\\'', b'}');\nHERE\n}\n",
        "fn a<'x>(b: &'x u8) {\n    c('{', '\"', '\\'', b'}');\nHERE\n    d();\n}\n",
    ),
    "a head of several lines": (
        "impl A {\n    pub(crate) fn a(\n        &self,\n    ) -> [u8; 4]\n    where\n        B: C,\n    {\n        d();\nHERE\n    }\n}\n",
        "impl A {\n    fn z() {}\n    pub(crate) fn a(\n        &self,\n    ) -> [u8; 4]\n    where\n        B: C,\n    {\n        d();\nHERE\n    }\n}\n",
    ),
    "between methods": (
        "impl A {\n    fn a() {}\n\nHERE\n    /// Says.\n    fn b() {}\n}\n",
        "impl A {\n    fn z() {}\n\n    fn a() {}\n\nHERE\n    /// Says.\n    fn b() {}\n}\n",
    ),
    "a field": ("struct A {\n    a: u8,\nHERE\n}\n", "use b;\n\nstruct A {\n    a: u8,\nHERE\n}\n"),
    "an import": ("use a;\nHERE\nuse b;\n", "use z;\nuse a;\nHERE\nuse b;\n"),
}
NOT_PLAIN = {
    "a function in another one": (
        "fn a() {\n    fn b() {\n        c();\nHERE\n    }\n}\n",
        "fn d() {\n    fn b() {\n        c();\nHERE\n    }\n}\n",
    ),
    "in a text of several lines": (
        'fn a() {\n    b("\n}\nHERE\nfn c() {\n");\n}\n',
        'fn a() {\n    d();\n    b("\n}\nHERE\nfn c() {\n");\n}\n',
    ),
    "a text of several lines": (
        'fn a() {\n    b(r#"\n}\nfn c() {\n"#);\nHERE\n    c();\n}\n',
        'fn a() {\n    d();\n    b(r#"\n}\nfn c() {\n"#);\nHERE\n    c();\n}\n',
    ),
    "the function was cut in two": (BODY, BODY.replace("one();", "one();\n}\n\nfn b() {")),
    "its head changed": (BODY, BODY.replace("fn a()", "fn a(b: u8)")),
    "another function has these lines": (BODY, BODY.replace("fn a", "fn c")),
    "it became a comment": (BODY, f"/*\n{BODY}*/\n"),
    "it is in a string now": (BODY, f'const A: &str = r#"\n{BODY}"#;\n'),
    "a const has the lines": (
        "const A: &[u8] = &[\n    1,\nHERE\n    2,\n];\n",
        "const B: &[u8] = &[\n    1,\nHERE\n    2,\n];\n",
    ),
    "a const of two lines": ("const A: u8 =\nHERE\n    1;\n", "const B: u8 =\nHERE\n    1;\n"),
    "an attribute belongs to what follows": (
        "#[a]\nHERE\nfn b() {\n    c();\n}\n",
        "#[a]\nHERE\nfn d() {\n    c();\n}\n",
    ),
    "behind its end": (
        "fn a() {\n    b();\n}\nHERE\nfn c() {}\n",
        "fn d() {\n    b();\n}\nfn e() {\nHERE\n}\nfn c() {}\n",
    ),
    "behind a declaration": (
        "trait T {\n    fn a(\n        b: u8,\n    );\nHERE\n    fn c();\n}\n",
        "trait T {\n    fn z();\n    fn a(\n        b: u8,\n    );\nHERE\n    fn c();\n}\n",
    ),
}


@pytest.mark.parametrize("case", STAYS)
def test_what_stays_is_seen(case: str) -> None:
    assert asked(*STAYS[case]) == (True, None)


@pytest.mark.parametrize("case", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_grammar(case: str) -> None:
    assert asked(*NOT_PLAIN[case])[0] is False


ODD = st.sampled_from(
    [["x();"], ['y("}");'], ["// {"], ["/* } */"], ["let a = '{';"], ['z(r#"', '} "#);'], ["#[a]"], ["/// says"], [""],
     ["const C: u8 = 1;"], ["m! {", "}"], ["}", "fn g() {"], ["}", "}", "impl T for S {", "fn h() {"], ["/*", "*/"],
     ["if x {", "}"], ["mod m {", "}"]],
)  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, str]:
    """Two texts with a place marked in both: upstream's changes leave the lines beside it alone."""

    def block(depth: int) -> list[str]:
        out: list[str] = []
        for _ in range(draw(st.integers(1, 3))):
            kind = draw(st.integers(0, 6)) if depth < 2 else 6
            name = draw(st.sampled_from("abc"))
            heads = (
                f"fn {name}() {{",
                f"impl {name} {{",
                f"mod {name} {{",
                f"struct {name} {{",
                "if x {",
                "m! {",
            )
            out += (
                [heads[kind], *(f"    {line}" for line in block(depth + 1)), "}"]
                if kind < len(heads)
                else draw(ODD)
            )
        return out

    lines = block(0)
    at = draw(st.integers(0, len(lines)))
    new, here = list(lines), at
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(new)))
        gone = draw(st.integers(0, 2))
        if place <= here + 1 and place + gone >= here - 1:
            continue
        added = draw(st.one_of(st.just([]), ODD))
        new[place : place + gone] = added
        here += len(added) - gone if place < here else 0
    return tuple(
        "".join(f"{line}\n" for line in [*rows[:n], MARK, *rows[n:]])
        for rows, n in ((lines, at), (new, here))
    )  # type: ignore[return-value]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(programs())
def test_what_is_seen_to_stay_does_by_the_grammar(texts: tuple[str, str]) -> None:
    """Where the grammar reads the head at all: what is in a macro's braces or in a function is no item to it."""
    for text in texts:
        parsed = _parser("rust").parse(text.replace(f"{MARK}\n", "").encode())
        assume(not parsed.root_node.has_error)  # the grammar's word on anything else is a guess
    shown, moved = asked(*texts)
    assert not (shown and moved) or not all(map(_is_read, texts))


def _is_read(text: str) -> bool:
    """Whether the head of the item round the mark, going by how far lines stand in, is one to the grammar."""
    at = split(text.encode()).index(f"{MARK}\n".encode())
    data = text.replace(f"{MARK}\n", "").encode()
    outline = outline_of("a.rs")
    assert outline is not None
    heads = {path[-1].head for path in outline.read(data).rows}
    return nearby.Text(split(data)).head(at) in heads
