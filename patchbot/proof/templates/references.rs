
const REFERENCES: &str = r#"
    (module
      (table $e 1 externref)
      (func (export "put") (param externref) (table.set $e (i32.const 0) (local.get 0)))
      (func (export "clear") (table.set $e (i32.const 0) (ref.null extern)))
      (func (export "many") (param i32)
        (loop $again
          (drop (table.get $e (i32.const 0)))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br_if $again (local.get 0)))))
"#;

struct Counted(Arc<Mutex<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += 1;
    }
}

/// How often a host's value was dropped before the module let go of it, and by the module's letting go.
///
/// The module takes more references to it than there is room for, so that the runtime must collect them.
fn references() -> Result<(u32, u32), String> {
    let mut store = Store::new(&engine()?, ());
    let instance = start(&mut store, REFERENCES)?;
    let drops = Arc::new(Mutex::new(0));
    let mut call = |export: &str, arguments: &[Val]| {
        let function = instance.get_func(&mut store, export).ok_or("no such export")?;
        function.call(&mut store, arguments, &mut []).map_err(|e| e.to_string())?;
        store.gc();
        Ok::<(), String>(())
    };
    call("put", &[Val::ExternRef(Some(wasmtime::ExternRef::new(Counted(drops.clone()))))])?;
    call("many", &[Val::I32(2000)])?;
    let before = *drops.lock().unwrap();
    call("clear", &[])?;
    let after = *drops.lock().unwrap();
    Ok((before, after))
}
