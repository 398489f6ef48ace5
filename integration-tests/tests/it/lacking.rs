//! The harness on a machine that lacks what emulators need.

use crate::command::{Checkout, Ran};

/// A target that is named does not fall back to another one.
#[test]
fn without_python_processes_is_an_error_and_auto_is_sim() {
    let checkout = Checkout::new();
    let empty = tempfile::tempdir().expect("a temporary folder");
    let bare = |target: &str| {
        let mut e2e = checkout.harness(&["e2e", "--trades", "generate:100:1", "--target", target]);
        Ran::of(&test_checkout::bare(&mut e2e, empty.path()).output().expect("run the harness"))
    };
    let ran = bare("processes");
    ran.assert_code(3);
    assert!(ran.stderr.contains("python3"), "{}", ran.stderr);
    let ran = bare("auto");
    ran.assert_code(0);
    assert!(ran.stderr.contains("target: sim") && ran.stderr.contains("python3"), "{}", ran.stderr);
}

/// Settings are read before anything is looked for.
#[test]
fn a_setting_that_is_unknown_is_a_usage_error() {
    let checkout = Checkout::new();
    for command in [&["e2e"][..], &["chaos", "--kill", "aws"]] {
        let words = [command, &["--target", "processes", "--set", "nonsense=1"]].concat();
        let ran = checkout.run(&words);
        ran.assert_code(2);
        assert!(ran.stderr.contains("nonsense"), "{}", ran.stderr);
    }
}
