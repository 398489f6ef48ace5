//! Access, Terraform's state, alerts: the settings that the Terraform roots add to the services.

use std::borrow::Cow;

use super::{ANY, Checked, LOWER, LOWER_OR_DIGIT, bucket, ensure, name, unique};
use crate::names;
use crate::settings::error::nearest;
use crate::settings::model::{
    Alerts, AwsReplicate, Foundation, GcpBudget, GcpState, Github, Project, Settings, Terraform,
};

/// Tags that everything has anyway.
const OWN_TAGS: [&str; 3] = ["project", "environment", "managed-by"];

pub(super) fn tags(project: &Project) -> Checked {
    let mark = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    for (tag, value) in &project.tags {
        let key = format!("project.tags.{tag}");
        let problem = format!("`{tag}` is a tag that everything has already; choose another");
        ensure(key.clone(), !OWN_TAGS.contains(&tag.as_str()), problem)?;
        let named = (1..=63).contains(&tag.len())
            && tag.chars().all(mark)
            && tag.starts_with(|c: char| c.is_ascii_lowercase());
        shaped(
            key.clone(),
            tag,
            named,
            "1 to 63 of a-z, 0-9, dashes and underscores, a letter first",
        )?;
        let valued = value.len() <= 63 && value.chars().all(mark);
        shaped(key, value, valued, "up to 63 of a-z, 0-9, dashes and underscores")?;
    }
    Ok(())
}

pub(super) fn github(settings: &Settings) -> Checked {
    let github = &settings.github;
    if let Some(repository) = &github.repository {
        let fits = repository.split_once('/').is_some_and(|(owner, name)| {
            owner.starts_with(|c: char| c.is_ascii_alphanumeric())
                && made_of(owner, "-")
                && made_of(name, "._-")
        });
        let spoken = if repository.contains('@') {
            "OWNER/NAME, without the numbers: they are github.owner_id and github.repository_id"
        } else {
            "OWNER/NAME, one repository, without wildcards"
        };
        shaped("github.repository", repository, fits, spoken)?;
    }
    numbers(github)?;
    unique("github.environments", &github.environments)?;
    for environment in &github.environments {
        let spoken = "letters, digits, dots, dashes and underscores, without wildcards";
        shaped("github.environments", environment, made_of(environment, "._-"), spoken)?;
    }
    unique("github.branches", &github.branches)?;
    for branch in &github.branches {
        let spoken = "the name of a branch, without wildcards";
        shaped("github.branches", branch, made_of(branch, "._/-"), spoken)?;
    }
    if github.repository.is_none() {
        return Ok(());
    }
    let environment = &settings.project.environment;
    let problem = format!(
        "{environment} is protected, and a job of a pull request runs code that is not reviewed: put `pull_requests = false` \
         under [env.{environment}.github]"
    );
    let reviewed = !(settings.is_protected() && github.pull_requests);
    ensure("github.pull_requests", reviewed, problem)?;
    subjects(settings)
}

/// Both of GitHub's numbers or neither.
fn numbers(github: &Github) -> Checked {
    let (owner, repository) = ("github.owner_id", "github.repository_id");
    for (key, number) in [(owner, github.owner_id), (repository, github.repository_id)] {
        ensure(key, number != Some(0), "GitHub's numbers begin with 1")?;
    }
    let problem = |missing: &str| {
        format!(
            "{missing} is missing: `gh api repos/OWNER/NAME --jq '.owner.id, .id'` says both numbers"
        )
    };
    match (github.owner_id, github.repository_id) {
        (Some(_), None) => ensure(owner, false, problem(repository)),
        (None, Some(_)) => ensure(repository, false, problem(owner)),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }
}

/// Google takes a token's subject as `google.subject`, which is no longer than this.
const SUBJECT_BYTES: usize = 127;

fn subjects(settings: &Settings) -> Checked {
    for subject in settings.github_deploy_subjects() {
        let key = if subject.contains(":ref:") { "github.branches" } else { "github.environments" };
        let length = subject.len();
        let problem = format!(
            "the subject of GitHub's tokens, `{subject}`, has {length} characters, and Google Cloud takes {SUBJECT_BYTES}: a \
             shorter name is needed"
        );
        ensure(key, length <= SUBJECT_BYTES, problem)?;
    }
    Ok(())
}

pub(super) fn terraform(terraform: &Terraform) -> Checked {
    let keys = [
        ("terraform.program", &terraform.program),
        ("terraform.plugin_dir", &terraform.plugin_dir),
    ];
    keys.into_iter().try_for_each(|(key, value)| {
        let blank = value.as_ref().is_some_and(|value| value.trim().is_empty());
        ensure(key, !blank, "can't be empty; take the key away to have none")
    })
}

pub(super) fn alerts(alerts: &Alerts) -> Checked {
    if let Some(email) = &alerts.email {
        let fits = email.split_once('@').is_some_and(|(name, host)| {
            let dotted = host.rsplit_once('.').is_some_and(|(host, top)| {
                !host.is_empty() && !top.is_empty() && !host.contains('@')
            });
            !name.is_empty() && dotted && !email.contains([' ', '"', '\\'])
        });
        shaped("alerts.email", email, fits, "an e-mail address")?;
    }
    let problem = format!("{} s isn't whole minutes", alerts.replication_lag_s);
    ensure("alerts.replication_lag_s", alerts.replication_lag_s.is_multiple_of(60), problem)
}

pub(super) fn aws_account(account: Option<&str>) -> Checked {
    let Some(account) = account else { return Ok(()) };
    let fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    shaped("aws.account", account, fits, "an account's number, twelve digits in quotes")
}

pub(super) fn aws_replicate(replicate: &AwsReplicate, settings: &Settings) -> Checked {
    let function = names::aws_replicate(settings);
    name("aws.replicate.name", &function, 1..=64, "_-", &ANY)?;
    let problem = "must not be the ingest function";
    ensure("aws.replicate.name", function != settings.aws.ingest.name, problem)?;
    let Some(role) = &replicate.role else { return Ok(()) };
    let fits = role.len() <= 64 && made_of(role, "+=,.@_-");
    let spoken = "the name of a role, up to 64 characters, without its path or ARN";
    shaped("aws.replicate.role", role, fits, spoken)?;
    // A role that the deploy role may make, and not one of the foundation's own.
    let stack = names::stack(settings);
    let fits = role
        .strip_prefix(&format!("{stack}-"))
        .is_some_and(|rest| !rest.is_empty() && !names::FOUNDATION_ROLES.contains(&rest));
    let own = names::FOUNDATION_ROLES.join(", -");
    let spoken = format!("{stack}-… and not a role of terraform/ (-{own})");
    shaped("aws.replicate.role", role, fits, &spoken)
}

pub(super) fn foundation(foundation: &Foundation) -> Checked {
    let audience = &foundation.google_audience;
    let fits = !audience.trim().is_empty() && !audience.contains('*');
    shaped("aws.foundation.google_audience", audience, fits, "an audience, without wildcards")?;
    unique("aws.foundation.key_services", &foundation.key_services)?;
    for service in &foundation.key_services {
        let known = Foundation::KEY_SERVICES.contains(&service.as_str());
        let hint = nearest(service, Foundation::KEY_SERVICES);
        let problem = format!("no service `{service}`{hint}");
        ensure("aws.foundation.key_services", known, problem)?;
    }
    Ok(())
}

pub(super) fn aws_state(settings: &Settings) -> Checked {
    let state = &settings.aws.state;
    if let Some(bucket) = &state.bucket {
        name("aws.state.bucket", bucket, 3..=63, "-.", &LOWER_OR_DIGIT)?;
    } else {
        bucket("aws.state.bucket_prefix", &names::aws_state_bucket(settings, &"0".repeat(12)))?;
    }
    path("aws.state.key", &state.key)
}

pub(super) fn gcp_state(state: &GcpState) -> Checked {
    if let Some(bucket) = &state.bucket {
        name("gcp.state.bucket", bucket, 3..=63, "-_.", &LOWER_OR_DIGIT)?;
    }
    path("gcp.state.prefix", &state.prefix)
}

pub(super) fn gcp_budget(budget: &GcpBudget) -> Checked {
    if let Some(account) = &budget.billing_account {
        let parts: Vec<&str> = account.split('-').collect();
        let digit = |c: char| matches!(c, '0'..='9' | 'A'..='F');
        let fits =
            parts.len() == 3 && parts.iter().all(|part| part.len() == 6 && part.chars().all(digit));
        shaped("gcp.budget.billing_account", account, fits, "such as 012345-6789AB-CDEF01")?;
    }
    let problem = "must be at least 1; for no budget, give no gcp.budget.billing_account";
    ensure("gcp.budget.monthly", budget.monthly >= 1, problem)
}

pub(super) fn pool(pool: Option<&str>) -> Checked {
    let Some(pool) = pool else { return Ok(()) };
    let key = "gcp.workload_identity_pool";
    name(key, pool, 4..=32, "-", &LOWER_OR_DIGIT)?;
    ensure(key, !pool.starts_with("gcp-"), "Google keeps ids that start with `gcp-` for itself")
}

/// The longest end of a custom role's id, and the longest id that Google takes.
const LONGEST_ROLE: &str = "_configure_archive";
const ROLE_LETTERS: usize = 64;

pub(super) fn role_suffix(settings: &Settings) -> Checked {
    let Some(suffix) = &settings.gcp.role_suffix else { return Ok(()) };
    let key = "gcp.role_suffix";
    shaped(key, suffix, made_of(suffix, "_"), "letters, digits and underscores, such as 2")?;
    let role = format!("{}-{}", settings.project.prefix, settings.home()).replace('-', "_");
    let role = format!("{role}{LONGEST_ROLE}_{suffix}");
    let length = role.len();
    let problem = format!(
        "the role `{role}` has {length} characters, and Google takes {ROLE_LETTERS}: a shorter suffix is needed"
    );
    ensure(key, length <= ROLE_LETTERS, problem)
}

pub(super) fn image_repository(repository: Option<&str>) -> Checked {
    repository.map_or(Ok(()), |name_of| name("gcp.image_repository", name_of, 1..=63, "-", &LOWER))
}

/// Checks a list of single IAM members.
pub(super) fn members(key: &'static str, members: &[String]) -> Checked {
    unique(key, members)?;
    for member in members {
        let kinds = ["serviceAccount:", "user:", "group:", "principal:", "principalSet:"];
        let fits = kinds.iter().any(|kind| {
            member.strip_prefix(kind).is_some_and(|who| !who.is_empty() && !who.contains(' '))
        });
        let spoken = "an IAM member that names somebody: serviceAccount:, user:, group:, principal: or principalSet:";
        shaped(key, member, fits, spoken)?;
    }
    Ok(())
}

fn path(key: &'static str, value: &str) -> Checked {
    // Terraform and a policy must mean the same object by it.
    let plain = value.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let fits =
        plain && made_of(value, "._/-") && value.starts_with(|c: char| c.is_ascii_alphanumeric());
    let spoken = "letters, digits and any of `._-` between single slashes, a letter or digit first, without wildcards";
    shaped(key, value, fits, spoken)
}

/// True if a value is of letters, digits and these marks, and not empty.
fn made_of(value: &str, marks: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

pub(super) fn shaped(
    key: impl Into<Cow<'static, str>>,
    value: &str,
    fits: bool,
    spoken: &str,
) -> Checked {
    ensure(key, fits, format!("`{value}` must be {spoken}"))
}
