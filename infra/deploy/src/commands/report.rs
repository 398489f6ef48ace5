//! The progress and the results that a command prints.

use std::fmt;

use serde::Serialize;

use crate::cloudformation::Progress as StackProgress;
use crate::terraform::Progress as TerraformProgress;
use cli::Failure;
use cli::Progress;

/// Prints the progress of a stack operation, line by line.
pub(super) fn stack(progress: &Progress, what: &StackProgress<'_>) {
    match what {
        StackProgress::Waiting { status } => {
            progress.now(format!("waiting for another operation: the stack is {status}"));
        }
        StackProgress::Overtaken { round, pause } => {
            progress.note(format!(
                "another deploy came in between: planning anew in {} s, for the {round}. of at most {} times",
                pause.as_secs() + 1,
                crate::cloudformation::ROUNDS - 1
            ));
        }
        StackProgress::Clearing { status } => {
            progress.note(format!("the stack is {status}: deleting it before it is made anew"));
        }
        StackProgress::Planned(_) => {}
        StackProgress::Event(event) => progress.note(event.to_string()),
    }
}

/// Prints the progress of Terraform, line by line.
pub(super) fn terraform(progress: &Progress, what: &TerraformProgress<'_>) {
    match what {
        TerraformProgress::WaitingForLock => {
            progress.now("somebody else works on the state: waiting");
        }
        TerraformProgress::Unlocked { id } => {
            progress.note(format!("took off the lock {id} of a run that was killed here"));
        }
        TerraformProgress::Adopted { address } => {
            progress.note(format!(
                "{address} was made by a run that was killed here: taken into the state"
            ));
        }
        TerraformProgress::Uncertain { address } => {
            progress.note(format!(
                "{address} was being made by a run that was killed here: it may be there"
            ));
        }
        TerraformProgress::Left { address } => {
            progress.note(format!(
                "{address} was made by a run that was killed here, and isn't in the state: the next deploy takes it in"
            ));
        }
        TerraformProgress::Event(event) => progress.note(event.to_string()),
        TerraformProgress::Stopping => {
            progress.note("stopping: Terraform ends what it is at, and keeps its state");
        }
    }
}

/// Prints a value on standard output, as text or as JSON.
pub fn print<T: Serialize + fmt::Display>(value: &T, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string_pretty(value)?);
    } else {
        print!("{value}");
    }
    Ok(())
}
