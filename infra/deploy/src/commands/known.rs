//! Outputs of earlier deploys, kept in files: the engines exchange values only through these.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use args::Part;
use infra::files::{self, KnownProducer, KnownRegion, ResolvedOutputs};

use super::kept;
pub(super) use super::kept::Outputs;
use super::site::DeployContext;
use cli::Failure;

/// `outputs/ENVIRONMENT/PART.json`; for the Google side of another region, the file of its home.
pub(super) fn file(site: &DeployContext, part: Part) -> PathBuf {
    let settings = &site.settings;
    let environment = match part {
        Part::Gcp => settings.home(),
        _ => &settings.project.environment,
    };
    kept::file(&site.checkout.root, environment, part)
}

/// Keeps a part's outputs for the others; replaces the file atomically.
pub(super) fn write(site: &DeployContext, part: Part, outputs: &Outputs) -> anyhow::Result<()> {
    let path = file(site, part);
    let mut text = serde_json::to_string_pretty(outputs)?;
    text.push('\n');
    kept::replace(&path, &text).with_context(|| format!("write {}", path.display()))
}

/// The kept outputs of a part; `None` if it was never deployed from this checkout.
pub(super) fn read(site: &DeployContext, part: Part) -> anyhow::Result<Option<Outputs>> {
    kept::read(&file(site, part), part)
}

/// Forgets a part that was destroyed.
pub(super) fn forget(site: &DeployContext, part: Part) -> anyhow::Result<()> {
    let path = file(site, part);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("delete {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The known outputs of all parts.
pub(super) fn known(site: &DeployContext) -> anyhow::Result<ResolvedOutputs> {
    let of = |part| -> anyhow::Result<Outputs> { Ok(read(site, part)?.unwrap_or_default()) };
    let (aws, gcp, foundation) = (of(Part::Aws)?, of(Part::Gcp)?, of(Part::Foundation)?);
    let get = |outputs: &Outputs, name: &str| outputs.get(name).cloned();
    let account = get(&aws, "Account").or_else(|| get(&foundation, "account_id"));
    Ok(ResolvedOutputs {
        regions: regions(site, account.as_deref())?,
        aws_account: account,
        aws_endpoint: site.local.as_ref().map(|local| local.aws_endpoint.clone()),
        gcs_endpoint: site.local.as_ref().map(|local| local.storage_endpoint.clone()),
        ingest_image: get(&gcp, "ingest_image"),
        replicate_image: get(&gcp, "replicate_image"),
        producer: Box::new(KnownProducer {
            image: get(&gcp, "producer_image"),
            program: get(&foundation, "producer_program"),
            google_subject: get(&gcp, "producer_service_account_unique_id"),
            google_role_arn: get(&foundation, "google_producer_role_arn"),
        }),
        google_replicate_subject: get(&gcp, "replicate_service_account_unique_id"),
        google_audience_for_aws: get(&gcp, "aws_workload_identity_audience"),
        google_reader_role_arn: get(&foundation, "google_reader_role_arn"),
        alert_topic_arn: get(&foundation, "alert_topic_arn"),
        functions_boundary_arn: get(&foundation, "functions_boundary_arn"),
        ..ResolvedOutputs::default()
    })
}

/// The deployments in other regions. Google admits roles of one account.
fn regions(
    site: &DeployContext,
    account: Option<&str>,
) -> anyhow::Result<BTreeMap<String, KnownRegion>> {
    let regions = site.settings.regions.iter().map(|region| {
        let of = |part| -> anyhow::Result<Outputs> {
            let path = kept::file(&site.checkout.root, &region.environment, part);
            Ok(kept::read(&path, part)?.unwrap_or_default())
        };
        let mut aws = of(Part::Aws)?;
        if let (Some(there), Some(here)) = (aws.get("Account"), account)
            && there != here
        {
            let (environment, home) = (&region.environment, site.settings.home());
            anyhow::bail!(
                "{environment} is deployed in the account {there}, and {home}, which it is in another region, in {here}: \
                 deploy both with credentials of one account"
            );
        }
        let known = KnownRegion {
            bucket: aws.remove("BucketName"),
            google_reader_role_arn: of(Part::Foundation)?.remove("google_reader_role_arn"),
        };
        Ok((region.environment.clone(), known))
    });
    regions.collect()
}

/// Renders the files for Terraform and a shell, with all known outputs.
pub(super) fn render(site: &DeployContext, known: &ResolvedOutputs) -> Result<PathBuf, Failure> {
    let folder = site.checkout.root.join(files::folder(&site.settings));
    let rendered = files::render(&site.settings, known)?;
    files::write(&rendered, &folder).map_err(Failure::missing)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use infra::Settings;

    use super::*;
    use infra::Checkout;

    #[test]
    fn regions_are_known_by_their_outputs_and_share_an_account() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        let settings = format!(
            "{}\n[env.deveu.project]\nregion_of = \"dev\"\n[env.deveu.aws]\nregion = \"eu-west-1\"\n",
            include_str!("../../../../twincloud.toml")
        );
        let site = |env| DeployContext {
            checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
            settings: Settings::parse(root, &settings, Some(env), &[], std::iter::empty())
                .expect("valid"),
            local: None,
            sets: Vec::new(),
        };
        let outputs = |account: &str, bucket: &str| {
            let pairs = [("Account", account), ("BucketName", bucket)];
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (home, there) = (site("dev"), site("deveu"));
        write(&home, Part::Aws, &outputs("1", "here")).expect("written");
        assert_eq!(known(&home).expect("known").regions["deveu"], KnownRegion::default());
        write(&there, Part::Aws, &outputs("1", "there")).expect("written");
        let bucket = known(&home).expect("known").regions["deveu"].bucket.clone();
        assert_eq!(bucket.as_deref(), Some("there"));
        write(&there, Part::Aws, &outputs("2", "there")).expect("written");
        let error = known(&home).expect_err("two accounts").to_string();
        assert!(error.starts_with("deveu is deployed in the account 2, and dev"), "{error}");
        assert_eq!(file(&there, Part::Gcp), file(&home, Part::Gcp));
        assert_ne!(file(&there, Part::Foundation), file(&home, Part::Foundation));
    }
}
