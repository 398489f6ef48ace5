//! Why a stack isn't what it should be.

use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use crate::aws::in_words;

/// Why a stack operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call was refused or not answered.
    #[error("{action} stack {stack}: {problem}")]
    Call {
        /// What was being done.
        action: &'static str,
        /// To which stack.
        stack: String,
        /// What came back, with the next step where there is one.
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
        /// What `CloudFormation` said.
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
        /// Why it failed.
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
    /// The stack must be deleted before it can be made, and holds what a deploy doesn't delete.
    #[error(
        "stack {stack} is {status} and still holds {left}; `cargo xtask destroy aws` deletes that, then run the same \
         command again"
    )]
    Leftovers {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// The resources that are left of it.
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
    /// It took longer than it may.
    #[error(
        "stack {stack} is still {status} after {seconds} s; run the same command again to go on waiting"
    )]
    TimedOut {
        /// The stack.
        stack: String,
        /// Its status, or its change set's.
        status: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// The stack could not be compared with what is there.
    #[error("look for drift of stack {stack}: {reason}; run the same command again")]
    NoDrift {
        /// The stack.
        stack: String,
        /// What `CloudFormation` said.
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
        /// Those that it has.
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

/// `CloudFormation` has no code of its own for a stack that isn't there.
pub(super) fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ValidationError")
        && error.message().is_some_and(|message| message.contains("does not exist"))
}

/// A change set that was made and can't be executed is out of date: executing one deletes the others.
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

/// A stack that was to be made and is there by now is another deploy's.
pub(super) fn not_planned<E, R>(stack: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let stack = stack.to_owned();
    // With a change set that creates, an error of validation whose message alone tells.
    let said = error.message().unwrap_or_default();
    let exists = said.contains("already exists and cannot be created with the changeSet");
    if error.code() == Some("AlreadyExistsException") || exists {
        return Error::Overtaken { stack };
    }
    Error::Call { action: "plan", stack, problem: in_words(error) }
}

/// Whether a change set is no longer there, or is out of date.
pub(super) fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let gone = ["ChangeSetNotFound", "ChangeSetNotFoundException", "InvalidChangeSetStatus"];
    error.code().is_some_and(|code| gone.contains(&code))
}
