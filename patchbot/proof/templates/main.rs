//! Several versions of wasmtime at work in one process. Written by patchbot from its template: edit that.
//!
//! Prints a JSON object a line for every check. With `--twin` every check expects something wrong and must fail.

use std::fmt::Debug;
use std::future::Future;
use std::panic::catch_unwind;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

@MODULES@

pub type Check = (&'static str, fn(bool) -> Result<(), String>);

struct Version {
    name: &'static str,
    checks: &'static [Check],
    nested: fn(fn() -> String) -> Result<String, String>,
    trapping: fn() -> String,
    artifact: fn() -> Result<Vec<u8>, String>,
    load: fn(&[u8]) -> Result<i32, String>,
    /// What the header of compiled modules says: versions with the same word accept each other's.
    accepts: &'static str,
}

const VERSIONS: &[Version] = &[
@VERSIONS@
];

fn main() {
    let twin = std::env::args().any(|argument| argument == "--twin");
    for version in VERSIONS {
        for (check, run) in version.checks {
            tell(version.name, check, catch(|| run(twin)));
        }
    }
    for outer in VERSIONS {
        for inner in VERSIONS {
            let names = format!("{} over {}", outer.name, inner.name);
            let right = if twin { "nothing" } else { "UnreachableCodeReached, then IntegerDivisionByZero" };
            tell(&names, "nested traps", catch(|| expect((outer.nested)(inner.trapping)?.as_str(), right)));
            if outer.accepts != inner.accepts {
                let names = format!("{} given {}", outer.name, inner.name);
                tell(&names, "foreign artifact", catch(|| refused(outer, inner, twin)));
            }
        }
    }
    tell("all", "threads", catch(|| expect(threads(), if twin { 0 } else { VERSIONS.len() * 100 })));
}

fn refused(outer: &Version, inner: &Version, twin: bool) -> Result<(), String> {
    let giver = if twin { outer } else { inner };
    match (outer.load)(&(giver.artifact)()?) {
        Ok(_) => Err("accepted".to_string()),
        Err(_) => Ok(()),
    }
}

/// Trap a hundred times in every version, all of them at the same time; count the right catches.
fn threads() -> usize {
    let workers: Vec<_> = VERSIONS
        .iter()
        .flat_map(|version| [version.trapping; 4])
        .map(|trapping| {
            std::thread::spawn(move || (0..25).filter(|_| trapping() == "UnreachableCodeReached").count())
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum()
}

pub fn expect<T: PartialEq + Debug>(found: T, right: T) -> Result<(), String> {
    if found == right {
        Ok(())
    } else {
        Err(format!("found {found:?} instead of {right:?}"))
    }
}

fn catch(check: impl Fn() -> Result<(), String> + std::panic::UnwindSafe) -> Result<(), String> {
    catch_unwind(check).unwrap_or_else(|_| Err("panicked".to_string()))
}

fn tell(version: &str, check: &str, result: Result<(), String>) {
    let detail: String = result.err().map_or(String::new(), |problem| {
        let plain = problem.replace('\\', "/").replace('"', "'").replace(char::is_control, " ");
        format!(r#", "detail": "{plain}""#)
    });
    println!(r#"{{"version": "{version}", "check": "{check}", "ok": {}{detail}}}"#, detail.is_empty());
}

/// A future that is pending once: whoever awaits it leaves its fiber and comes back.
#[derive(Default)]
pub struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

struct Noop;

impl Wake for Noop {
    fn wake(self: Arc<Self>) {}
}

/// Run a future to its end; also return how often it was polled.
pub fn block_on<T>(future: impl Future<Output = T>) -> (T, u32) {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Noop));
    let mut context = Context::from_waker(&waker);
    let mut polls = 1;
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return (value, polls),
            Poll::Pending => polls += 1,
        }
    }
}
