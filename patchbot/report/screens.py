"""The text of results: what commands print on stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from patchbot.model import ForkedRelease, ImportedRelease, Inventory, Kind, Role, spoken_list
from patchbot.report.terminal import safe, table

WIDTH = 100  # of what a twin says


def inventory(imported: ImportedRelease, found: Inventory) -> str:
    """Return what ``scan`` prints: names by kind, then what needs a look."""
    own = found.names(Kind.OWN)
    places = sum(1 for s in found.symbols if s.kind is Kind.OWN)
    lines = [
        f"wasmtime {imported.release}: {len(imported.crates)} crates of commit {imported.commit[:12]}",
        "",
        f"{len(own)} names to suffix, at {places} places"
        + (f" (upstream appends {found.upstream_suffix} to most)" if found.upstream_suffix else ""),
        "",
    ]
    rows = []
    for crate in found.c_api:
        count = len({s.name for s in found.symbols if s.crate == crate and s.kind is Kind.OWN})
        rows.append((f"  {count} names of the C API", crate, "in its headers; --json lists them"))
    for name in sorted(own):
        defined = [s for s in found.symbols if s.name == name and s.role is Role.DEFINE]
        if {s.crate for s in defined} & set(found.c_api):
            continue
        crates = ", ".join(sorted({s.crate for s in defined}))
        forms = ", ".join(sorted({s.form for s in defined}))
        rows.append((f"  {name}", crates, forms))
    lines.append(table(rows))
    for kind, title in (
        (Kind.KEEP, "kept, for debuggers"),
        (Kind.EMBEDDER, "kept, the embedder's"),
        (Kind.FOREIGN, "kept, not wasmtime's"),
    ):
        names = sorted(found.names(kind))
        if names:
            lines.append(f"{title}: {', '.join(names)}")
    if found.crate_paths:
        libraries = Counter(row.library for row in found.crate_paths)
        counts = (f"{library} (at {count} places)" for library, count in sorted(libraries.items()))
        lines.append(f"macros print the paths of {spoken_list(counts)}")
    if found.links:
        lines.append(f"links keys: {', '.join(f'{k.key} ({k.crate})' for k in found.links)}")
    if found.blind_spots:
        count = len(found.blind_spots)
        lines += ["", f"{count} place{'s' if count > 1 else ''} that could hide a name:"]
        lines += [f"  {spot.path}:{spot.line}: {spot.why}" for spot in found.blind_spots]
    return safe("\n".join(lines)).rstrip() + "\n"


def synced(rows: Sequence[Mapping[str, object]]) -> str:
    """Return what ``sync`` prints: a line per release; one that failed says where and why."""
    lines = []
    for row in rows:
        if "error" in row:
            error: Mapping[str, str] = row["error"]  # type: ignore[assignment]
            where = f"{error['where']}: " if error["where"] else ""
            state = "FAILED" if row["series"] == "failed" else str(row["series"])
            lines.append((str(row["release"]), state, "", "", f"{where}{error['what']}"))
            continue
        patches: Sequence[Mapping[str, str]] = row["patches"]  # type: ignore[assignment]
        counts = f"{row['crates']} crates", f"{row['names']} names"
        names = ", ".join(_named(patch) for patch in patches)
        lines.append((str(row["release"]), str(row["series"]), *counts, names))
    failed = sum(row["series"] == "failed" for row in rows)
    spans = _form_spans(rows) if len(rows) > 1 else []
    text = table(lines) + (f"\n{table(spans)}" if spans else "")
    return text + (f"\n{failed} of {len(rows)} failed\n" if failed else "")


def tagged(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what ``sync --git`` prints besides: a line on each release's crates beside its tag."""
    titles = ("same", "normalised", "followed", "made", "submodule", "left_out")
    lines = []
    for git in (row["git"] for row in rows if "git" in row):
        counts = [f"{git[title]} {title.replace('_', ' ')}" for title in titles if git[title]]
        counts.append(f"{len(git['unexplained'])} unexplained")
        if git["crates_commit"] != git["commit"]:
            counts.append(f"packed from {git['crates_commit'][:12]}")
        lines.append((git["tag"], git["commit"][:12], ", ".join(counts)))
    return f"\n{table(lines)}" if lines else ""


def _named(patch: Mapping[str, str]) -> str:
    """Name a patch; of one that a person wrote also how it fared."""
    return patch["name"] if patch["kind"] == "generated" else f"{patch['name']} ({patch['verdict']})"


def _form_spans(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return how far each form of a carried patch reaches among the releases, and how it fared on the way."""
    spans: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows:
        for patch in row.get("patches", ()):
            if patch["kind"] != "generated":
                form = " ".join(patch["rule"].split()[:2])
                spans.setdefault((patch["name"], form), []).append((str(row["release"]), patch["verdict"]))
    out = []
    for (name, form), found in sorted(spans.items(), key=lambda item: item[0][0]):
        counts = Counter(verdict for _, verdict in found)
        reach = found[0][0] if len(found) == 1 else f"{found[0][0]} to {found[-1][0]}"
        out.append((name, form, reach, ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())))
    return out


def closing(
    releases: Sequence[ForkedRelease],
    consumer: Mapping[str, str],
    *,
    registry: Path,
    patches: Path,
    proof: Mapping[str, object] | None,
    missing: Sequence[str],
) -> str:
    """Return the last screen of a run: what was made, where it is, and what to put where."""
    names = " and ".join(str(release.release) for release in releases)
    crates = sum(len(release.crates) for release in releases)
    made = "that live together in one program" if proof is not None else "made, and nothing proved of them"
    lines = ["", f"wasmtime {names}: {crates} crates {made}", ""]
    rows = [("  patches", str(patches)), ("  registry", str(registry))]
    if proof is not None:
        rows.append(("  receipt", str(proof["receipt"])))
    lines.append(table(rows))
    if proof is not None:
        lines.append(
            f"proved on {proof['target']}{', earlier, of the same bytes' if proof['known'] else ''}:"
        )
        lines.append(_rungs(proof))
    if consumer:
        for file, text in consumer.items():
            if file == "main.rs":
                lines += ["In Rust:", "", *(f"    {line}" for line in text.splitlines()), ""]
            else:
                lines += [f"In your {file}:", "", *(f"    {line}".rstrip() for line in text.splitlines()), ""]
    if missing:
        lines += ["Not done:", *(f"  {line}" for line in missing), ""]
    return safe("\n".join(lines)).rstrip() + "\n"


def status(rows: Sequence[Mapping[str, object]]) -> str:
    """Return what ``status`` prints: a line per release."""
    head = ("release", "published", "", "series", "forks", "registry", "proved")
    lines = [head]
    for row in rows:
        proof: Mapping[str, str] = row["proof"]  # type: ignore[assignment]
        marks = [word for word in ("tracked", "yanked") if row[word]]
        lines.append(
            (
                str(row["release"]),
                str(row["published"] or "")[:10],
                " ".join(marks),
                "yes" if row["series"] else "-",
                str(row["fork"] or "-"),
                str(row["registry"] or "-"),
                ", ".join(f"{rung} ({target})" for target, rung in proof.items()) or "-",
            )
        )
    return table(lines)


def receipt(proof: Mapping[str, object]) -> str:
    """Return what ``prove`` prints."""
    releases = " + ".join(proof["releases"])  # type: ignore[arg-type]
    known = " (proved earlier, of the same bytes)" if proof["known"] else ""
    return f"{releases} on {proof['target']}{known}\n{_rungs(proof)}\nreceipt: {proof['receipt']}\n"


def _rungs(proof: Mapping[str, object]) -> str:
    rows = []
    for rung in proof["rungs"]:  # type: ignore[attr-defined]
        rows.append((f"  {rung['rung']}", "holds" if rung["ok"] else "FAILS", rung["checked"]))
        rows += [
            ("", "twin", f"{twin['twin']}: {_twin(twin['failed'])} ({_short(twin['detail'])})")
            for twin in rung["twins"]
        ]
    return table(rows)


def _short(text: str) -> str:
    """Return a line that fits beside its title; the receipt has the whole."""
    line = text.strip().partition("\n")[0] or "no words"
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _twin(failed: bool | None) -> str:  # noqa: FBT001 - three states, as the receipt has them
    return {True: "fails, as it must", False: "PASSES", None: "does not apply"}[failed]
