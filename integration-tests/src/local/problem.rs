//! Why a request was refused: a status and words.

use axum::http::StatusCode;

/// Why a request was refused.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) error: String,
}

/// A bad request.
pub(super) fn bad(error: impl Into<String>) -> Problem {
    Problem { status: StatusCode::BAD_REQUEST, error: error.into() }
}

/// There is no such thing.
pub(super) fn missing(kind: &str, name: &str) -> Problem {
    Problem { status: StatusCode::NOT_FOUND, error: format!("there is no {kind} {name}") }
}

/// A new one would be one too many.
pub(super) fn full(kind: &str, max: usize) -> Problem {
    let error = format!("there are {max} {kind}s already, and no more are taken; delete one first");
    Problem { status: StatusCode::CONFLICT, error }
}

/// The binary didn't come up.
pub(super) fn did_not_start(error: impl Into<String>) -> Problem {
    Problem { status: StatusCode::UNPROCESSABLE_ENTITY, error: error.into() }
}

/// This machine is the trouble.
pub(super) fn failed(doing: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem { status: StatusCode::INTERNAL_SERVER_ERROR, error: format!("{doing}: {error}") }
}

/// Cloud Run's rule for names.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let chars = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if starts && chars && !name.ends_with('-') && name.len() <= NAME_BYTES {
        return Ok(());
    }
    Err(bad(format!(
        "the name {name:?} must be up to {NAME_BYTES} of a-z, 0-9 and dashes, a letter first, no dash last"
    )))
}

const NAME_BYTES: usize = 49;
