//! The programs as commands, as xtask runs them.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

pub(crate) use test_checkout::{Ran, artifacts, recording, workspace};

use crate::trees::HARNESS;

/// A checkout of its own, so that tests do not share `target/runs`.
pub(crate) struct Checkout(test_checkout::Checkout);

impl Checkout {
    pub(crate) fn new() -> Self {
        Self(test_checkout::Checkout::new())
    }

    /// A command of the harness in this checkout.
    pub(crate) fn harness(&self, words: &[&str]) -> Command {
        self.0.command(Path::new(HARNESS), words)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.harness(words).output().expect("run the harness"))
    }

    /// A command on simulated clouds, or on the files of a run.
    pub(crate) fn sim(&self, words: &[&str]) -> Ran {
        Ran::of(&self.beside("sim", words).output().expect("run sim"))
    }

    /// A command of the deploy engine in this checkout; it finds the clouds that `up` started here.
    pub(crate) fn deploy_command(&self, words: &[&str]) -> Command {
        self.beside("deploy", words)
    }

    /// A day-two command in this checkout.
    pub(crate) fn operate_command(&self, words: &[&str]) -> Command {
        self.beside("operate", words)
    }

    /// A program that was built with the same selection, beside the harness.
    fn beside(&self, program: &str, words: &[&str]) -> Command {
        self.0.command(&Path::new(HARNESS).with_file_name(program), words)
    }

    pub(crate) fn deploy(&self, words: &[&str]) -> Ran {
        Ran::of(&self.deploy_command(words).output().expect("run the deploy engine"))
    }
}

impl Deref for Checkout {
    type Target = test_checkout::Checkout;

    fn deref(&self) -> &test_checkout::Checkout {
        &self.0
    }
}
