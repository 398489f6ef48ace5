//! Confirmations on the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::anyhow;

use infra::names;

use super::clouds::Clouds;
use super::site::DeployContext;
use cli::Failure;

/// Asks to confirm the plan.
pub(super) fn apply(clouds: &Clouds, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let question = format!("apply these changes to {clouds}? [y/N] ");
    agreed(&ask(&question, "pass --yes to apply without being asked")?)
}

/// Asks to confirm `question`; without a terminal, `--yes` is required.
pub fn agree(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    agreed(&ask(&format!("{question} [y/N] "), "pass --yes to do it without being asked")?)
}

/// Asks to confirm `deed` on the deployment. If that is protected, the stack's name must be typed, or given by `confirm`.
pub fn agree_on(
    site: &DeployContext,
    deed: &str,
    yes: bool,
    confirm: Option<&str>,
) -> Result<(), Failure> {
    on_stack(&names::stack(&site.settings), site.is_protected(), deed, yes, confirm)
}

/// The same for all parts in these clouds, which the question names. On Google Cloud, the database's protection counts too.
pub(super) fn agree_on_all(
    site: &DeployContext,
    clouds: &Clouds,
    deed: &str,
    yes: bool,
    confirm: Option<&str>,
) -> Result<(), Failure> {
    let on_google = site.local.is_none() && clouds.gcp.is_some();
    let is_protected =
        site.is_protected() || on_google && site.settings.gcp.firestore.delete_protection;
    let deed = format!("{deed} in {clouds}");
    on_stack(&names::stack(&site.settings), is_protected, &deed, yes, confirm)
}

fn on_stack(
    stack: &str,
    protected: bool,
    deed: &str,
    yes: bool,
    confirm: Option<&str>,
) -> Result<(), Failure> {
    if let Some(typed) = confirm {
        return is_name(stack, typed);
    }
    if protected {
        let question = format!("{stack} is protected. Type its name to {deed}: ");
        let typed = ask(&question, &format!("{stack} is protected: pass --confirm {stack}"))?;
        return is_name(stack, &typed);
    }
    agree(&format!("{stack}: {deed}?"), yes)
}

fn is_name(stack: &str, typed: &str) -> Result<(), Failure> {
    if typed == stack {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "`{typed}` is not the name of the stack, {stack}; nothing was changed"
    )))
}

fn agreed(answer: &str) -> Result<(), Failure> {
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::Interrupted("nothing was changed".to_owned()))
}

fn ask(question: &str, otherwise: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage(anyhow!("there is no terminal to ask at; {otherwise}")));
    }
    eprint!("{question}");
    io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protected_stack_wants_its_name() {
        let destroy = |stack, protected, confirm| {
            on_stack(stack, protected, "delete all of it", true, confirm)
        };
        assert!(destroy("p-prod", true, Some("p-prod")).is_ok());
        let wrong = destroy("p-prod", true, Some("p-dev")).expect_err("another name");
        assert!(matches!(wrong, Failure::Usage(_)));
        assert!(destroy("p-dev", false, None).is_ok());
        // A wrong name is a mistake, typed or given.
        assert!(destroy("p-dev", false, Some("p-prod")).is_err());
    }
}
