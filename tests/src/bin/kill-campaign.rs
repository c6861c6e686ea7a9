//! Kills the daemon at random moments while it works, and judges what became of the orders.

use std::process::ExitCode;

use countermand_tests::PRODUCT;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    // The daemon that is killed is this very executable, so it is never a stale one.
    if arguments.peek().is_some_and(|first| first == PRODUCT) {
        return countermand_cli::run(arguments);
    }
    ExitCode::FAILURE
}
