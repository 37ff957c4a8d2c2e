"""Put a cross toolchain together of the parts that are there, or say what is missing and how to get it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from patchbot import tools
from patchbot.errors import EnvironmentProblem
from patchbot.proof import compilers
from patchbot.proof.compilers import Compiler
from patchbot.proof.cross import parts, trial
from patchbot.proof.cross.parts import Emulator, Rust
from patchbot.proof.toolchain import Programs, Toolchain, host_of, said
from patchbot.targets import Target

# Set by people for their own builds; they would send cargo, its build scripts or the emulator elsewhere.
_STRANGE = (
    "CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_TARGET_", "CC_", "CXX_", "AR_", "CFLAGS", "CXXFLAGS", "LDFLAGS", "QEMU_",
    "RUSTC", "RUSTFLAGS", "TARGET_", "HOST_", "CROSS_COMPILE",
)  # fmt: skip
_WORDS = ("CC", "CXX", "AR", "NM", "LD")


@dataclass(frozen=True, slots=True)
class Parts:
    """What this machine has for a target; None for what it has not.  Without a compiler no emulator is looked for."""

    rust: Rust | None
    compiler: Compiler | None
    emulator: Emulator | None

    @property
    def missing(self) -> tuple[str, ...]:
        """The parts that are missing, in words; of an emulator nobody knows without a compiler."""
        parts = {
            "a Rust with its standard library": self.rust is None,
            "a C compiler with its C library": self.compiler is None,
            "an emulator": self.emulator is None and self.compiler is not None,
        }
        return tuple(words for words, missing in parts.items() if missing)


def parts_for(target: Target, cache: Path) -> Parts:
    """Look for the parts of a target's toolchain: this machine's Rust first, else the private one."""
    compiler = compilers.find(target)
    return Parts(
        rust=parts.rust_on_path(target) or parts.private_rust(target, cache),
        compiler=compiler,
        emulator=parts.emulator(target, compiler) if compiler is not None else None,
    )


def tried(target: Target, have: Parts) -> str | None:
    """Try the parts; return what is wrong with them, or None if nothing is or some are missing."""
    if have.rust is None or have.compiler is None or have.emulator is None:
        return None
    return trial.problem(target, have.rust, have.compiler, have.emulator)


def find(target: Target, cache: Path, *, working: bool = False) -> Toolchain:
    """Return the toolchain for another target than this machine's; if it must be ``working``, it is tried.

    Raises ``EnvironmentProblem`` that names every part that is missing, or what is wrong with one.
    """
    hint = f"patchbot doctor --target {target.triple} says what to do, and --install does it"
    have = parts_for(target, cache)
    if have.rust is None or have.compiler is None or have.emulator is None:
        raise EnvironmentProblem(f"for {target.triple} there is not {', nor '.join(have.missing)}", hint=hint)
    problem = tried(target, have) if working else None
    if problem is not None:
        raise EnvironmentProblem(problem, hint=hint)
    return _toolchain(target, have.rust, have.compiler, have.emulator)


def _toolchain(target: Target, rust: Rust, compiler: Compiler, emulator: Emulator) -> Toolchain:
    own = tools.environment({"LC_ALL": "C"}, drop=_STRANGE)
    base = {name: value for name, value in own.items() if name not in _WORDS}
    ar = compiler.program.removesuffix("gcc") + "ar" if compiler.program.endswith("-gcc") else "ar"
    word = target.triple.replace("-", "_")
    environment = {
        **base,
        **rust.environment,
        "RUSTC": rust.rustc,
        f"CARGO_TARGET_{word.upper()}_LINKER": compiler.program,
        f"CC_{word}": compiler.program,
        f"AR_{word}": ar,
        # some releases of other people's crates declare what they need: cargo 1.84 can heed it
        "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "fallback",
    }
    return Toolchain(
        rustc=rust.version,
        cargo=said([rust.cargo, "-V"], environment).strip(),
        host=host_of(rust.verbose),
        target=target.triple,
        programs=Programs(cargo=rust.cargo, cc=compiler.program, nm=compiler.nm, run=emulator.command),
        environment=environment,
        others={"cc": compiler.version, "emulator": emulator.version},
    )
