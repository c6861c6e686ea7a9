//! The real daemon in a simulated world.

mod harness;

use countermand_tests::Program;

/// The product.
fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kill-campaign"))
}
