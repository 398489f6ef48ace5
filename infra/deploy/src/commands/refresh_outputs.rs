//! Reads the outputs from the deployments: a colleague may have deployed since, and a fresh checkout, such as a workflow's, has
//! no kept outputs. An unknown output would be missing in a deploy and so removed; kept outputs are used only if nothing can be
//! read.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use args::Part;

use cli::{Failure, Progress};

use super::components::{self, Observed};
use super::known::{self, Outputs};
use super::site::DeployContext;

/// The treatment of a part that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Fail: something would be changed.
    Refused,
    /// Report it and go on.
    LeftOut,
}

/// Reads the outputs of each part, including other regions, and keeps them.
pub(super) async fn gather(
    site: &DeployContext,
    unreadable: Unreadable,
    progress: &Progress,
) -> Result<(), Failure> {
    for part in [Part::Foundation, Part::Aws] {
        one(site, part, unreadable, progress).await?;
    }
    one(&site.of(site.settings.home())?, Part::Gcp, unreadable, progress).await?;
    for region in &site.settings.regions {
        let there = site.of(&region.environment)?;
        for part in [Part::Foundation, Part::Aws] {
            one(&there, part, unreadable, progress).await?;
        }
    }
    Ok(())
}

async fn one(
    site: &DeployContext,
    part: Part,
    unreadable: Unreadable,
    progress: &Progress,
) -> Result<(), Failure> {
    let environment = &site.settings.project.environment;
    progress.now(format!("reading what is deployed of {part} of {environment}"));
    let found = observe(site, part, progress).await;
    take(site, part, found, unreadable, &mut |note| progress.note(note))
}

async fn observe(
    site: &DeployContext,
    part: Part,
    progress: &Progress,
) -> Result<Observed, Failure> {
    components::of(part)?.observe(site, progress).await
}

/// Keeps the outputs that were read. If nothing can be read, the kept ones stay, and their age is reported.
fn take(
    site: &DeployContext,
    part: Part,
    found: Result<Observed, Failure>,
    unreadable: Unreadable,
    note: &mut dyn FnMut(String),
) -> Result<(), Failure> {
    let environment = &site.settings.project.environment;
    let file = known::file(site, part);
    let name = file.strip_prefix(&site.checkout.root).unwrap_or(&file).display();
    match found {
        Ok(Observed::Deployed(outputs)) => {
            match known::read(site, part)? {
                Some(kept) if kept == outputs => return Ok(()),
                Some(kept) => note(format!(
                    "note: {name} was out of date: {part} of {environment} was deployed from elsewhere since; different are {}",
                    differences(&kept, &outputs).join(", ")
                )),
                None => {}
            }
            Ok(known::write(site, part, &outputs)?)
        }
        Ok(Observed::Absent) => {
            if file.exists() {
                note(format!(
                    "note: {part} of {environment} is not deployed any more; {name} is deleted"
                ));
            }
            Ok(known::forget(site, part)?)
        }
        Ok(Observed::NotNamed) => Ok(()),
        // Another account or project, which kept outputs can't fix.
        Err(failure @ (Failure::Usage(_) | Failure::Interrupted(_))) => Err(failure),
        Err(failure) if file.exists() => {
            note(format!(
                "note: {part} of {environment} can't be read: {failure}; taken from {name}, which is {} old",
                age(&file)
            ));
            Ok(())
        }
        Err(failure) => {
            let problem = format!(
                "nothing is kept here of {part} of {environment}, and it can't be read: {failure}; where it can be, \
                 `cargo xtask outputs {part} --env {environment}` writes outputs/{environment}/{part}.json, which is to be \
                 brought here"
            );
            match unreadable {
                Unreadable::Refused => Err(Failure::missing(anyhow::anyhow!(problem))),
                Unreadable::LeftOut => {
                    note(format!("note: left out: {problem}"));
                    Ok(())
                }
            }
        }
    }
}

/// Names of outputs that differ.
fn differences(kept: &Outputs, now: &Outputs) -> Vec<String> {
    let names = kept.keys().chain(now.keys().filter(|name| !kept.contains_key(*name)));
    names.filter(|name| kept.get(*name) != now.get(*name)).cloned().collect()
}

/// The age of a file, as text.
fn age(file: &Path) -> String {
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    in_words(age.unwrap_or_default())
}

fn in_words(age: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = age.as_secs();
    let (count, unit) = match seconds {
        DAY.. => (seconds / DAY, "day"),
        HOUR.. => (seconds / HOUR, "hour"),
        MINUTE.. => (seconds / MINUTE, "minute"),
        _ => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use infra::Settings;

    use super::*;
    use infra::Checkout;

    fn site(root: &Path) -> DeployContext {
        let text = include_str!("../../../../twincloud.toml");
        DeployContext {
            checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
            settings: Settings::parse(root, text, Some("dev"), &[], std::iter::empty())
                .expect("valid"),
            local: None,
            sets: Vec::new(),
        }
    }

    fn outputs(role: &str) -> Outputs {
        Outputs::from([
            ("account_id".to_owned(), "1".to_owned()),
            ("google_reader_role_arn".to_owned(), role.to_owned()),
        ])
    }

    /// The kept outputs after such a read, and the reported text.
    fn taken(
        site: &DeployContext,
        found: Result<Observed, Failure>,
    ) -> (Option<Outputs>, Vec<String>) {
        let mut said = Vec::new();
        take(site, Part::Foundation, found, Unreadable::Refused, &mut |note| said.push(note))
            .expect("taken");
        (known::read(site, Part::Foundation).expect("read"), said)
    }

    #[test]
    fn what_is_deployed_counts_more_than_what_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = site(folder.path());
        let (kept, said) = taken(&site, Ok(Observed::Deployed(outputs("old"))));
        assert_eq!((kept, said), (Some(outputs("old")), Vec::new()));
        // A colleague deploys.
        let (kept, said) = taken(&site, Ok(Observed::Deployed(outputs("new"))));
        assert_eq!(kept, Some(outputs("new")));
        assert!(said[0].contains("outputs/dev/foundation.json was out of date"), "{said:?}");
        assert!(said[0].ends_with("different are google_reader_role_arn"), "{said:?}");
        // And destroys.
        let (kept, said) = taken(&site, Ok(Observed::Absent));
        assert_eq!(kept, None);
        assert!(said[0].contains("is not deployed any more"), "{said:?}");
        let (kept, said) = taken(&site, Ok(Observed::Absent));
        assert_eq!((kept, said), (None, Vec::new()));
    }

    #[test]
    fn where_nothing_can_be_read_what_is_kept_counts_and_its_age_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = site(folder.path());
        let refused = || Err(Failure::Failed(anyhow!("AccessDenied")));
        let mut none = |_| ();
        let error = take(&site, Part::Foundation, refused(), Unreadable::Refused, &mut none);
        assert!(matches!(error, Err(Failure::MissingPrerequisite(_))), "nothing is kept");

        taken(&site, Ok(Observed::Deployed(outputs("old"))));
        let long_ago = SystemTime::now() - Duration::from_hours(75);
        let file = fs::File::options().write(true).open(known::file(&site, Part::Foundation));
        file.expect("open").set_modified(long_ago).expect("set");
        let (kept, said) = taken(&site, refused());
        assert_eq!(kept, Some(outputs("old")));
        assert!(said[0].contains("AccessDenied") && said[0].ends_with("is 3 days old"), "{said:?}");

        let (kept, said) = taken(&site, Ok(Observed::NotNamed));
        assert_eq!((kept, said), (Some(outputs("old")), Vec::new()));
        let wrong = Err(Failure::usage(anyhow!("another account")));
        let error = take(&site, Part::Foundation, wrong, Unreadable::LeftOut, &mut none);
        assert!(matches!(error, Err(Failure::Usage(_))), "no file makes that right");
    }
}
