//! Runs that are ended from outside, in the middle.

use nix::sys::signal::Signal;

use crate::command::Checkout;
use crate::interrupted::{assert_nothing_left, long_run, send};

#[test]
fn ctrl_c_leaves_nothing_and_says_so_by_its_exit_code() {
    let checkout = Checkout::new();
    let mut run = long_run(&checkout);
    send(&run, Signal::SIGINT);
    assert_eq!(run.wait().expect("wait").code(), Some(130));
    assert_nothing_left(&checkout);
}

#[test]
fn kill_9_leaves_nothing() {
    let checkout = Checkout::new();
    let mut run = long_run(&checkout);
    send(&run, Signal::SIGKILL);
    run.wait().expect("wait");
    assert_nothing_left(&checkout);
}
