//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::anyhow;

use super::failure::Failure;

/// Whether the plan is to be carried out.
pub(super) fn apply(yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let answer = ask("apply these changes? [y/N] ", "pass --yes to apply without being asked")?;
    agreed(&answer)
}

/// Whether to do what `question` asks; where nobody can be asked, `--yes` says it.
pub fn agree(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    agreed(&ask(&format!("{question} [y/N] "), "pass --yes to do it without being asked")?)
}

/// Whether everything of `stack` is to be deleted. Where it is protected, its name must be typed, or
/// be given by `confirm`.
pub(super) fn destroy(
    stack: &str,
    protected: bool,
    yes: bool,
    confirm: Option<&str>,
) -> Result<(), Failure> {
    if let Some(typed) = confirm {
        return is_name(stack, typed);
    }
    if protected {
        let question = format!("{stack} is protected. Type its name to delete all of it: ");
        let typed = ask(&question, &format!("{stack} is protected: pass --confirm {stack}"))?;
        return is_name(stack, &typed);
    }
    if yes {
        return Ok(());
    }
    let question = format!("delete {stack} and all that it holds? [y/N] ");
    agreed(&ask(&question, "pass --yes to delete without being asked")?)
}

fn is_name(stack: &str, typed: &str) -> Result<(), Failure> {
    if typed == stack {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "`{typed}` is not the name of the stack, {stack}; nothing was deleted"
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
        assert!(destroy("p-prod", true, true, Some("p-prod")).is_ok());
        let wrong = destroy("p-prod", true, true, Some("p-dev")).expect_err("another name");
        assert!(matches!(wrong, Failure::Usage(_)));
        assert!(destroy("p-dev", false, true, None).is_ok());
        // Another name is a mistake, wherever it is made.
        assert!(destroy("p-dev", false, true, Some("p-prod")).is_err());
    }
}
