//! What spans crates: the house rules (`tidy`) and the runs from end to end.
