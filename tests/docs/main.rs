//! The pages for users: what they show is what the product does.
//!
//! * Blocks of shell that are marked `<!-- run -->` are run, in order, in one directory per page.
//! * The pages of the command line and of the configuration are made from the product's own words.
//! * Each kind of attention has its entry in the runbook.

mod pages;
mod shell;

use countermand_tests::Program;

/// The product.
fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kill-campaign"))
}
