//! The binary `countermand`.

use std::process::ExitCode;

fn main() -> ExitCode {
    countermand_cli::run(std::env::args_os())
}
