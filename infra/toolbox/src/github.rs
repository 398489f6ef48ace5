//! The checkout's repository on GitHub: the subject of its jobs' tokens for the clouds, as far as `gh` knows it.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::item::{Item, Need, Source, Status};
use crate::{Env, process};

/// A network that doesn't answer must not hold up the report.
const LIMIT: Duration = Duration::from_secs(5);
/// The day from which tokens of new repositories contain GitHub's numeric ids.
const NUMBERS_SINCE: &str = "2026-07-15";
/// The first version of the API that returns a repository's form of subject.
const API_VERSION: &str = "X-GitHub-Api-Version: 2026-03-10";

#[derive(Deserialize)]
struct Repository {
    id: u64,
    full_name: String,
    /// As `2026-07-15T12:00:00Z`.
    created_at: String,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
}

#[derive(Deserialize)]
struct Subject {
    use_default: Option<bool>,
    use_immutable_subject: Option<bool>,
}

/// The line of the report; `None` if `gh` is missing, not signed in, or knows no repository. It uses the network, so
/// [`Report::collect`](crate::Report::collect) omits it.
#[must_use]
pub fn item(env: &Env) -> Option<Item> {
    let gh = env.which("gh")?;
    // `gh` replaces the braces by the checkout's own repository.
    let name = env.var("GITHUB_REPOSITORY").and_then(|name| name.to_str());
    let repository = format!("repos/{}", name.unwrap_or("{owner}/{repo}"));
    let about: Repository = ask(env, &gh, &repository)?;
    let subject: Option<Subject> =
        ask(env, &gh, &format!("{repository}/actions/oidc/customization/sub"));
    Some(Item {
        name: "GitHub sign-in".to_owned(),
        status: Status::Found {
            version: told(&about, subject.as_ref()),
            path: Some(gh),
            source: Source::Path,
        },
        needed_for: vec![Need::Deploy],
        how_to_get: "nothing to do: docs/github.md has the settings".to_owned(),
    })
}

fn ask<T: DeserializeOwned>(env: &Env, gh: &Path, path: &str) -> Option<T> {
    let mut command = env.command(gh);
    command.args(["api", "-H", API_VERSION, path]);
    let output = process::run(&mut command, LIMIT).ok()?;
    output.success.then(|| serde_json::from_str(&output.stdout).ok())?
}

fn told(about: &Repository, subject: Option<&Subject>) -> String {
    let Repository { id, full_name, created_at, owner: Owner { id: owner_id } } = about;
    let numbered = full_name
        .split_once('/')
        .map(|(owner, name)| format!("repo:{owner}@{owner_id}/{name}@{id}:…"));
    let numbered = numbered.unwrap_or_default();
    let settings = format!("github.owner_id = {owner_id} and github.repository_id = {id}");
    if subject.and_then(|subject| subject.use_default) == Some(false) {
        return format!(
            "{full_name} has a subject of its own making, which no role trusts; set it back with \
             `gh api --method PUT repos/{full_name}/actions/oidc/customization/sub -F use_default=true`"
        );
    }
    let is_new = created_at.as_str() >= NUMBERS_SINCE;
    match subject.and_then(|subject| subject.use_immutable_subject).or(is_new.then_some(true)) {
        Some(true) => format!("jobs of {full_name} sign in as {numbered}: {settings} are needed"),
        Some(false) => format!(
            "jobs of {full_name} sign in as repo:{full_name}:…, and as {numbered} once it is renamed, moved or opted in: \
             {settings} are right for both"
        ),
        None => format!(
            "jobs of {full_name} sign in as repo:{full_name}:… or, if it was renamed, moved or opted in since \
             {NUMBERS_SINCE}, as {numbered}: {settings} are right for both"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    /// The report's line for these answers of `gh` about the repository and about its subject; an empty answer is a
    /// failure.
    fn said(repository: &str, subject: &str) -> Option<String> {
        let machine = Machine::new();
        let answer = |json: &str| match json {
            "" => "echo 'HTTP 404' >&2; exit 1".to_owned(),
            json => format!("echo '{json}'"),
        };
        let body = format!(
            "[ \"$1 $2\" = 'api -H' ] || exit 9\ncase $4 in\n\
             'repos/{{owner}}/{{repo}}') {};;\n\
             'repos/{{owner}}/{{repo}}/actions/oidc/customization/sub') {};;\n*) exit 9;;\nesac",
            answer(repository),
            answer(subject)
        );
        machine.script("bin/gh", &body);
        let item = item(&machine.env())?;
        let Status::Found { version, .. } = item.status else { panic!("{item:?}") };
        Some(version)
    }

    fn repository(created_at: &str) -> String {
        format!(
            "{{\"id\":2,\"full_name\":\"octo/cat\",\"created_at\":\"{created_at}\",\"owner\":{{\"id\":1,\"login\":\"octo\"}}}}"
        )
    }

    #[test]
    fn the_form_of_the_subject_and_the_numbers_are_told() {
        let (old, new) = (repository("2024-01-31T00:00:00Z"), repository("2026-07-15T00:00:00Z"));
        let numbers = "github.owner_id = 1 and github.repository_id = 2";
        let by_form = |immutable: bool| {
            format!("{{\"use_default\":true,\"use_immutable_subject\":{immutable}}}")
        };
        let needed =
            format!("jobs of octo/cat sign in as repo:octo@1/cat@2:…: {numbers} are needed");
        for (repository, subject) in
            [(&old, by_form(true)), (&new, by_form(true)), (&new, String::new())]
        {
            assert_eq!(
                said(repository, &subject).as_ref(),
                Some(&needed),
                "{repository} {subject}"
            );
        }
        let by_names = said(&old, &by_form(false)).expect("told");
        assert!(
            by_names.starts_with("jobs of octo/cat sign in as repo:octo/cat:…, and "),
            "{by_names}"
        );
        for untold in ["", "{\"use_default\":true}"] {
            let either = said(&old, untold).expect("told");
            assert!(
                either.starts_with("jobs of octo/cat sign in as repo:octo/cat:… or, "),
                "{either}"
            );
            assert!(either.ends_with(&format!("{numbers} are right for both")), "{either}");
        }
        let own = said(&new, "{\"use_default\":false}").expect("told");
        assert!(own.contains("which no role trusts"), "{own}");
    }

    #[test]
    fn a_gh_that_cannot_tell_or_is_not_there_leaves_no_line() {
        assert_eq!(item(&Machine::new().env()), None);
        for answer in ["", "nothing", "{}"] {
            assert_eq!(said(answer, ""), None, "{answer}");
        }
    }

    #[test]
    fn a_workflow_names_its_repository() {
        let machine = Machine::new();
        let answer = repository("2026-08-01T00:00:00Z");
        machine.script("bin/gh", &format!("[ \"$4\" = repos/octo/cat ] && echo '{answer}'"));
        let env = machine.env().with("GITHUB_REPOSITORY", "octo/cat");
        assert!(item(&env).is_some());
    }
}
