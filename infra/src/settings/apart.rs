//! Environments of one file that would get into each other's way: by the names that roles are held to, by whose jobs may
//! deploy them, or by the place of their state.

use super::Environment;
use super::error::Error;
use crate::names;

/// Compares all environments with each other.
pub(super) fn all(all: &[Environment]) -> Result<(), Error> {
    all.iter().try_for_each(|environment| one(environment, all))
}

/// Compares an environment with the others of the file.
pub(super) fn one(environment: &Environment, all: &[Environment]) -> Result<(), Error> {
    for other in all.iter().filter(|other| other.name() != environment.name()) {
        stacks(environment, other)?;
        jobs(environment, other)?;
        // On emulators there is no state in a bucket.
        if ![environment, other].iter().any(|one| one.name() == names::LOCAL_ENVIRONMENT) {
            states(environment, other)?;
        }
    }
    Ok(())
}

/// A deploy role is held to names that begin with its stack's name and a dash.
fn stacks(environment: &Environment, other: &Environment) -> Result<(), Error> {
    let [(short, short_stack), (long, long_stack)] = {
        let mut pair = [environment, other].map(|one| (one, names::stack(&one.settings)));
        pair.sort_by_key(|(_, stack)| stack.len());
        pair
    };
    if !long_stack.starts_with(&format!("{short_stack}-")) {
        return Ok(());
    }
    let problem = format!(
        "the stack of {}, `{long_stack}`, begins with that of {}, `{short_stack}`, and a dash: the deploy role of {} is held to \
         names that begin so, and could change it; choose another prefix",
        long.name(),
        short.name(),
        short.name()
    );
    Err(environment.error("project.prefix", &problem))
}

/// A protected environment's jobs are reviewed, those of another may be not.
fn jobs(environment: &Environment, other: &Environment) -> Result<(), Error> {
    let settings = &environment.settings;
    let is_home = settings.home() == other.name();
    let listed =
        settings.github.environments.iter().any(|name| name.eq_ignore_ascii_case(other.name()));
    if !settings.is_protected() || is_home || !listed {
        return Ok(());
    }
    let problem = format!(
        "{name} is protected, and a job of {other} could deploy it without the review that {name} has: leave the list empty, \
         and {name} trusts the GitHub environment of its own name",
        name = environment.name(),
        other = other.name()
    );
    Err(environment.error("github.environments", &problem))
}

/// One state knows one environment, and a role that may write it may write all below its prefix.
fn states(environment: &Environment, other: &Environment) -> Result<(), Error> {
    let [mine, theirs] = [environment, other].map(|one| &one.settings);
    let shared = |problem: &str| {
        format!(
            "{problem} of {}; put `{{environment}}` into it, or name it in each environment; a state that is there already \
             has to be moved to its new place first, by `terraform init -migrate-state`",
            other.name()
        )
    };
    let (aws, others) = (&mine.aws.state, &theirs.aws.state);
    if aws.bucket.is_some() && aws.bucket == others.bucket && aws.key == others.key {
        return Err(environment.error("aws.state.key", &shared("it is the key of the state, too,")));
    }
    let (gcp, others) = (&mine.gcp.state, &theirs.gcp.state);
    let (prefix, other_prefix) = (format!("{}/", gcp.prefix), format!("{}/", others.prefix));
    let nested = prefix.starts_with(&other_prefix) || other_prefix.starts_with(&prefix);
    if gcp.bucket.is_some() && gcp.bucket == others.bucket && nested && mine.home() != theirs.home()
    {
        let problem = shared("it is the prefix of the state, or lies above or below that,");
        return Err(environment.error("gcp.state.prefix", &problem));
    }
    Ok(())
}

impl Environment {
    fn name(&self) -> &str {
        &self.settings.project.environment
    }

    /// The error at a key of this environment.
    fn error(&self, key: &str, problem: &str) -> Error {
        self.layers.error(key, problem)
    }
}
