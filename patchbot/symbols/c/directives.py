"""What assembler directives do with names, as far as it matters; any other could make one."""

from __future__ import annotations

import re

# Their operands become visible to the linker.  `.def` opens the description of one of Windows's symbols.
GLOBAL = frozenset({".globl", ".global", ".weak", ".weak_definition", ".weak_def_can_be_hidden",
                    ".private_extern", ".def"})  # fmt: skip

# Their first operand gets a value, or room of its own that is visible.
SET = frozenset({".set", ".equ", ".equiv", ".eqv", ".thumb_set", ".lcomm"})
COMMON = frozenset({".comm", ".common", ".largecomm", ".tls_common"})

# Strings among their operands are texts, and not names in quotes.
TEXTS = frozenset({".ascii", ".asciz", ".string", ".string8", ".string16", ".string32", ".string64", ".incbin",
                   ".section", ".pushsection", ".file", ".loc", ".ident", ".version", ".error", ".warning",
                   ".print", ".attribute", ".stabs", ".eabi_attribute", ".popsection", ".option"})  # fmt: skip

_OPAQUE = {
    ".macro": "defines an assembler macro",
    ".irp": "repeats text with other names",
    ".irpc": "repeats text with other names",
    ".rept": "repeats text",
    ".altmacro": "changes how assembler macros are read",
    ".include": "includes another file",
    ".symver": "gives a symbol version",
    ".weakref": "makes a weak alias",
}

# Directives that make no name: sections, data, attributes of names, unwinding, conditions, debug information.
_HARMLESS = frozenset(
    {".2byte", ".4byte", ".8byte", ".abiversion", ".abort", ".addrsig", ".addrsig_sym", ".align",
     ".alt_entry", ".arch", ".arch_extension", ".arm", ".att_syntax", ".balign", ".balignl", ".balignw",
     ".bss", ".build_version", ".byte", ".cantunwind", ".code", ".code16", ".code32", ".code64", ".const",
     ".const_data", ".cpu", ".cstring", ".data", ".desc", ".double", ".dword", ".else", ".elseif", ".end",
     ".endef", ".endif", ".endm", ".endr", ".even", ".extern", ".fill", ".float", ".fnend", ".fnstart",
     ".force_thumb", ".fpu", ".gnu_attribute", ".half", ".handlerdata", ".hidden", ".hword", ".if", ".ifb",
     ".ifc", ".ifdef", ".ifeq", ".ifge", ".ifgt", ".ifle", ".iflt", ".ifnb", ".ifnc", ".ifndef", ".ifne",
     ".ifnotdef", ".indirect_symbol", ".insn", ".inst", ".inst.n", ".inst.w", ".int", ".intel_syntax",
     ".internal", ".ios_version_min", ".lazy_reference", ".line", ".linkonce", ".ln", ".local",
     ".localentry", ".long", ".ltorg", ".machine", ".machinemode", ".macosx_version_min", ".module",
     ".movsp", ".nan", ".no_dead_strip", ".noaltmacro", ".nops", ".object_arch", ".octa", ".org",
     ".p2align", ".p2alignl", ".p2alignw", ".pad", ".personality", ".personalityindex", ".pool",
     ".popsection", ".previous", ".protected", ".pushsection", ".quad", ".reference", ".reloc", ".rodata",
     ".rva", ".save", ".sbss", ".scl", ".sdata", ".secidx", ".secrel32", ".section", ".setfp", ".short",
     ".single", ".size", ".skip", ".sleb128", ".space", ".stabd", ".stabn", ".subsection",
     ".subsections_via_symbols", ".syntax", ".text", ".thumb", ".thumb_func", ".type", ".uleb128",
     ".unwind_raw", ".value", ".variant_pcs", ".vsave", ".weak_reference", ".word", ".xword", ".zero"}
)  # fmt: skip
_FAMILIES = (".cfi_", ".seh_", ".cv_")

_SECTION = re.compile(r'\s*"?([^\s",]+)')
# The linker makes __start_ and __stop_ names of sections that are called like a C identifier; Mach-O's
# segments are in capitals.
_NAMED_SECTION = re.compile(r"(?!__[A-Z]+$)[A-Za-z_]\w*", re.ASCII)


def doubt(word: str, arguments: str) -> str | None:
    """Return why the directive ``word`` could make a name that is not seen, or None if it cannot."""
    if not word.startswith("."):
        return None
    if word in {".section", ".pushsection"}:
        return _section(word, arguments)
    if word == ".type" and "gnu_unique_object" in arguments:
        return "gnu_unique_object makes a name visible"
    if word in _OPAQUE:
        return f"{word} {_OPAQUE[word]}"
    known = word in GLOBAL | SET | COMMON | TEXTS | _HARMLESS or word.startswith(_FAMILIES)
    return None if known else f"{word} is not known here"


def _section(word: str, arguments: str) -> str | None:
    match = _SECTION.match(arguments)
    name = match[1] if match is not None else ""
    if name == ".drectve":
        return "a section that tells the linker what to do"
    if not name or "?" in name:
        return f"{word} names what cannot be read as a name"
    return f"the linker makes names of sections like {name}" if _NAMED_SECTION.fullmatch(name) else None
