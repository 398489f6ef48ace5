//! The account and the project that a command works on: checked before anything is changed, and named in each plan and each
//! question.

use std::fmt;
use std::fs;

use anyhow::anyhow;
use args::Part;
use infra::files;
use serde::Serialize;

use super::known::{self, Outputs};
use super::site::DeployContext;
use super::step::Step;
use cli::Failure;

/// The account of every emulator of AWS.
const EMULATED: &str = "000000000000";

/// The account and the project of a plan or question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Clouds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aws: Option<Account>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gcp: Option<Project>,
}

/// An account of AWS, in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    pub(super) account: String,
    pub(super) region: String,
}

/// A project of Google Cloud, in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Project {
    pub(super) project: String,
    pub(super) region: String,
}

impl Clouds {
    /// The clouds that these steps would change.
    pub(super) fn of(site: &DeployContext, steps: &[Step]) -> Self {
        let of_stack = |step: &Step| match step {
            Step::CloudFormation(plan) => account_in(&plan.stack_id),
            _ => None,
        };
        let is_root =
            |step: &Step, name: &str| matches!(step, Step::Terraform(plan) if plan.root == name);
        let rendered = || {
            let any = steps.iter().any(|step| is_root(step, "terraform"));
            any.then(|| rendered_account(site)).flatten()
        };
        let on_google =
            |step: &Step| matches!(step, Step::Google(_)) || is_root(step, "terraform-gcp");
        let account = steps.iter().find_map(of_stack).or_else(rendered);
        Self {
            aws: account.map(|account| Self::account(site, account)),
            gcp: steps.iter().any(on_google).then(|| Self::project(site)),
        }
    }

    /// The clouds of a command's parts, after signing in to AWS with `account` if that is one of them.
    pub(super) fn with(site: &DeployContext, account: Option<String>, parts: &[Part]) -> Self {
        Self {
            aws: account.map(|account| Self::account(site, account)),
            gcp: parts.contains(&Part::Gcp).then(|| Self::project(site)),
        }
    }

    fn account(site: &DeployContext, account: String) -> Account {
        Account { account, region: site.settings.aws.region.clone() }
    }

    fn project(site: &DeployContext) -> Project {
        let gcp = &site.settings.gcp;
        Project { project: gcp.project.clone(), region: gcp.region.clone() }
    }
}

impl fmt::Display for Clouds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aws = self.aws.as_ref();
        let aws = aws.map(|aws| format!("AWS account {} in {}", aws.account, aws.region));
        let gcp = self.gcp.as_ref();
        let gcp = gcp.map(|gcp| format!("Google project {} in {}", gcp.project, gcp.region));
        let all: Vec<String> = aws.into_iter().chain(gcp).collect();
        f.write_str(&all.join(", "))
    }
}

/// `arn:aws:cloudformation:REGION:ACCOUNT:stack/…`
fn account_in(arn: &str) -> Option<String> {
    let account = arn.split(':').nth(4)?;
    (!account.is_empty()).then(|| account.to_owned())
}

/// The account in the rendered values of the foundation, if there is only one.
fn rendered_account(site: &DeployContext) -> Option<String> {
    let folder = site.checkout.root.join(files::folder(&site.settings));
    let text = fs::read(folder.join("terraform/terraform.tfvars.json")).ok()?;
    let values: serde_json::Value = serde_json::from_slice(&text).ok()?;
    values.get("account")?.as_str().map(str::to_owned)
}

/// Refuses credentials for another account than the settings name, or, if they name none, than the one that this environment
/// was deployed to.
pub(super) fn check_account(site: &DeployContext, account: &str) -> Result<(), Failure> {
    let environment = &site.settings.project.environment;
    // Emulators all have the same account, so a setting with a real account does not apply to them.
    if site.local.is_some() && account == EMULATED {
        return Ok(());
    }
    if let Some(only) = &site.settings.aws.account {
        if only == account {
            return Ok(());
        }
        return Err(Failure::usage(anyhow!(
            "these credentials are for the AWS account {account}, and aws.account is {only}; nothing was changed; sign in to {only} \
             (AWS_PROFILE, or `aws sso login`), or change the setting if {account} is meant"
        )));
    }
    if site.local.is_some() {
        return Ok(());
    }
    for (part, name) in [(Part::Aws, "Account"), (Part::Foundation, "account_id")] {
        let kept = known::read(site, part)?.unwrap_or_default();
        let Some(kept) = kept.get(name).filter(|kept| *kept != EMULATED) else { continue };
        if kept != account {
            return Err(Failure::usage(anyhow!(
                "these credentials are for the AWS account {account}, and {environment} was deployed to {kept} \
                 ({}); nothing was changed; sign in to {kept} (AWS_PROFILE, or `aws sso login`), or pass --set \
                 aws.account={account} if {account} is meant",
                known::file(site, part).display()
            )));
        }
    }
    Ok(())
}

/// Refuses a Terraform state of another project: its resources would be deleted there.
pub(super) fn check_project(site: &DeployContext, outputs: &Outputs) -> Result<(), Failure> {
    let gcp = &site.settings.gcp;
    match outputs.get("project") {
        Some(deployed) if *deployed != gcp.project => Err(Failure::usage(anyhow!(
            "gcp.project is {}, and what is deployed by the state in gs://{}/{} is in the project {deployed}; nothing was \
             changed; pass --set gcp.project={deployed} if that is meant, or name another gcp.state.bucket or gcp.state.prefix",
            gcp.project,
            gcp.state.bucket.as_deref().unwrap_or("BUCKET"),
            gcp.state.prefix
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use infra::Settings;

    use super::*;
    use crate::local::LocalClouds;
    use infra::Checkout;

    fn site(root: &std::path::Path, sets: &[&str]) -> DeployContext {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let text = include_str!("../../../../twincloud.toml");
        DeployContext {
            checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
            settings: Settings::parse(root, text, Some("dev"), &sets, std::iter::empty())
                .expect("valid"),
            local: None,
            sets,
        }
    }

    fn outputs(name: &str, value: &str) -> Outputs {
        Outputs::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn another_account_than_is_set_or_kept_is_refused_with_both() {
        const THIS: &str = "111111111111";
        const OTHER: &str = "222222222222";
        let folder = tempfile::tempdir().expect("a folder");
        let free = site(folder.path(), &[]);
        check_account(&free, THIS).expect("nothing speaks against it");

        let set = site(folder.path(), &["aws.account=222222222222"]);
        let error = check_account(&set, THIS).expect_err("another one is set");
        assert!(matches!(error, Failure::Usage(_)), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(THIS) && text.contains(OTHER) && text.contains("AWS_PROFILE"),
            "{text}"
        );

        known::write(&free, Part::Foundation, &outputs("account_id", OTHER)).expect("written");
        let error = check_account(&free, THIS).expect_err("another one is kept");
        assert!(matches!(error, Failure::Usage(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("dev was deployed to 222222222222"), "{text}");
        assert!(text.contains("--set aws.account=111111111111"), "{text}");
        check_account(&free, OTHER).expect("the same");
        // A setting has precedence over a kept value, and an emulator's account counts as none.
        check_account(&site(folder.path(), &["aws.account=111111111111"]), THIS).expect("set");
        known::write(&free, Part::Foundation, &outputs("account_id", EMULATED)).expect("written");
        check_account(&free, THIS).expect("an emulator's");

        // The setting has the real account; emulators have one of their own.
        let local = LocalClouds {
            pid: 1,
            aws_endpoint: String::new(),
            pubsub_endpoint: String::new(),
            firestore_endpoint: String::new(),
            storage_endpoint: String::new(),
            run_endpoint: String::new(),
            enforces_policies: false,
        };
        let emulated = DeployContext {
            local: Some(local),
            ..site(folder.path(), &["aws.account=222222222222"])
        };
        check_account(&emulated, EMULATED).expect("emulators");
        check_account(&emulated, THIS).expect_err("no emulator's account");
    }

    #[test]
    fn a_state_of_another_project_is_refused_with_both() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = site(folder.path(), &["gcp.project=mine-1", "gcp.state.bucket=states"]);
        check_project(&site, &outputs("project", "mine-1")).expect("the same");
        check_project(&site, &Outputs::new()).expect("nothing is deployed");
        let error = check_project(&site, &outputs("project", "other-1")).expect_err("another");
        assert!(matches!(error, Failure::Usage(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("mine-1") && text.contains("other-1"), "{text}");
        assert!(text.contains("gs://states/terraform-gcp"), "{text}");
    }

    #[test]
    fn they_are_named_with_their_regions() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = site(folder.path(), &["gcp.project=mine-1"]);
        let both = Clouds::with(&site, Some("111111111111".to_owned()), &[Part::Aws, Part::Gcp]);
        assert_eq!(
            both.to_string(),
            "AWS account 111111111111 in us-east-1, Google project mine-1 in us-central1"
        );
        assert_eq!(
            account_in("arn:aws:cloudformation:us-east-1:111111111111:stack/a/b").as_deref(),
            Some("111111111111")
        );
    }
}
