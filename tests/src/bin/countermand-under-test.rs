//! The product, as a binary of this package: what tests start is never a stale one.

use std::process::ExitCode;

fn main() -> ExitCode {
    countermand_cli::run(std::env::args_os())
}
