"""Names that macros make: by example, by paste, under other names, by procedures, from outside."""

from __future__ import annotations

from support.mutations.model import Mutation, Part, Use
from support.mutations.rust import defines as _defines
from support.mutations.rust import hides as _hides
from support.mutations.rust import imports as _imports
from support.mutations.rust import looks_alike as _looks_alike

_MAKE = 'macro_rules! make { ($n:ident) => { #[no_mangle] pub extern "C" fn $n() {} } }\n'
_CALLS = "pub fn host() { unsafe { mutant() } }\n"
_NAMED = 'concat!(stringify!($n), "{suffix}")'

_BY_EXAMPLE = (
    _defines("macro: a name", f"{_MAKE}make!(mutant);\n", spelled=_NAMED),
    _hides(
        "macro: a meta", 'macro_rules! make { ($a:meta) => { #[$a] pub extern "C" fn mutant() {} } }\nmake!(no_mangle);\n',
        "is not written beside its item",
    ),
    _hides(
        "macro: a meta with unsafe",
        'macro_rules! make { ($a:meta) => { #[$a] pub extern "C" fn mutant() {} } }\nmake!(unsafe(no_mangle));\n',
        "is not written beside its item",
    ),
    _defines(
        "macro: attributes in a row",
        'macro_rules! make { ($(#[$a:meta])* $n:ident) => { $(#[$a])* pub extern "C" fn $n() {} } }\n'
        "make!(#[inline(never)] #[no_mangle] mutant);\n",
    ),
    _hides(
        "macro: an attribute of tokens",
        'macro_rules! make { ($($a:tt)*) => { #[$($a)*] pub extern "C" fn mutant() {} } }\nmake!(cfg_attr(all(), no_mangle));\n',
        "is not written beside its item",
    ),
    _hides(
        "macro: a whole attribute of tokens",
        'macro_rules! make { ($($a:tt)*) => { $($a)* pub extern "C" fn mutant() {} } }\nmake!(#[no_mangle]);\n',
        "is not written beside its item",
    ),
    _hides(
        "macro: an identifier as attribute",
        'macro_rules! make { ($a:ident) => { #[$a] pub extern "C" fn mutant() {} } }\nmake!(no_mangle);\n',
        "is not written beside its item",
    ),
    _hides(
        "macro: a literal name",
        'macro_rules! make { ($n:literal) => { #[export_name = $n] pub extern "C" fn other() {} } }\nmake!("mutant");\n',
        "is an argument of a macro",
    ),
    _defines(
        "macro: an expression as name",
        'macro_rules! make { ($n:expr) => { #[export_name = $n] pub extern "C" fn other() {} } }\nmake!(concat!("mu", "tant"));\n',
        spelled='concat!(concat!("mu", "tant"), "{suffix}")',
    ),
    _defines("macro: items that pass through", 'macro_rules! pass { ($($i:item)*) => { $($i)* } }\npass! { #[no_mangle] pub extern "C" fn mutant() {} }\n'),
    _defines("macro: an item with a value in braces", "macro_rules! pass { ($($i:item)*) => { $($i)* } }\npass! { pub static HOST: core::ops::Range<u8> = core::ops::Range { start: 1, end: 2 }; #[no_mangle] pub static mutant: u8 = 1; }\n"),
    _defines("macro: one item at a time", "macro_rules! eat { ($i:item $($t:tt)*) => { $i eat!($($t)*); }; () => {} }\neat! { use core::ops::{Add}; #[no_mangle] pub static mutant: u8 = 1; }\n"),
    _defines("macro: a muncher", 'macro_rules! munch { ($n:ident $($r:tt)*) => { #[no_mangle] pub extern "C" fn $n() {} munch!($($r)*); }; () => {} }\nmunch!(mutant_other mutant);\n', spelled=_NAMED),
    _hides("macro: that hands its own words on", 'macro_rules! make { (@go $($t:tt)*) => { $($t)* }; ($n:ident) => { make!(@go #[no_mangle] pub extern "C" fn $n() {}); } }\nmake!(mutant);\n', "goes through its macro more than once"),
    _defines("macro: an internal rule", 'macro_rules! make { (@go $n:ident) => { #[no_mangle] pub extern "C" fn $n() {} }; ($n:ident) => { make!(@go $n); } }\nmake!(mutant);\n', spelled=_NAMED),
    _defines("macro: repetitions in repetitions", 'macro_rules! make { ($($m:ident { $($n:ident),* })*) => { $(pub mod $m { $(#[no_mangle] pub extern "C" fn $n() {})* })* } }\nmake!(one { mutant, mutant_other } two {});\n', spelled=_NAMED),
    _defines("macro: a list for another macro", f"{_MAKE}macro_rules! each {{ ($m:ident) => {{ $m!(mutant); }} }}\neach!(make);\n", spelled=_NAMED),
    _defines("macro: given by its path", f"{_MAKE}pub mod inner {{ pub(crate) use make as make; }}\nmacro_rules! each {{ ($($m:tt)*) => {{ $($m)*!(mutant); }} }}\neach!(inner::make);\n", spelled=_NAMED),
    _defines("macro: in another macro's argument", f"{_MAKE}pub fn host() -> usize {{ vec![{{ make!(mutant); 1 }}].len() }}\n", spelled=_NAMED),
    _defines("macro: in a format string's argument", 'pub fn host() -> String { format!("{}", { #[no_mangle] extern "C" fn mutant() {} 1 }) }\n'),
    _defines("macro: through a re-export", f"pub mod inner {{ {_MAKE}\npub(crate) use make; }}\ninner::make!(mutant);\n", spelled=_NAMED),
    _defines("macro: with a raw name at its call", f"{_MAKE}r#make!(mutant);\n", spelled=_NAMED),
    _defines("macro: with a raw name at its definition", f"{_MAKE.replace('make', 'r#make')}make!(mutant);\n", spelled=_NAMED),
    _defines("macro: with a comment at its call", f"{_MAKE}make /* c */ ! /* d */ (mutant);\n", spelled=_NAMED),
    _defines("macro: with a comment at its definition", 'macro_rules /* c */ ! make { () => { #[no_mangle] pub extern "C" fn mutant() {} } }\nmake!();\n'),
    _defines("macro: of another crate", "wasmtime_environ::mutant_make!(mutant);\n", also={Part.ENVIRON: "#[macro_export]\n" + _MAKE.replace("make", "mutant_make")}, at="{environ}/src/lib.rs", spelled=_NAMED, unproved="two crates"),
    _defines(
        "macro: of another crate, beside one of that name",
        "macro_rules! mutant_make { ($n:ident) => {} }\nwasmtime_environ::mutant_make!(mutant);\n",
        also={Part.ENVIRON: "#[macro_export]\n" + _MAKE.replace("make", "mutant_make")}, at="{environ}/src/lib.rs", spelled=_NAMED, unproved="two crates",
    ),
    _defines(
        "macro: used from another crate, beside one of that name",
        "pub mod inner { macro_rules! mutant_make { ($n:ident) => {} } }\nuse wasmtime_environ::mutant_make;\nmutant_make!(mutant);\n",
        also={Part.ENVIRON: "#[macro_export]\n" + _MAKE.replace("make", "mutant_make")}, at="{environ}/src/lib.rs", spelled=_NAMED, unproved="two crates",
    ),
    _defines("macro: cfg_if", 'cfg_if::cfg_if! { if #[cfg(all())] { #[no_mangle] pub extern "C" fn mutant() {} } else {} }\n', unproved="a crate is needed"),
    _defines("macro: cfg_select", 'core::cfg_select! { all() => { #[no_mangle] pub extern "C" fn mutant() {} } _ => {} }\n'),
    _hides("macro: cfg_match", 'core::cfg_match! { unix => { #[no_mangle] pub extern "C" fn mutant() {} } }\n', "cfg_match! comes from elsewhere", unproved="the compiler dropped it"),
    _hides("macro: that defines a macro", 'macro_rules! outer { ($n:ident) => { macro_rules! inner { () => { #[no_mangle] pub extern "C" fn $n() {} } } } }\nouter!(mutant);\ninner!();\n', "outer! defines inner!"),
    _hides("macro: under another name", f"pub mod inner {{ {_MAKE}\npub(crate) use make as other; }}\ninner::other!(mutant);\n", "make is given another name"),
    _hides("macro: that only others call", '#[macro_export]\nmacro_rules! mutant_make { () => { #[no_mangle] pub extern "C" fn mutant() {} } }\n', "mutant_make! makes a name where others call it", unproved="nobody calls it"),
    _hides("macro: of the second kind", 'macro make($n:ident) { #[no_mangle] pub extern "C" fn $n() {} }\nmake!(mutant);\n', "", crate="#![feature(decl_macro)]"),
    _hides("macro: of the second kind, with imports", f'macro make($n:ident) {{ extern "C" {{ fn $n(); }} }}\nmake!(mutant);\n{_CALLS}', "", use=Use.IMPORT, crate="#![feature(decl_macro)]", unproved="hygiene hides the name"),
    _hides("macro: that pastes by itself", 'macro_rules! make { ($n:ident) => { #[no_mangle] pub extern "C" fn ${concat($n, tant)}() {} } }\nmake!(mu);\n', "stands on no item that can be read", crate="#![feature(macro_metavar_expr_concat)]"),
    _hides("macro: attribute on a call", '#[no_mangle]\nmutant_make!();\nmacro_rules! mutant_make { () => { pub extern "C" fn mutant() {} } }\n', "stands on no item that can be read", unproved="the compiler passes over it"),
    _hides("macro: grows without end", 'macro_rules! make { ($($t:tt)*) => { #[no_mangle] pub extern "C" fn mutant() {} make!($($t)* $($t)* $($t)*); } }\nmake!(a b);\n', "make! ", unproved="it does not end"),
    _looks_alike("macro: that nobody calls", "#[allow(unused_macros)]\n" + _MAKE),
    _looks_alike("macro: whose other arm makes a name", 'macro_rules! make { (no) => {}; ($n:ident) => { #[no_mangle] pub extern "C" fn $n() {} } }\nmake!(no);\n'),
)  # fmt: skip

_BLOCKS = (
    _imports("macro: in a foreign block", f'macro_rules! mutant_import {{ ($n:ident) => {{ fn $n(); }} }}\nextern "C" {{ mutant_import!(mutant); }}\n{_CALLS}', spelled='concat!(stringify!($n), "{suffix}")'),
    _imports("macro: a whole foreign block", f'macro_rules! mutant_import {{ ($n:ident) => {{ extern "C" {{ fn $n(); }} }} }}\nmutant_import!(mutant);\n{_CALLS}', spelled='concat!(stringify!($n), "{suffix}")'),
    _imports("macro: ABI as parameter", f'macro_rules! mutant_import {{ ($abi:literal $n:ident) => {{ extern $abi {{ fn $n(); }} }} }}\nmutant_import!("C" mutant);\n{_CALLS}', spelled='concat!(stringify!($n), "{suffix}")'),
    _imports("macro: the items of a foreign block", f'macro_rules! mutant_import {{ ($($t:tt)*) => {{ extern "C" {{ $($t)* }} }} }}\nmutant_import! {{ fn mutant(); }}\n{_CALLS}'),
    _imports("macro: the words of a foreign block", f'macro_rules! mutant_block {{ ($($t:tt)*) => {{ $($t)* {{ fn mutant(); }} }} }}\nmutant_block!(unsafe extern "C");\n{_CALLS}'),
    _imports("macro: the word extern", f'macro_rules! mutant_block {{ ($e:ident $abi:literal) => {{ unsafe $e $abi {{ fn mutant(); }} }} }}\nmutant_block!(extern "C");\n{_CALLS}'),
    _hides("macro: a foreign name that is pasted", f'macro_rules! mutant_import {{ ($n:ident) => {{ extern "C" {{ fn ${{concat($n, tant)}}(); }} }} }}\nmutant_import!(mu);\n{_CALLS}', "a foreign item whose name cannot be read", use=Use.IMPORT, crate="#![feature(macro_metavar_expr_concat)]"),
    _hides("macro: an unknown one in a foreign block", 'extern "C" { thirdparty::mutant_import!(mutant); }\n', "mutant_import!", use=Use.IMPORT, unproved="a crate is needed"),
)  # fmt: skip

_PASTE = (
    _defines("paste", 'paste::paste! { #[no_mangle] pub extern "C" fn [<mu tant>]() {} }\n', spelled='"mutant{suffix}"', unproved="a crate is needed"),
    _defines("paste of a parameter", 'macro_rules! make { ($n:ident) => { paste::paste! { #[no_mangle] pub extern "C" fn [<mu $n>]() {} } } }\nmake!(tant);\n', spelled='concat!("mu", stringify!($n), "{suffix}")', unproved="a crate is needed"),
    _hides("paste of an attribute", 'paste::paste! { #[[<no_ mangle>]] pub extern "C" fn mutant() {} }\n', "is not written out", unproved="a crate is needed"),
    _imports("paste of a foreign item", 'paste::paste! { extern "C" { fn [<mu tant>](); } }\n', spelled='"mutant{suffix}"', unproved="a crate is needed"),
    _hides("paste of an environment variable", 'paste::paste! { #[no_mangle] pub extern "C" fn [<env!("MUTANT")>]() {} }\n', "stands on no item that can be read", unproved="a crate is needed"),
    _hides("paste under another name", 'use paste::paste as glue;\nglue! { #[no_mangle] pub extern "C" fn [<mu tant>]() {} }\n', "", unproved="a crate is needed"),
    _hides("paste of another crate", 'pastey::paste_item! { #[no_mangle] pub extern "C" fn [<mu tant>]() {} }\n', "paste_item! comes from elsewhere", unproved="a crate is needed"),
)  # fmt: skip

_OUTSIDE = (
    _hides("outside: a macro that is given an attribute", 'thirdparty::export! { #[no_mangle] pub extern "C" fn mutant() {} }\n', "export!", unproved="a crate is needed"),
    _hides("outside: a macro that is given a name", "thirdparty::export!(mutant);\n", "export!", unproved="a crate is needed"),
    _hides("outside: a macro in a macro", "macro_rules! make { ($n:ident) => { thirdparty::export!($n); } }\nmake!(mutant);\n", "export!", unproved="a crate is needed"),
    _hides("outside: a macro as an argument", "pub fn host() -> Vec<u8> { vec![thirdparty::export!(mutant)] }\n", "export!", unproved="a crate is needed"),
    _hides("outside: an attribute", "#[ctor::ctor]\nfn mutant() {}\n", "#[ctor]", unproved="a crate is needed"),
    _hides("outside: an attribute by cfg_attr", "#[cfg_attr(all(), inline, linkme::distributed_slice(MUTANTS))]\nstatic MUTANT: u8 = 1;\n", "#[distributed_slice]", unproved="a crate is needed"),
    _hides("outside: an attribute of a module", "#[cxx::bridge]\nmod mutant { }\n", "#[bridge]", unproved="a crate is needed"),
    _hides("outside: an attribute by a macro", "macro_rules! make { ($($a:tt)*) => { $($a)* fn mutant() {} } }\nmake!(#[ctor::ctor]);\n", "#[ctor]", unproved="a crate is needed"),
    _hides("outside: a derive", "#[derive(Clone, thirdparty::Export)]\npub struct Mutant;\n", "derive(Export)", unproved="a crate is needed"),
    _hides("outside: a harmless name for something else", "use thirdparty::export as async_trait;\n#[async_trait]\nfn mutant() {}\n", "async_trait", unproved="a crate is needed"),
    _looks_alike("outside: macros that are known", '#[derive(Clone, serde_derive::Serialize)]\npub struct Mutant;\npub fn mutant() { log::debug!("{}", smallvec::smallvec![1].len()); }\n', unproved="a crate is needed"),
    _looks_alike("outside: a macro of tests", "#[cfg(test)]\nmod mutants { thirdparty::export!(mutant); #[ctor::ctor] fn x() {} }\n"),
)  # fmt: skip

_QUOTES = '    "#[no_mangle] pub extern \\"C\\" fn mutant() {}".parse().unwrap()\n'
_PROCEDURES = (
    _hides("procedure: an attribute", "#[wasmtime_mutant_macros::mutate]\npub fn mutant() {}\n", "#[mutate]", also={Part.MACROS: "#[proc_macro_attribute]\npub fn mutate(_: TokenStream, item: TokenStream) -> TokenStream {\n    quote::quote! { #[no_mangle] #item }.into()\n}\n"}, unproved="two crates"),
    _hides("procedure: a derive", "#[derive(wasmtime_mutant_macros::Mutate)]\npub struct Mutant;\n", "#[Mutate]", also={Part.MACROS: '#[proc_macro_derive(Mutate)]\npub fn derive(_: TokenStream) -> TokenStream {\n    quote::quote! { #[export_name = "mutant"] extern "C" fn x() {} }.into()\n}\n'}, unproved="two crates"),
    _hides("procedure: a call", "wasmtime_mutant_macros::mutate!(mutant);\n", "mutate!", also={Part.MACROS: "#[proc_macro]\npub fn mutate(item: TokenStream) -> TokenStream {\n    quote::quote! { #[no_mangle] fn #item() {} }.into()\n}\n"}, unproved="two crates"),
    _hides("procedure: imports", "wasmtime_mutant_macros::mutate!(mutant);\n", "mutate!", use=Use.IMPORT, also={Part.MACROS: '#[proc_macro]\npub fn mutate(item: TokenStream) -> TokenStream {\n    quote::quote! { extern "C" { fn #item(); } }.into()\n}\n'}, unproved="two crates"),
    _hides("procedure: code in a string", "wasmtime_mutant_macros::mutate!();\n", "writes code that makes a link-time name", at="{macros}/src/lib.rs", also={Part.MACROS: f"#[proc_macro]\npub fn mutate(_: TokenStream) -> TokenStream {{\n{_QUOTES}}}\n"}, unproved="two crates"),
    _hides("procedure: imports in a string", "wasmtime_mutant_macros::mutate!();\n", "writes code that makes a link-time name", use=Use.IMPORT, at="{macros}/src/lib.rs", also={Part.MACROS: '#[proc_macro]\npub fn mutate(_: TokenStream) -> TokenStream {\n    "extern \\"C\\" { fn mutant(); }".parse().unwrap()\n}\n'}, unproved="two crates"),
    _hides("procedure: in a module", "wasmtime_mutant_macros::mutate!(mutant);\n", "mutate!", also={Part.MACROS: "mod more;\n#[proc_macro]\npub fn mutate(item: TokenStream) -> TokenStream {\n    more::go(item)\n}\n"}, files={"{macros}/src/more.rs": "pub fn go(item: TokenStream) -> TokenStream {\n    quote::quote! { #[no_mangle] fn #item() {} }.into()\n}\n"}, unproved="two crates"),
    _looks_alike("procedure: that makes none", "wasmtime_mutant_macros::harmless!(mutant);\n", unproved="two crates"),
)  # fmt: skip

ROWS: tuple[Mutation, ...] = (*_BY_EXAMPLE, *_BLOCKS, *_PASTE, *_OUTSIDE, *_PROCEDURES)
