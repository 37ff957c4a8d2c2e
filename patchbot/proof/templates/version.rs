//! What one wasmtime has to do in the proof. Written by patchbot from its template: edit that.

use crate::{block_on, expect, Check, Once};
use std::sync::{Arc, Mutex};
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
    ("trap: unreachable", |twin| expect(trap("unreachable")?, name(twin, "UnreachableCodeReached"))),
    ("trap: out of bounds", |twin| expect(trap("out-of-bounds")?, name(twin, "MemoryOutOfBounds"))),
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

fn start(store: &mut Store<()>, wat: &str, imports: &[Func]) -> Result<Instance, String> {
    let module = Module::new(store.engine(), wat).map_err(|e| e.to_string())?;
    let imports: Vec<_> = imports.iter().map(|f| (*f).into()).collect();
    Instance::new(store, &module, &imports).map_err(|e| e.to_string())
}

fn plain(export: &str, arguments: &[i32]) -> Result<i32, String> {
    let mut store = Store::new(&Engine::default(), ());
    let instance = start(&mut store, PLAIN, &[])?;
    let arguments: Vec<_> = arguments.iter().map(|n| Val::I32(*n)).collect();
    let mut results = [Val::I32(0)];
    let function = instance.get_func(&mut store, export).ok_or("no such export")?;
    function.call(&mut store, &arguments, &mut results).map_err(|e| e.to_string())?;
    Ok(results[0].unwrap_i32())
}

/// The trap that an export ends in, as this version's own type tells it.
fn trap(export: &str) -> Result<String, String> {
    let mut store = Store::new(&Engine::default(), ());
    let instance = start(&mut store, PLAIN, &[])?;
    caught(&mut store, &instance, export)
}

fn caught(store: &mut Store<()>, instance: &Instance, export: &str) -> Result<String, String> {
    let function = instance.get_func(&mut *store, export).ok_or("no such export")?;
    match function.call(&mut *store, &[], &mut [Val::I32(0)]) {
        Ok(()) => Err("did not trap".to_string()),
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => Ok(format!("{trap:?}")),
            None => Err(format!("caught something that is no trap of this version: {error:?}")),
        },
    }
}

/// Who catches what, when another version traps below a host call of this one.
pub fn nested(inner: fn() -> String) -> Result<String, String> {
    let mut store = Store::new(&Engine::default(), ());
    let seen = Arc::new(Mutex::new(String::new()));
    let below = seen.clone();
    let host = Func::wrap(&mut store, move || *below.lock().unwrap() = inner());
    let instance = start(&mut store, NESTED, &[host])?;
    let outer = caught(&mut store, &instance, "outer")?;
    let inner = seen.lock().unwrap().clone();
    Ok(format!("{inner}, then {outer}"))
}

/// Trap in this version, and say who caught it.
pub fn trapping() -> String {
    trap("unreachable").unwrap_or_else(|problem| problem)
}

fn on_fiber() -> Result<(i32, u32), String> {
    let mut config = Config::new();
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
        let instance = Instance::new_async(&mut store, &module, &[host.into()]).await?;
        let run = instance.get_func(&mut store, "run").unwrap();
        let mut results = [Val::I32(0)];
        run.call_async(&mut store, &[], &mut results).await?;
        Ok::<_, wasmtime::Error>(results[0].unwrap_i32())
    });
    Ok((result.map_err(|e| e.to_string())?, polls))
}

/// A compiled module of this version.
pub fn artifact() -> Result<Vec<u8>, String> {
    let engine = Engine::default();
    Module::new(&engine, PLAIN).and_then(|module| module.serialize()).map_err(|e| e.to_string())
}

/// Load a compiled module and call it; versions must refuse each other's.
pub fn load(bytes: &[u8]) -> Result<i32, String> {
    let engine = Engine::default();
    // SAFETY: the bytes are what a wasmtime wrote in this process, or are refused by their header
    let module = unsafe { Module::deserialize(&engine, bytes) }.map_err(|e| e.to_string())?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).map_err(|e| e.to_string())?;
    let add = instance.get_func(&mut store, "add").ok_or("no such export")?;
    let mut results = [Val::I32(0)];
    add.call(&mut store, &[Val::I32(40), Val::I32(2)], &mut results).map_err(|e| e.to_string())?;
    Ok(results[0].unwrap_i32())
}
