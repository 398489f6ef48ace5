//! Failures of a stack operation.

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use crate::aws::in_words;

/// The reason why a stack operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call was refused or not answered.
    #[error("{action} stack {stack}: {problem}")]
    Call {
        /// The operation.
        action: &'static str,
        /// The stack.
        stack: String,
        /// The error, with the next step if there is one.
        problem: String,
    },
    /// The template is larger than a request may carry.
    #[error(
        "the template of stack {stack} has {bytes} bytes, and CloudFormation takes 51200; split the stack, or put the template into a bucket"
    )]
    TemplateTooLarge {
        /// The stack.
        stack: String,
        /// The template's size.
        bytes: usize,
    },
    /// `CloudFormation` found the request impossible; nothing was changed.
    #[error("plan stack {stack}: {reason}; nothing was changed")]
    Rejected {
        /// The stack.
        stack: String,
        /// The message of `CloudFormation`.
        reason: String,
    },
    /// The operation failed, and `CloudFormation` rolled back what it could.
    #[error(
        "stack {stack}: {resource}: {reason} (the stack is now {status}); \
         mend that, then run the same command again"
    )]
    Failed {
        /// The stack.
        stack: String,
        /// The stack's status at the end.
        status: String,
        /// The logical name of the resource that failed first, and its type.
        resource: String,
        /// The reason of its failure.
        reason: String,
    },
    /// The stack is in a state that needs a decision.
    #[error(
        "stack {stack} is {status}; run `aws cloudformation continue-update-rollback --stack-name {stack}` \
         (with --resources-to-skip for what can't be rolled back), then the same command again"
    )]
    Stuck {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
    },
    /// The stack must be deleted before it can be created, and has resources that a deploy doesn't
    /// delete.
    #[error(
        "stack {stack} is {status} and still holds {left}; `cargo xtask destroy aws` deletes that, then run the same \
         command again"
    )]
    Leftovers {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// The remaining resources.
        left: String,
    },
    /// Another deploy changed the stack after it was planned.
    #[error(
        "another deploy of stack {stack} came in between; run the same command again to plan anew"
    )]
    Overtaken {
        /// The stack.
        stack: String,
    },
    /// The operation exceeded its time limit.
    #[error(
        "stack {stack} is still {status} after {seconds} s; run the same command again to go on waiting"
    )]
    TimedOut {
        /// The stack.
        stack: String,
        /// Its status, or its change set's.
        status: String,
        /// The waiting time, in seconds.
        seconds: u64,
    },
    /// The stack could not be compared with its real resources.
    #[error("look for drift of stack {stack}: {reason}; run the same command again")]
    NoDrift {
        /// The stack.
        stack: String,
        /// The message of `CloudFormation`.
        reason: String,
    },
    /// There is no such stack.
    #[error("there is no stack {stack}; deploy it first")]
    NoStack {
        /// The stack.
        stack: String,
    },
    /// The stack has no such output.
    #[error("the stack has no output `{key}`, only: {}; deploy it again", known.join(", "))]
    NoOutput {
        /// The output.
        key: String,
        /// The outputs that the stack has.
        known: Vec<String>,
    },
}

/// Turns an SDK's error into [`Error::Call`].
pub(super) fn call<E, R>(action: &'static str, stack: &str) -> impl FnOnce(SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let stack = stack.to_owned();
    move |error| Error::Call { action, stack, problem: in_words(&error) }
}

/// True if the stack is missing, for which `CloudFormation` has no code of its own.
pub(super) fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|message| message.contains("does not exist"))
}

/// The error of a change set that exists but can't be executed: it is outdated, since executing one
/// deletes the others.
pub(super) fn not_executed<E, R>(stack: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let stack = stack.to_owned();
    if is_gone(error) {
        return Error::Overtaken { stack };
    }
    let problem = in_words(error);
    Error::Call { action: "execute the change set of", stack, problem }
}

/// The error of a stack to be created that exists meanwhile: another deploy created it.
pub(super) fn not_planned<E, R>(stack: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let stack = stack.to_owned();
    // For a creating change set it is a validation error, recognisable by its message only.
    let said = error.message().unwrap_or_default();
    let exists = said.contains("already exists and cannot be created with the changeSet");
    if error.code() == Some("AlreadyExistsException") || exists {
        return Error::Overtaken { stack };
    }
    Error::Call { action: "plan", stack, problem: in_words(error) }
}

/// True if a change set is missing or outdated.
pub(super) fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let gone = ["ChangeSetNotFound", "ChangeSetNotFoundException", "InvalidChangeSetStatus"];
    error.code().is_some_and(|code| gone.contains(&code))
}
