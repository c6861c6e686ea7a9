//! What several checks mean together.

use super::{Check, Verdict, exit};
use crate::exit::Exit;

fn checks(results: &[Verdict]) -> Vec<Check> {
    let check = |result: &Verdict| Check {
        remote: "oms",
        of: String::new(),
        name: "connect",
        result: *result,
        detail: String::new(),
        differences: Vec::new(),
    };
    results.iter().map(check).collect()
}

#[test]
fn what_is_wrong_outweighs_what_could_not_be_checked() {
    use Verdict::{Failed, Ok, Skipped, Warning, Wrong};
    assert_eq!(exit(&[]), Exit::Done);
    assert_eq!(exit(&checks(&[Ok, Warning])), Exit::Done);
    assert_eq!(exit(&checks(&[Ok, Failed, Warning])), Exit::Failed);
    assert_eq!(exit(&checks(&[Wrong, Skipped, Failed])), Exit::Config);
}
