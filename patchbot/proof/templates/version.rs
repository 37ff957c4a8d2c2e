//! What one wasmtime has to do in the proof. Written by patchbot from its template: edit that.

use crate::{block_on, expect, Check, Once};
use std::sync::{Arc, Mutex, OnceLock};
use @LIBRARY@ as wasmtime;
use wasmtime::{Config, Engine, Func, Instance, Module, Store, Trap, Val};

const PLAIN: &str = r#"
    (module
      (memory (export "memory") 1 4)
      (table $t 2 10 funcref)
      (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1)))
      (func (export "grow-memory") (result i32)
        (drop (memory.grow (i32.const 1)))
        (i32.store (i32.const 0x10000) (i32.const 7))
        (i32.add (i32.mul (memory.size) (i32.const 10)) (i32.load (i32.const 0x10000))))
      (func (export "grow-table") (result i32)
        (drop (table.grow $t (ref.null func) (i32.const 3)))
        (table.copy (i32.const 0) (i32.const 1) (i32.const 2))
        (table.size $t))
      (func (export "fill-memory") (result i32)
        (memory.fill (i32.const 8) (i32.const 5) (i32.const 4))
        (memory.copy (i32.const 16) (i32.const 8) (i32.const 4))
        (i32.load8_u (i32.const 19)))
      (func (export "unreachable") (result i32) unreachable)
      (func (export "out-of-bounds") (result i32) (i32.load (i32.const 0x7fff0000)))
      (func (export "divide") (result i32) (i32.div_s (i32.const 1) (i32.const 0))))
"#;

/// What goes through a libcall of its own in releases that have trampolines for them (0.40 to 19).
const LIBCALLS: &str = r#"
    (module
      (type $number (func (result i32)))
      (memory 1 4)
      (table $f 8 20 funcref)
      (table $e 2 10 externref)
      (global $g (mut externref) (ref.null extern))
      (func $nine (result i32) (i32.const 9))
      (elem $names func $nine $nine)
      (data $bytes "\01\02\03\04")
      (func (export "init-table") (result i32)
        (table.init $f $names (i32.const 1) (i32.const 0) (i32.const 2))
        (elem.drop $names)
        (call_indirect $f (type $number) (i32.const 2)))
      (func (export "fill-table") (result i32)
        (table.fill $f (i32.const 3) (ref.func $nine) (i32.const 2))
        (drop (table.grow $f (table.get $f (i32.const 4)) (i32.const 2)))
        (i32.add (table.size $f) (call_indirect $f (type $number) (i32.const 9))))
      (func (export "init-memory") (result i32)
        (memory.init $bytes (i32.const 100) (i32.const 1) (i32.const 2))
        (data.drop $bytes)
        (i32.load16_u (i32.const 100)))
      (func (export "externref") (result i32)
        (global.set $g (ref.null extern))
        (drop (table.grow $e (global.get $g) (i32.const 3)))
        (table.fill $e (i32.const 0) (global.get $g) (i32.const 5))
        (i32.add (table.size $e) (ref.is_null (table.get $e (i32.const 4)))))
      (func (export "data-dropped") (result i32)
        (data.drop $bytes)
        (memory.init $bytes (i32.const 100) (i32.const 0) (i32.const 1))
        (i32.const 0)))
"#;

const SHARED: &str = r#"
    (module
      (memory 1 1 shared)
      (func (export "atomics") (result i32)
        (i32.add
          (i32.mul (i32.const 10) (memory.atomic.wait32 (i32.const 0) (i32.const 7) (i64.const 1)))
          (i32.add
            (i32.mul (i32.const 100) (memory.atomic.wait64 (i32.const 8) (i64.const 0) (i64.const 1)))
            (memory.atomic.notify (i32.const 0) (i32.const 1))))))
"#;

const NESTED: &str = r#"
    (module
      (import "" "inner" (func $inner))
      (func (export "outer") (result i32)
        (call $inner)
        (i32.div_s (i32.const 1) (i32.const 0))))
"#;

const ON_FIBER: &str = r#"
    (module
      (import "" "host" (func $host (param i32) (result i32)))
      (func (export "run") (result i32)
        (i32.add (call $host (i32.const 20)) (call $host (i32.const 20)))))
"#;

/// The checks of this version; given `true`, each must fail, or it proves nothing.
pub const CHECKS: &[Check] = &[
    ("call", |twin| expect(plain("add", &[40, 2])?, if twin { 41 } else { 42 })),
    ("memory.grow", |twin| expect(plain("grow-memory", &[])?, if twin { 17 } else { 27 })),
    ("table.grow", |twin| expect(plain("grow-table", &[])?, if twin { 2 } else { 5 })),
    ("memory.fill", |twin| expect(plain("fill-memory", &[])?, if twin { 0 } else { 5 })),
    ("table.init", |twin| expect(libcall("init-table")?, if twin { 0 } else { 9 })),
    ("table.fill", |twin| expect(libcall("fill-table")?, if twin { 17 } else { 19 })),
    ("memory.init", |twin| expect(libcall("init-memory")?, if twin { 0x0201 } else { 0x0302 })),
    ("externref", |twin| expect(libcall("externref")?, if twin { 5 } else { 6 })),
    @REFERENCES@
    ("data.drop", |twin| {
        let found = trap_in(&lean(), LIBCALLS, "data-dropped")?;
        expect(found, name(twin, "MemoryOutOfBounds"))
    }),
    // waits that end at once: 1 is "not equal", 2 is "timed out"
    ("atomics", |twin| expect(atomics()?.as_str(), if twin { "0" } else { @ATOMICS@ })),
    ("fuel", |twin| expect(stopped(lean().consume_fuel(true))?.contains("fuel"), !twin)),
    ("epoch", |twin| expect(stopped(lean().epoch_interruption(true))?.contains("interrupt"), !twin)),
    ("trap: unreachable", |twin| expect(trap("unreachable")?, name(twin, "UnreachableCodeReached"))),
    // with the guard pages that users have: here it is a signal
    ("trap: out of bounds", |twin| {
        expect(trap_in(&Config::new(), PLAIN, "out-of-bounds")?, name(twin, "MemoryOutOfBounds"))
    }),
    ("trap: division", |twin| expect(trap("divide")?, name(twin, "IntegerDivisionByZero"))),
    ("async host call", |twin| expect(on_fiber()?, if twin { (42, 1) } else { (42, 3) })),
    ("serialize", |twin| {
        let bytes = if twin { vec![0; 64] } else { artifact()? };
        expect(load(&bytes), Ok(42))
    }),
];

fn name(twin: bool, right: &str) -> String {
    if twin { "StackOverflow" } else { right }.to_string()
}

/// A configuration whose memories take no address space: gigabytes of it cost an emulator gigabytes of tables.
fn lean() -> Config {
    let mut config = Config::new();
    @LEAN@
    config
}

fn engine() -> Result<Engine, String> {
    Engine::new(&lean()).map_err(|e| e.to_string())
}

fn compiled_once(place: &OnceLock<Result<Module, String>>, wat: &str) -> Result<Module, String> {
    place.get_or_init(|| Module::new(&engine()?, wat).map_err(|e| e.to_string())).clone()
}

fn start(store: &mut Store<()>, wat: &str) -> Result<Instance, String> {
    let module = Module::new(store.engine(), wat).map_err(|e| e.to_string())?;
    Instance::new(store, &module, &[]).map_err(|e| e.to_string())
}

fn plain(export: &str, arguments: &[i32]) -> Result<i32, String> {
    called(&lean(), PLAIN, export, arguments)
}

fn libcall(export: &str) -> Result<i32, String> {
    called(&lean(), LIBCALLS, export, &[])
}

fn atomics() -> Result<String, String> {
    let mut config = Config::new(); // a shared memory cannot move, so its address space is taken at once
    config.wasm_threads(true);
    @SHARED_MEMORY@
    let number = called(&config, SHARED, "atomics", &[]);
    number.map(|number| number.to_string()).or_else(|_| trap_in(&config, SHARED, "atomics"))
}

fn called(config: &Config, wat: &str, export: &str, arguments: &[i32]) -> Result<i32, String> {
    let mut store = Store::new(&Engine::new(config).map_err(|e| e.to_string())?, ());
    let instance = start(&mut store, wat)?;
    let arguments: Vec<_> = arguments.iter().map(|n| Val::I32(*n)).collect();
    let mut results = [Val::I32(0)];
    let function = instance.get_func(&mut store, export).ok_or("no such export")?;
    function.call(&mut store, &arguments, &mut results).map_err(|e| e.to_string())?;
    Ok(results[0].unwrap_i32())
}

/// What a call says that may not go on: there is no fuel, and the epoch is over.
fn stopped(config: &Config) -> Result<String, String> {
    let engine = Engine::new(config).map_err(|e| e.to_string())?;
    let mut store = Store::new(&engine, ());
    let instance = start(&mut store, PLAIN)?;
    store.set_epoch_deadline(1);
    engine.increment_epoch();
    let function = instance.get_func(&mut store, "add").ok_or("no such export")?;
    match function.call(&mut store, &[Val::I32(40), Val::I32(2)], &mut [Val::I32(0)]) {
        Ok(()) => Ok("nothing".to_string()),
        Err(error) => Ok(format!("{error:?}")),
    }
}

/// The trap that an export ends in, as this version's own type tells it.
fn trap(export: &str) -> Result<String, String> {
    trap_in(&lean(), PLAIN, export)
}

fn trap_in(config: &Config, wat: &str, export: &str) -> Result<String, String> {
    let mut store = Store::new(&Engine::new(config).map_err(|e| e.to_string())?, ());
    let instance = start(&mut store, wat)?;
    caught(&mut store, &instance, export)
}

fn caught(store: &mut Store<()>, instance: &Instance, export: &str) -> Result<String, String> {
    let function = instance.get_func(&mut *store, export).ok_or("no such export")?;
    match function.call(&mut *store, &[], &mut [Val::I32(0)]) {
        Ok(()) => Err("did not trap".to_string()),
        Err(error) => match error.downcast_ref::<Trap>().@TRAP_CODE@ {
            Some(trap) => Ok(format!("{trap:?}")),
            None => Err(format!("caught something that is no trap of this version: {error:?}")),
        },
    }
}

/// Who catches what, when another version traps below a host call of this one.
pub fn nested(inner: fn() -> String) -> Result<String, String> {
    static COMPILED: OnceLock<Result<Module, String>> = OnceLock::new();
    let module = compiled_once(&COMPILED, NESTED)?;
    let mut store = Store::new(module.engine(), ());
    let seen = Arc::new(Mutex::new(String::new()));
    let below = seen.clone();
    let host = Func::wrap(&mut store, move || *below.lock().unwrap() = inner());
    let instance = Instance::new(&mut store, &module, &[host.into()]).map_err(|e| e.to_string())?;
    let outer = caught(&mut store, &instance, "outer")?;
    let inner = seen.lock().unwrap().clone();
    Ok(format!("{inner}, then {outer}"))
}

/// Trap in this version, and say who caught it.  All threads share one module, which is compiled once.
pub fn trapping() -> String {
    static COMPILED: OnceLock<Result<Module, String>> = OnceLock::new();
    let caught = compiled_once(&COMPILED, PLAIN).and_then(|module| {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, &module, &[]).map_err(|e| e.to_string())?;
        caught(&mut store, &instance, "unreachable")
    });
    caught.unwrap_or_else(|problem| problem)
}

fn on_fiber() -> Result<(i32, u32), String> {
    let mut config = lean();
    #[allow(deprecated)]
    config.async_support(true);
    let engine = Engine::new(&config).map_err(|e| e.to_string())?;
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, ON_FIBER).map_err(|e| e.to_string())?;
    let import = module.imports().next().ok_or("no import")?.ty();
    let host = Func::new_async(
        &mut store,
        import.func().ok_or("no function")?.clone(),
        |_caller, parameters, results| {
            let number = parameters[0].unwrap_i32();
            Box::new(async move {
                Once::default().await;
                results[0] = Val::I32(number + 1);
                Ok(())
            })
        },
    );
    let (result, polls) = block_on(async {
        let imports = [host.into()];
        let instance = Instance::new_async(&mut store, &module, &imports).await.map_err(|e| e.to_string())?;
        let run = instance.get_func(&mut store, "run").ok_or("no such export")?;
        let mut results = [Val::I32(0)];
        run.call_async(&mut store, &[], &mut results).await.map_err(|e| e.to_string())?;
        Ok::<_, String>(results[0].unwrap_i32())
    });
    Ok((result?, polls))
}

/// A compiled module of this version.
pub fn artifact() -> Result<Vec<u8>, String> {
    static BYTES: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let compile = || {
        let module = Module::new(&engine()?, PLAIN).map_err(|e| e.to_string())?;
        module.serialize().map_err(|e| e.to_string())
    };
    BYTES.get_or_init(compile).clone()
}

/// Load a compiled module and call it; versions must refuse each other's.
pub fn load(bytes: &[u8]) -> Result<i32, String> {
    let engine = engine()?;
    // SAFETY: the bytes are what a wasmtime wrote in this process, or are refused by their header
    let module = unsafe { Module::deserialize(&engine, bytes) }.map_err(|e| e.to_string())?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).map_err(|e| e.to_string())?;
    let add = instance.get_func(&mut store, "add").ok_or("no such export")?;
    let mut results = [Val::I32(0)];
    add.call(&mut store, &[Val::I32(40), Val::I32(2)], &mut results).map_err(|e| e.to_string())?;
    Ok(results[0].unwrap_i32())
}
@MORE@