//! The real daemon in a simulated world.

mod attention;
mod campaign;
mod disk;
mod harness;
mod in_doubt;
mod planted;

use countermand_tests::Program;

/// The product.
fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kill-campaign"))
}
