"""Try a cross toolchain: a program of a few lines is built and run, and must say which machine it is on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from patchbot import files, tools
from patchbot.proof import compilers
from patchbot.proof.compilers import Compiler
from patchbot.proof.cross.parts import Emulator, Rust, environment
from patchbot.targets import Target

TIMEOUT = 120.0  # seconds; it takes about one

# The standard library, the C library behind it, a thread and an unwinding panic: what a proof cannot do without.
_PROGRAM = b"""\
fn main() {
    let endian = if cfg!(target_endian = "big") { "big" } else { "little" };
    let caught = std::thread::spawn(|| std::panic::catch_unwind(|| { std::hint::black_box(Vec::<u8>::new())[0] }));
    assert!(caught.join().unwrap().is_err());
    println!("{} {endian}", std::env::consts::ARCH);
}
"""


def problem(target: Target, rust: Rust, compiler: Compiler, emulator: Emulator) -> str | None:
    """Return what is wrong with a toolchain for ``target``, or None if its program runs and says what it must.

    Raises ``EnvironmentProblem`` if a program cannot be started or does not end.
    """
    with tempfile.TemporaryDirectory(prefix="patchbot-trial-") as name:
        source, program = Path(name, "trial.rs"), Path(name, "trial")
        files.write(source, _PROGRAM)
        argv = [rust.rustc, "--edition=2021", "--target", target.triple, "-C", f"linker={compiler.program}"]
        built = tools.run([*argv, source, "-o", program], env=environment(rust), timeout=TIMEOUT)
        if not built.ok:
            return f"{Path(rust.rustc).name} builds nothing for {target.triple}: {built.head(3)}"
        ran = tools.run([*emulator.command, program], env=compilers.environment(), timeout=TIMEOUT)
    said = ran.stdout.decode(errors="replace").strip()
    wanted = f"{target.arch} {target.endian}"
    if ran.ok and said == wanted:
        return None
    runner = Path(emulator.command[0]).name if emulator.command else "this machine"
    how = f"says {said!r} instead of {wanted!r}" if ran.ok else f"ends with {ran.code}: {ran.tail(3)}"
    return f"under {runner} a program for {target.triple} {how}"
