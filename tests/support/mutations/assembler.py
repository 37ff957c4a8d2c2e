"""Names that assembler text makes: in Rust's macros, in ``.S`` files and in ``.s`` files."""

from __future__ import annotations

from typing import Any

from support.mutations.model import Mutation, Outcome, Part, Use
from support.mutations.rust import defines as _defines
from support.mutations.rust import hides as _hides
from support.mutations.rust import looks_alike as _looks_alike
from support.mutations.rust import mentions as _mentions


def _global(text: str, more: str = "") -> str:
    """Return a ``global_asm!`` of that text, as a raw string."""
    return f'core::arch::global_asm!(r##"\n{text}"##{more});\n'


def _file(id_: str, text: str, outcome: Outcome, *, part: Part = Part.ASSEMBLER, **more: Any) -> Mutation:  # noqa: ANN401 - fields of a row
    return Mutation(id=f"file: {id_}", part=part, text=text, outcome=outcome, **more)


_DEFINE = "#define mutant mutant{suffix}"
_LABELS = ".globl mutant\nmutant: ret\n"
_OTHER = 'pub extern "C" fn other() {}\n'
_LATER = "mutant: ret\n"

_NAMES = (
    _defines("asm: label", _global(_LABELS)),
    _defines("asm: lines as strings", 'core::arch::global_asm!(".globl mutant", "mutant:", "ret");\n'),
    _defines("asm: global", _global(_LABELS.replace(".globl", ".global"))),
    _defines("asm: weak", _global(_LABELS.replace(".globl", ".weak"))),
    _defines("asm: several globals", _global(".globl other_mutant, mutant\nmutant: other_mutant: ret\n")),
    _defines("asm: one line", _global(".globl mutant; mutant: ret\n")),
    _defines("asm: label behind a number", _global(".globl mutant\n1: mutant: ret\n")),
    _defines("asm: label behind a label", _global(".globl mutant\n.Lfirst: mutant: ret\n")),
    _defines("asm: space before the colon", _global(".globl mutant\nmutant : ret\n")),
    _defines("asm: global in another text", _global("mutant: ret\n") + _global(".globl mutant\n")),
    _defines("asm: set", _global(".globl mutant\nother_mutant: ret\n.set mutant, other_mutant\n")),
    _defines("asm: equ", _global(".globl mutant\n.equ mutant, 5\n")),
    _defines("asm: assignment", _global(".globl mutant\nmutant = 5\n")),
    _defines("asm: common", _global(".comm mutant, 8, 8\n")),
    _defines("asm: quoted everywhere", _global('.globl "mutant"\n"mutant": ret\n')),
    _defines("asm: quoted label", _global('.globl mutant\n"mutant": ret\n')),
    _defines("asm: quoted assignment", _global('.globl mutant\n"mutant" = 5\n')),
    _defines("asm: escaped quotes", 'core::arch::global_asm!(".globl \\"mutant\\"\\n\\"mutant\\": ret");\n'),
    _defines("asm: carriage return", 'core::arch::global_asm!(".globl mutant\\rnop\\rmutant: ret");\n'),
    _defines("asm: behind a character", _global(".byte '\"' ; .globl mutant ; .byte '\"'\nmutant: ret\n")),
    _defines("asm: concatenated name", 'core::arch::global_asm!(concat!(".globl ", "mu", "tant", "\\nmutant: ret"));\n'),
    _defines("asm: stringified name", 'core::arch::global_asm!(concat!(".globl ", stringify!(mutant), "\\n", stringify!(mutant), ": ret"));\n', spelled='concat!(stringify!(mutant), "{suffix}")'),
    _defines("asm: name by a macro", 'macro_rules! make { ($n:literal) => { core::arch::global_asm!(concat!(".globl ", $n, "\\n", $n, ": ret")); } }\nmake!("mutant");\n'),
    _defines("asm: macro by its name", 'use core::arch::global_asm;\nmacro_rules! each { ($m:ident) => { $m!(".globl mutant", "mutant: ret"); } }\neach!(global_asm);\n'),
    _defines("asm: comment in the call", 'core::arch::global_asm /* c */ ! /* d */ (".globl mutant", "mutant: ret");\n'),
    _defines("asm: raw name", 'core::arch::r#global_asm!(".globl mutant", "mutant: ret");\n'),
    _defines("asm: in a function", 'pub fn host() { unsafe { core::arch::asm!(".globl mutant", "mutant:") } }\n'),
    _defines("asm: in a naked function", '#[unsafe(naked)]\npub extern "C" fn host() { core::arch::naked_asm!(".globl mutant", "mutant:", "ret") }\n'),
    _defines("asm: AT&T syntax", _global(_LABELS, ", options(att_syntax)")),
    _defines("asm: raw text", _global(_LABELS, ", options(raw)")),
    _defines("asm: Windows's global", _global(".def mutant\n.scl 2\n.type 32\n.endef\nmutant: ret\n"), unproved="Windows only"),
    _defines("asm: macOS's name", _global(".private_extern _mutant\n_mutant: ret\n"), name="_mutant", spelled="_mutant{suffix}", unproved="macOS only"),
    _defines("asm: macOS's separator", _global("ret %% .globl mutant %% mutant: ret\n"), unproved="macOS only"),
)  # fmt: skip

_USES = (
    _mentions("asm: call", 'pub fn host() { unsafe { core::arch::asm!("call mutant") } }\n'),
    _mentions("asm: procedure linkage", 'pub fn host() { unsafe { core::arch::asm!("call mutant@PLT") } }\n'),
    _mentions("asm: memory operand", 'pub fn host() { unsafe { core::arch::asm!("mov rax, mutant@GOTPCREL[rip]") } }\n'),
    _mentions("asm: quoted operand", 'pub fn host() { unsafe { core::arch::asm!(r#"call "mutant""#) } }\n'),
    _mentions("asm: immediate", 'pub fn host() { unsafe { core::arch::asm!("movq $mutant, %rax", options(att_syntax)) } }\n'),
    _mentions("asm: data", _global(".quad mutant\n")),
    _mentions("asm: quoted data", _global('.quad "mutant"\n')),
    _mentions("asm: alias of another's name", _global(".set other_mutant, mutant\n.quad other_mutant\n")),
    _mentions("asm: global without a label", _global(".globl mutant\n")),
    _mentions("asm: weak import", _global(".weak mutant\n.quad mutant\n")),
)  # fmt: skip

_NOT_FOLLOWED = (
    _hides("asm: name of a constant", _global(".globl mutant{0}\nmutant{0}: ret\n", ", const 5"), "names what cannot be read as a name", name="mutant5"),
    _hides("asm: label of a symbol", 'extern "C" { fn mutant(); }\n' + _global(".globl mutant\n{0}: ret\n", ", sym mutant"), "a label that cannot be read"),
    _hides("asm: global of a symbol", 'extern "C" { fn mutant(); }\n' + _global(".globl {0}\nmutant: ret\n", ", sym mutant"), "names what cannot be read as a name"),
    _hides("asm: assignment to a symbol", 'extern "C" { fn mutant(); }\n' + _global(".globl mutant\n{0} = 5\n", ", sym mutant"), "a label that cannot be read"),
    _hides("asm: quoted name that is none", _global('.globl "mutant 1"\n"mutant 1": ret\n'), "cannot be read", name="mutant 1", unproved="nm's columns"),
    _hides("asm: symbol version", _global("other_mutant: ret\n.globl other_mutant\n.symver other_mutant, mutant@@V1\n"), ".symver", name="mutant@@V1"),
    _hides("asm: weak reference", _global(".weakref other_mutant, mutant\n.quad other_mutant\n"), ".weakref", use=Use.IMPORT),
    _hides("asm: assembler macro", _global(".macro make name\n.globl \\name\n\\name: ret\n.endm\nmake mutant\n"), ".macro"),
    _hides("asm: irp", _global(".irp name, mutant\n.globl \\name\n\\name: ret\n.endr\n"), ".irp"),
    _hides("asm: irpc", _global(".irpc char, t\n.globl mutan\\char\nmutan\\char: ret\n.endr\n"), ".irpc"),
    _hides("asm: rept", _global(".globl mutant\n.rept 1\nmutant: ret\n.endr\n"), ".rept"),
    _hides("asm: altmacro", _global(".altmacro\n.macro make name\n.globl name\nname: ret\n.endm\nmake mutant\n"), ".altmacro"),
    _hides("asm: include", _global('.include "mutant.inc"\n'), ".include", files={"src/mutant.inc": _LABELS}, unproved="it is looked for in the compiler's folder"),
    _hides("asm: text from a file", 'core::arch::global_asm!(include_str!("mutant.inc"));\n', "include_str! cannot be followed", files={"src/mutant.inc": _LABELS}),
    _hides("asm: text from the environment", 'core::arch::global_asm!(concat!(".globl mutant\\n", env!("MUTANT"), ": ret"));\n', "env! cannot be followed"),
    _hides("asm: text of tokens", "core::arch::global_asm!(stringify!(.globl mutant), stringify!(mutant: ret));\n", "a name that no suffix can be put behind"),
    _hides("asm: text by an unknown macro", 'core::arch::global_asm!(thirdparty::text!("mutant"));\n', "text! cannot be followed", unproved="a crate is needed"),
    _hides("asm: under another name", 'use core::arch::global_asm as assemble;\nassemble!(".globl mutant", "mutant: ret");\n', "global_asm is given another name"),
    _hides("asm: section with a linker's name", _global('.section mutant,"a"\n.byte 1\n'), "makes names of sections", unproved="the linker makes names of sections"),
    _hides("asm: section pushed", _global('.pushsection mutant,"a"\n.byte 1\n.popsection\n'), "makes names of sections", unproved="the linker makes names of sections"),
    _hides("asm: unique object", _global(".type mutant, @gnu_unique_object\nmutant: .byte 1\n"), "gnu_unique_object"),
    _hides("asm: behind a string of lines", _global('.ascii "one\n two"; .globl mutant; mutant: .ascii "three"\n'), "a string that does not end on its line"),
    _hides("asm: comment in a comment", _global(".globl mutant\nnop # /*\nmutant: ret\nnop # */\n"), "a comment"),
    _hides("asm: directive that is not known", _global(".mutate mutant\n"), ".mutate is not known", unproved="no assembler knows it"),
    _hides("asm: macOS's zerofill", _global(".globl _mutant\n.zerofill __DATA,__bss,_mutant,8,3\n"), ".zerofill", unproved="macOS only"),
    _hides("asm: for macOS's linker", _global('.linker_option "-alias", "_other", "_mutant"\n'), ".linker_option", unproved="macOS only"),
    _hides("asm: for Windows's linker", _global('.section .drectve,"yn"\n.ascii " -export:mutant"\n'), "linker", unproved="Windows only"),
)  # fmt: skip

_LOOK_ALIKES = (
    _looks_alike("asm: local label", _global("mutant: ret\n")),
    _looks_alike("asm: labels for the text alone", _global("1: jmp 1b\n.Lmutant: jmp .Lmutant\n")),
    _looks_alike("asm: in comments", _global("// .globl mutant\n/* mutant: .globl mutant */\n# .globl mutant\nmutant: ret // .globl mutant\n")),
    _looks_alike("asm: in a string", _global('.section .rodata\n.ascii "mutant: .globl mutant"\nmutant: ret\n')),
    _looks_alike("asm: hidden only", _global(".hidden mutant\n.type mutant, @function\nmutant: ret\n.size mutant, .-mutant\n")),
    _looks_alike("asm: operands", 'pub fn host(x: u8) { unsafe { core::arch::asm!("mov {0}, {0}", "jmp 2f", "2:", in(reg_byte) x) } }\n'),
    _looks_alike("asm: data from a file", _global('.section .rodata\n.incbin "/dev/null"\n')),
    _looks_alike("asm: usual sections", _global('.section .text.mutant,"ax",@progbits\n.section .note.GNU-stack,"",@progbits\n.text\n')),
    _looks_alike("asm: unwinding", _global(".cfi_startproc simple\n.cfi_def_cfa_offset 0\n.cfi_escape 0x0f, 5, 0x77\n.cfi_endproc\n"), unproved="nothing to assemble"),
)  # fmt: skip

_FILES = (
    _file("label", _LABELS, Outcome.SUFFIXED, spelled=_DEFINE),
    _file("weak", _LABELS.replace(".globl", ".weak"), Outcome.SUFFIXED, spelled=_DEFINE),
    _file("common", ".comm mutant,8,8\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("label behind a number", ".globl mutant\n1: mutant: ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("name by a define", "#define NAME mutant\n.globl NAME\nNAME: ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("name by a macro", "#define ENTRY(n) .globl n ; n:\nENTRY(mutant) ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("name that is pasted", "#define ENTRY(n) .globl n##tant ; n##tant:\nENTRY(mu) ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("macro of an own header", '#include "mutant.h"\nENTRY(mutant) ret\n', Outcome.SUFFIXED, spelled=_DEFINE, files={"src/mutant.h": "#define ENTRY(n) .globl n ; n:\n"}),
    _file("name over two lines", ".globl mu\\\ntant\nmu\\\ntant: ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("directive by a define", "#define GLOBL .globl\nGLOBL mutant\nmutant: ret\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("double assignment", ".globl mutant\nmutant == 5\n", Outcome.SUFFIXED, spelled=_DEFINE),
    _file("call", "other_mutant: call mutant\n", Outcome.SUFFIXED, use=Use.MENTION, spelled=_DEFINE),
    _file("immediate", "movq $mutant, %rax\n", Outcome.SUFFIXED, use=Use.MENTION, spelled=_DEFINE),
    _file("behind a character", ".byte '\" ; .globl mutant ; .byte '\"\nmutant: ret\n", Outcome.REPORTED, says="in quotes"),
    _file("name beyond ASCII", ".globl mütant\nmütant: ret\n", Outcome.REPORTED, name="mütant", says="is no name that a suffix can be put behind"),
    _file("assembler macro in upper case", ".MACRO make name\n.globl \\name\n\\name: ret\n.ENDM\nmake mutant\n", Outcome.REPORTED, says=".macro"),
    _file("quoted name", '.globl mutant\n"mutant": ret\n', Outcome.REPORTED, says="in quotes"),
    _file("quoted call", 'call "mutant"\n', Outcome.REPORTED, use=Use.MENTION, says="in quotes"),
    _file("macro from elsewhere", "#include <mutant/asm.h>\nENTRY(mutant)\nret\n", Outcome.REPORTED, says="ENTRY", unproved="a header is needed"),
    _file("directive from elsewhere", "#include <mutant/asm.h>\nGLOBL mutant\nmutant: ret\n", Outcome.REPORTED, says="is not there", unproved="a header is needed"),
    _file("assembler macro", ".macro make name\n.globl \\name\n\\name: ret\n.endm\nmake mutant\n", Outcome.REPORTED, says=".macro"),
    _file("name with a dot", ".globl mutant.x\nmutant.x: ret\n", Outcome.REPORTED, name="mutant.x", says="is no name that a suffix can be put behind"),
    _file("symbol version", ".globl other_mutant\nother_mutant: ret\n.symver other_mutant, mutant@@V1\n", Outcome.REPORTED, says=".symver", name="mutant@@V1"),
    _file("assembler's include", '.include "src/mutant.inc"\n', Outcome.REPORTED, says=".include", files={"src/mutant.inc": _LABELS}),
    _file("computed include", "#define FILE <mutant.inc>\n#include FILE\n", Outcome.REPORTED, says="is made by a macro", files={"src/mutant.inc": _LABELS}, flags=("-Isrc",)),
    _file("without a preprocessor", _LABELS, Outcome.REPORTED, part=Part.PLAIN, says="is not preprocessed"),
    _file("without a preprocessor, a define", "# define mutant other\n" + _LABELS, Outcome.REPORTED, part=Part.PLAIN, says="is not preprocessed"),
    _file("without a preprocessor, a call", "call mutant\n", Outcome.REPORTED, part=Part.PLAIN, use=Use.MENTION, says="is not preprocessed"),
    _file("without a preprocessor, comment in a comment", ".globl mutant\nnop # /*\nmutant: ret\nnop # */\n", Outcome.REPORTED, part=Part.PLAIN),
    _file("local labels", "mutant: ret\n.hidden mutant\n", Outcome.CLEAN),
    _file("comments", "/* .globl mutant\nmutant: */\n// mutant:\nmutant: ret\n", Outcome.CLEAN),
)  # fmt: skip

ROWS: tuple[Mutation, ...] = (*_NAMES, *_USES, *_NOT_FOLLOWED, *_LOOK_ALIKES, *_FILES)
