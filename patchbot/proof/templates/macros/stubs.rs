// What the expansion of upstream's list of builtins (to 19) names of its crate: types and functions without
// a life of their own, so that what makes link-time names can be compiled alone.

pub struct VMContext;

pub struct Instance;

impl Instance {
    pub unsafe fn from_vmctx<R>(_: *mut VMContext, _: impl FnOnce(&mut Instance) -> R) -> R {
        loop {}
    }
}

pub enum TrapReason {}

pub mod traphandlers {
    pub unsafe fn raise_trap(_: crate::TrapReason) -> ! {
        loop {}
    }

    pub unsafe fn resume_panic(_: std::boxed::Box<dyn std::any::Any + Send>) -> ! {
        loop {}
    }
}

#[allow(unused_macros)]
macro_rules! builtin_bodies {
    ($( $(#[$attribute:meta])* $name:ident($context:ident: $kind:ident $(, $argument:ident: $type:ident)*) $(-> $result:ident)?; )*) => {
        $(
            $(#[$attribute])*
            unsafe fn $name(_: impl Sized $(, $argument: builtin_bodies!(@ $type))*)
                -> Result<builtin_bodies!(@ $($result)?), crate::TrapReason>
            {
                loop {}
            }
        )*
    };
    (@) => { () };
    (@ i32) => { u32 };
    (@ i64) => { u64 };
    (@ $pointer:ident) => { *mut u8 };
}
