"""A machine of shell scripts: apt, dpkg, rustup, sudo, Rust, a cross compiler and qemu, all on a PATH of their own.

A script's answers are files in ``answers``; what is asked of any of them is a line in ``asked``.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from patchbot.targets import KNOWN

S390X = KNOWN["s390x-unknown-linux-gnu"]
TRIPLE = S390X.triple
VERSION = "1.85.0+dfsg3-1~deb12u3"
SAYS = "rustc 1.85.0 (4d91de4e4 2025-02-17)"

MADISON = f"""\
 rustc-web | 1.96.0+dfsg1-1~deb12u2 | http://packages.example/debian-security bookworm-security/main amd64 Packages
 rustc-web | {VERSION} | http://packages.example/debian bookworm/main amd64 Packages
 cargo-web | 1.96.0+dfsg1-1~deb12u2 | http://packages.example/debian-security bookworm-security/main amd64 Packages
 cargo-web | {VERSION} | http://packages.example/debian bookworm/main amd64 Packages
libstd-rust-web-dev | 1.96.0+dfsg1-1~deb12u2 | http://packages.example/debian-security bookworm-security/main amd64 Packages
libstd-rust-web-dev | {VERSION} | http://packages.example/debian bookworm/main amd64 Packages
libstd-rust-web-dev:s390x | {VERSION} | http://packages.example/debian bookworm/main s390x Packages
     rustc | 1.63.0+dfsg1-2 | http://packages.example/debian bookworm/main amd64 Packages
     cargo | 0.66.0+ds1-1 | http://packages.example/debian bookworm/main amd64 Packages
libstd-rust-dev | 1.63.0+dfsg1-2 | http://packages.example/debian bookworm/main amd64 Packages
libstd-rust-dev:s390x | 1.63.0+dfsg1-2 | http://packages.example/debian bookworm/main s390x Packages
gcc-s390x-linux-gnu | 4:12.2.0-3 | http://packages.example/debian bookworm/main amd64 Packages
libc6-dev-s390x-cross | 2.36-8cross1 | http://packages.example/debian bookworm/main amd64 Packages
 qemu-user | 1:7.2+dfsg-7+deb12u18+b3 | http://packages.example/debian bookworm/main amd64 Packages
"""
SHOWN = f"""\
Package: rustc-web
Version: {VERSION}
Depends: libc6 (>= 2.34), libgcc-s1 (>= 3.0), libstd-rust-web-dev (= {VERSION}), gcc, libc-dev, binutils (>= 2.26)
Description: Rust systems programming language

Package: cargo-web
Version: {VERSION}
Depends: libc6 (>= 2.34), libpcre3, rustc-web (= {VERSION}), binutils, gcc | clang | c-compiler

Package: libstd-rust-web-dev
Version: {VERSION}
Depends: libstd-rust-web-1.85 (= {VERSION})
"""
SIMULATED = f"""\
Reading package lists...
The following NEW packages will be installed:
  cargo-web libpcre3 libllvm19 libstd-rust-web-1.85 rustc-web
Inst libc6 [2.36-9] (2.36-9+deb12u13 Debian:12.15/oldstable [amd64])
Inst libpcre3 (2:8.39-15 Debian:12.15/oldstable [amd64])
Inst libllvm19 (1:19.1.7-3~deb12u1 Debian:12.15/oldstable [amd64])
Inst libstd-rust-web-1.85 ({VERSION} Debian:12.15/oldstable [amd64])
Inst rustc-web ({VERSION} Debian:12.15/oldstable [amd64])
Inst cargo-web ({VERSION} Debian:12.15/oldstable [amd64])
Conf rustc-web ({VERSION} Debian:12.15/oldstable [amd64])
"""
DEBIAN = {
    "ID": "debian",
    "VERSION_ID": "12",
    "VERSION_CODENAME": "bookworm",
    "PRETTY_NAME": "Debian GNU/Linux 12",
}
UNPACKED = ("rustc-web", "cargo-web", "libstd-rust-web-dev", "libstd-rust-web-1.85", "libpcre3", "libllvm19",
            "libstd-rust-web-dev:s390x")  # fmt: skip

_APT_GET = """\
if [ "$1" = -c ]; then [ -f "$2" ] || exit 99; shift 2; fi
answer "$1" "$@"
case "$1 $2" in
"install --simulate") cat "$A/simulated" ;;
"install --yes")
    for name do
        if [ -f "$A/ready/$name" ]; then
            touch "$A/installed/$name"
            while read -r program; do cp "$A/programs/$program" "$BIN/$program"; done < "$A/ready/$name"
        fi
    done ;;
"download "*)
    shift
    for word do
        file="${word%%=*}_${word#*=}.deb"
        echo "$word" > "$(echo "$file" | tr : %)"
    done ;;
indextargets*) cat "$A/targets" ;;
esac
"""
_APT_CACHE = """\
if [ "$1" = -c ]; then shift 2; fi
answer "$1" "$@"
case "$1" in
pkgnames) printf 'rustc\\nrustc-web\\nrustc-doc\\n' ;;
madison) cat "$A/madison" ;;
show) cat "$A/shown" ;;
esac
"""
_DPKG = """\
if [ "$1" = --print-architecture ]; then echo amd64; exit 0; fi
answer unpack "$@"
mkdir -p "$3/usr/bin" "$3/usr/share/doc" "$3/lib/x86_64-linux-gnu"
case "$(cat "$2")" in
rustc-web=*) cp "$A/programs/rustc" "$3/usr/bin/rustc" ;;
cargo-web=*) cp "$A/programs/cargo" "$3/usr/bin/cargo" ;;
libpcre3=*) echo x > "$3/lib/x86_64-linux-gnu/libpcre.so.3" ;;
libstd-rust-web-dev:s390x=*)
    mkdir -p "$3/usr/lib/rustlib/s390x-unknown-linux-gnu/lib"
    echo x > "$3/usr/lib/rustlib/s390x-unknown-linux-gnu/lib/libstd-1.rlib"
    echo x > "$3/usr/lib/rustlib/s390x-unknown-linux-gnu/lib/libstd-1.so" ;;
esac
"""
_DPKG_QUERY = """\
shift 2
for name do
    if [ -f "$A/installed/$name" ]; then echo "$name installed"; else missing=1; echo "no $name" >&2; fi
done
exit ${missing:-0}
"""
_RUSTUP = """\
answer "$1-$2" "$@"
case "$1 $2 $3" in
"which rustc ") echo "$A/toolchain/bin/rustc" ;;
"target list --installed") cat "$A/added" 2>/dev/null || true ;;
"target list ") printf 'aarch64-unknown-linux-gnu\\ns390x-unknown-linux-gnu\\nx86_64-unknown-linux-gnu (installed)\\n' ;;
"target add "*)
    echo "$3" >> "$A/added"
    mkdir -p "$A/toolchain/lib/rustlib/$3/lib"; echo x > "$A/toolchain/lib/rustlib/$3/lib/libstd-1.rlib" ;;
esac
"""
_RUSTC = """\
here=$(dirname "$(dirname "$0")")
[ -f "$A/toolchain/is-on-path" ] && [ "$here" = "$(dirname "$BIN")" ] && here="$A/toolchain"
lib="$here/lib"; [ -d "$here/usr" ] && lib="$here/usr/lib"; [ "$(basename "$here")" = usr ] && lib="$here/lib"
case "$1 $2" in
"-vV ") cat "$A/rustc-says" ;;
"--print sysroot") echo "$here" ;;
"--print target-libdir") echo "$lib/rustlib/$4/lib" ;;
*)
    answer compile "$@"
    while [ "$1" != -o ]; do shift; done
    echo program > "$2" ;;
esac
"""
_GCC = """\
case "$1" in
--version) echo "gcc (Debian) 12.2.0" ;;
-print-file-name=libc.so.6) echo "$A/libc/lib/libc.so.6" ;;
esac
"""
_QEMU = """\
if [ "$1" = --version ]; then answer version "$@"; echo "qemu-s390x version 7.2.22"; exit 0; fi
answer emulate "$@"
echo "s390x big"
"""


class World:
    """The machine: ``bin`` is its PATH, ``answers`` what its programs say and have."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.answers, self.cache = folder / "bin", folder / "answers", folder / "cache"
        self.release: dict[str, str] = dict(DEBIAN)
        self.user = 0
        for name in ("installed", "ready", "programs", "toolchain/bin", "libc/lib"):
            (self.answers / name).mkdir(parents=True)
        self.bin.mkdir()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("PATCHBOT_CACHE", str(self.cache))
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(platform, "freedesktop_os_release", lambda: self.release)
        monkeypatch.setattr(os, "geteuid", lambda: self.user)
        texts = {
            "madison": MADISON,
            "shown": SHOWN,
            "simulated": SIMULATED,
            "rustc-says": f"{SAYS}\nhost: x86_64-unknown-linux-gnu\n",
            "ready/gcc-s390x-linux-gnu": "s390x-linux-gnu-gcc\ns390x-linux-gnu-nm\n",
            "ready/libc6-dev-s390x-cross": "",
            "ready/qemu-user": "qemu-s390x\n",
            "libc/lib/libc.so.6": "",
        }
        for name, text in texts.items():
            (self.answers / name).write_text(text)
        for name, script in (("rustc", _RUSTC), ("cargo", 'echo "cargo 1.85.0"\n'), ("s390x-linux-gnu-gcc", _GCC),
                             ("s390x-linux-gnu-nm", 'echo "GNU nm 2.40"\n'), ("qemu-s390x", _QEMU)):  # fmt: skip
            self._script(self.answers / "programs" / name, script)
        for name, script in (("apt-get", _APT_GET), ("apt-cache", _APT_CACHE), ("dpkg", _DPKG),
                             ("dpkg-query", _DPKG_QUERY), ("cc", "")):  # fmt: skip
            self._script(self.bin / name, script)

    def _script(self, file: Path, text: str) -> None:
        head = (
            f'#!/bin/sh\nset -e\nA="{self.answers}"\nBIN="{self.bin}"\necho "$(/usr/bin/basename "$0") $*" >> "$A/asked"\n'
            "PATH=/usr/bin:/bin\n"
            'answer() { f="$A/$(basename "$0").$1"; shift; if [ -f "$f" ]; then . "$f"; fi; }\n'
        )
        file.write_text(head + text)
        file.chmod(0o755)

    def has(self, *names: str) -> World:
        """Put programs on PATH."""
        scripts = {
            "rustup": _RUSTUP,
            "sudo": 'answer "$2" "$@"\n[ "$2" = true ] || { shift; PATH="$BIN:$PATH" "$@"; }\n',
        }
        for name in names:
            if name in scripts:
                self._script(self.bin / name, scripts[name])
            else:
                (self.bin / name).write_bytes((self.answers / "programs" / name).read_bytes())
                (self.bin / name).chmod(0o755)
        return self

    def complete(self) -> World:
        """Have the system's packages, with all of their programs."""
        for name in ("gcc-s390x-linux-gnu", "libc6-dev-s390x-cross", "qemu-user"):
            (self.answers / "installed" / name).touch()
        return self.has("s390x-linux-gnu-gcc", "s390x-linux-gnu-nm", "qemu-s390x")

    def rustup(self) -> World:
        """Have a Rust that rustup manages, without the target."""
        (self.answers / "toolchain" / "is-on-path").touch()
        return self.has("rustup", "rustc", "cargo")

    def when(self, program: str, asked: str, script: str) -> None:
        """Let a program do something else when it is asked for something: a script that it reads."""
        (self.answers / f"{program}.{asked}").write_text(script + "\n")

    @property
    def asked(self) -> list[str]:
        """What the programs were asked for until now, a line each."""
        file = self.answers / "asked"
        return file.read_text().splitlines() if file.exists() else []

    def forget(self) -> None:
        """Begin to listen anew."""
        (self.answers / "asked").unlink(missing_ok=True)

    def changes(self) -> list[str]:
        """Of what was asked, what changes something or takes long."""
        words = ("apt-get install --yes", "apt-get -c", "apt-get update", "rustup target add", "dpkg -x")
        return [line for line in self.asked if line.startswith(words)]
