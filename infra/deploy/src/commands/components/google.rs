//! Google Cloud: Terraform on the cloud itself, this crate's own engine on emulators.

use anyhow::{Context as _, anyhow};
use args::Part;
use async_trait::async_trait;
use cli::{Failure, Progress};
use cloud_gcp::{FirestoreStore, PubSubQueue};
use infra::files::ResolvedOutputs;
use pipeline::ports::Queue as _;
use serde_json::Value;

use super::{Component, Deployed, Destroyed, Drifted, Observed};
use crate::cloud_storage::{self, CloudStorage, Token};
use crate::commands::cloud_status::{CloudStatus, NO_PEER, last_candles};
use crate::commands::clouds::check_project;
use crate::commands::known::{self, Outputs};
use crate::commands::session::{Session, State};
use crate::commands::site::{DeployContext, now_ms};
use crate::commands::step::Step;
use crate::plan::Change;
use crate::smoke;
use crate::terraform::{Plan, Purpose, Removed, Root};

mod emulated;
mod images;
mod rights;

/// Google's side.
pub(super) struct Google;

#[async_trait]
impl Component for Google {
    async fn plan(&self, site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
        plan(site, progress).await
    }

    async fn apply(
        &self,
        site: &DeployContext,
        args: &args::Deploy,
        progress: &Progress,
    ) -> Result<Deployed, Failure> {
        deploy(site, args, progress).await
    }

    async fn outputs(&self, site: &DeployContext, progress: &Progress) -> Result<Outputs, Failure> {
        outputs(site, progress).await
    }

    async fn observe(
        &self,
        site: &DeployContext,
        progress: &Progress,
    ) -> Result<Observed, Failure> {
        let observed = observe(site, &told, progress).await?;
        if let Observed::Deployed(outputs) = &observed {
            check_project(site, outputs)?;
        }
        Ok(observed)
    }

    async fn drift(&self, site: &DeployContext, progress: &Progress) -> Result<Drifted, Failure> {
        Ok(Drifted { changes: drift(site, progress).await?, ..Drifted::default() })
    }

    async fn check_destroy(
        &self,
        site: &DeployContext,
        _: bool,
        progress: &Progress,
    ) -> Result<(), Failure> {
        can_be_destroyed(site, progress).await
    }

    async fn destroy(
        &self,
        site: &DeployContext,
        progress: &Progress,
    ) -> Result<Destroyed, Failure> {
        destroy(site, progress).await
    }

    async fn status(&self, site: &DeployContext, progress: Option<&Progress>) -> CloudStatus {
        status(site, progress).await
    }
}

async fn plan(site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure> {
    tell_left_out(site, progress)?;
    if site.local.is_some() {
        return emulated::plan(site, progress).await;
    }
    let session = session(site, &with_images(site)?, progress).await?;
    Ok(vec![Step::Terraform(session.look(Purpose::Deploy).await?)])
}

/// Notes deployed regions that the settings omit: no cloud would copy from them.
fn tell_left_out(site: &DeployContext, progress: &Progress) -> Result<(), Failure> {
    for region in site.settings.regions_left_out(&known::known(site)?) {
        progress.note(format!("note: Google does not copy from {region}"));
    }
    Ok(())
}

/// The images' digests are known before they are pushed, their repository once it exists.
fn with_images(site: &DeployContext) -> Result<ResolvedOutputs, Failure> {
    let known = known::known(site)?;
    let outputs = known::read(site, Part::Gcp)?.unwrap_or_default();
    match outputs.get("image_repository") {
        Some(repository) => images::references(site, repository, known),
        None => Ok(known),
    }
}

async fn deploy(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<Deployed, Failure> {
    tell_left_out(site, progress)?;
    let (outputs, granted) = match site.local {
        Some(_) => (emulated::deploy(site, args, progress).await?, false),
        None => on_cloud(site, args, progress).await?,
    };
    known::write(site, Part::Gcp, &outputs)?;
    let smoke = match outputs.get("ingest_url") {
        Some(_) => Some(smoke(site, granted, progress).await?),
        None => None,
    };
    Ok(Deployed::new(Part::Gcp, outputs, smoke))
}

/// Returns the outputs, and true if grants were made. The same root creates the repository and refers to the images in it, so
/// the first apply is without images.
async fn on_cloud(
    site: &DeployContext,
    args: &args::Deploy,
    progress: &Progress,
) -> Result<(Outputs, bool), Failure> {
    if let Some(name) = other_sign_in(&told) {
        // Checked before the first apply, which would leave a deployment without images.
        let why = format!(
            "{name} is set, which only Terraform reads; the images are pushed and the smoke test is made with Application \
             Default Credentials"
        );
        Token::find(told(ACCESS_TOKEN).as_deref())
            .map_err(|error| Failure::missing(anyhow!("{why}, and there are none: {error}")))?;
        progress.note(format!("note: {why}"));
    }
    let known = known::known(site)?;
    let first = session(site, &known, progress).await?;
    let mut outputs = first.outputs().await?;
    if !outputs.contains_key("image_repository") {
        first.deploy(site, args.yes).await?;
        outputs = first.outputs().await?;
        known::write(site, Part::Gcp, &outputs)?;
    }
    let repository = outputs.get("image_repository").context("find the repository of images")?;
    let known = images::push(site, repository, known, progress).await?;
    let second = session(site, &known, progress).await?;
    second.deploy(site, args.yes).await?;
    Ok((second.outputs().await?, first.gave_rights() || second.gave_rights()))
}

async fn session<'p>(
    site: &DeployContext,
    known: &ResolvedOutputs,
    progress: &'p Progress,
) -> Result<Session<'p>, Failure> {
    let Some(bucket) = &site.settings.gcp.state.bucket else {
        return Err(Failure::usage(anyhow!(
            "gcp.state.bucket has no value: it names the bucket that Terraform keeps its state in; terraform-gcp/README.md \
             says how to make one"
        )));
    };
    let read = state(site, bucket, &told).await;
    let is_read = read.is_ok();
    if let Ok(Some(state)) = read {
        check_project(site, &state.outputs())?;
    }
    let session = Box::pin(ready(site, known, progress)).await?;
    // Terraform may have other credentials, or an error that explains why the state can't be read.
    if !is_read {
        check_project(site, &session.outputs().await?)?;
    }
    Ok(session)
}

/// Initialises the root without checking the project of its state.
async fn ready<'p>(
    site: &DeployContext,
    known: &ResolvedOutputs,
    progress: &'p Progress,
) -> Result<Session<'p>, Failure> {
    known::render(site, known)?;
    let root = Root::google(&site.checkout.root, &site.settings);
    Session::open(site, root, progress).await
}

async fn drift(site: &DeployContext, progress: &Progress) -> Result<Vec<Change>, Failure> {
    if site.local.is_some() {
        return emulated::drift(site).await;
    }
    session(site, &with_images(site)?, progress).await?.drift().await
}

async fn outputs(site: &DeployContext, progress: &Progress) -> Result<Outputs, Failure> {
    if site.local.is_some() {
        return emulated::outputs(site).await;
    }
    session(site, &known::known(site)?, progress).await?.outputs().await
}

/// The outputs of Google's side, if it is deployed; on the cloud itself, read from the state without Terraform if possible.
async fn observe(
    site: &DeployContext,
    told: Told<'_>,
    progress: &Progress,
) -> Result<Observed, Failure> {
    let outputs = if site.local.is_some() {
        outputs(site, progress).await?
    } else {
        // Without a bucket, these settings were never deployed to the cloud itself.
        let Some(bucket) = &site.settings.gcp.state.bucket else { return Ok(Observed::NotNamed) };
        match state(site, bucket, told).await {
            Ok(Some(state)) => state.outputs(),
            Ok(None) => return Ok(Observed::Absent),
            Err(failure) if lacks_token(&failure) => {
                let session = Box::pin(ready(site, &known::known(site)?, progress)).await?;
                session.outputs().await?
            }
            Err(failure) => return Err(failure),
        }
    };
    Ok(if outputs.contains_key("topic") { Observed::Deployed(outputs) } else { Observed::Absent })
}

/// Returns the value of an environment variable; none if it is empty.
type Told<'t> = &'t (dyn Fn(&str) -> Option<String> + Sync);

fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The environment variable that gives Terraform's backend credentials that [`Token::find`] does not use.
fn other_sign_in(told: Told<'_>) -> Option<&'static str> {
    let is_set = |name: &&str| told(name).is_some();
    // The backend's order: an access token has precedence over a key, and each of them can impersonate an account.
    let acts_as =
        ["GOOGLE_BACKEND_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"];
    let keys = ["GOOGLE_BACKEND_CREDENTIALS", "GOOGLE_CREDENTIALS"];
    let has_token = told(ACCESS_TOKEN).is_some();
    acts_as.into_iter().chain(keys.into_iter().filter(|_| !has_token)).find(is_set)
}

fn lacks_token(failure: &Failure) -> bool {
    let (Failure::Failed(error) | Failure::MissingPrerequisite(error)) = failure else {
        return false;
    };
    matches!(error.downcast_ref(), Some(cloud_storage::Error::NoCredentials(_)))
}

/// The content of the root's state; none before its first apply.
async fn state(
    site: &DeployContext,
    bucket: &str,
    told: Told<'_>,
) -> Result<Option<State>, Failure> {
    if let Some(name) = other_sign_in(told) {
        let why = format!("{name} is set, which only Terraform reads");
        return Err(Failure::missing(cloud_storage::Error::NoCredentials(why)));
    }
    let name = format!("{}/default.tfstate", site.settings.gcp.state.prefix.trim_matches('/'));
    let Some(object) = storage(told)?.object(bucket, &name).await? else { return Ok(None) };
    let state = State::read(&object.content);
    Ok(Some(state.with_context(|| format!("read Terraform's state gs://{bucket}/{name}"))?))
}

/// Cloud Storage itself, or its replacement that Terraform uses.
fn storage(told: Told<'_>) -> Result<CloudStorage, Failure> {
    let endpoint = told("GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT")
        .or_else(|| told("GOOGLE_STORAGE_CUSTOM_ENDPOINT"));
    CloudStorage::open(endpoint.as_deref(), told(ACCESS_TOKEN).as_deref()).map_err(Failure::missing)
}

/// Checks that a destroy can be completed; changes nothing.
async fn can_be_destroyed(site: &DeployContext, progress: &Progress) -> Result<(), Failure> {
    if site.local.is_some() {
        return Ok(());
    }
    let session = session(site, &known::known(site)?, progress).await?;
    let plan = session.look(Purpose::Destroy).await?;
    if let Some(name) = other_sign_in(&told) {
        destroyable(&plan, None).await?;
        progress.note(format!(
            "note: if all of it may be deleted isn't known: {name} is set, which only Terraform reads"
        ));
        return Ok(());
    }
    destroyable(&plan, Some(&storage(&told)?)).await?;
    let token = Token::find(told(ACCESS_TOKEN).as_deref()).map_err(Failure::missing)?;
    match rights::missing(rights::ENDPOINT, &token, &site.settings.gcp.project, &plan).await {
        Ok(missing) => permitted(&missing),
        Err(error) => {
            progress.note(format!("note: if all of it may be deleted isn't known: {error:#}"));
            Ok(())
        }
    }
}

fn permitted(missing: &[&str]) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "nothing was destroyed, as it would stop half-way: these credentials lack {}; let an administrator of the project do it",
        missing.join(", ")
    )))
}

/// The variable with a token that replaces Application Default Credentials, for Terraform too.
const ACCESS_TOKEN: &str = "GOOGLE_OAUTH_ACCESS_TOKEN";

/// Refuses a plan that would fail half-way: at a protected database, or at a bucket that must be empty and is not. Without
/// `storage`, buckets are not checked.
async fn destroyable(plan: &Plan, storage: Option<&CloudStorage>) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut held = Vec::new();
    for Removed { resource_type, before } in &plan.removed {
        let name = text(&before["name"]);
        match resource_type.as_str() {
            "google_firestore_database"
                if before["delete_protection_state"] == "DELETE_PROTECTION_ENABLED" =>
            {
                held.push((
                    format!("the database {name} is protected"),
                    "gcp.firestore.delete_protection=false",
                ));
            }
            "google_storage_bucket"
                if before["force_destroy"] != true
                    && let Some(storage) = storage
                    && storage.holds_anything(&name).await? =>
            {
                held.push((
                    format!("the bucket {name} holds objects"),
                    "gcp.archive.force_destroy=true",
                ));
            }
            _ => {}
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    let why: Vec<&str> = held.iter().map(|(why, _)| why.as_str()).collect();
    let sets: Vec<String> = held.iter().map(|(_, set)| format!("--set {set}")).collect();
    Err(Failure::usage(anyhow!(
        "nothing was destroyed, as it would stop half-way: {}; if all of it is to go, `cargo xtask deploy gcp {}` first, then \
         destroy",
        why.join(", and "),
        sets.join(" ")
    )))
}

async fn destroy(site: &DeployContext, progress: &Progress) -> Result<Destroyed, Failure> {
    if site.local.is_some() {
        return emulated::destroy(site, progress).await;
    }
    // Without images: a null image removes its service, and a destroy removes everything.
    let session = session(site, &known::known(site)?, progress).await?;
    session.destroy().await?;
    let left = session.resources().await?;
    let left = left.into_iter().map(|address| crate::inventory::Item {
        resource_type: address.split('.').next().unwrap_or_default().to_owned(),
        name: address,
        component: None,
    });
    Ok(Destroyed { part: Part::Gcp.to_string(), kept: Vec::new(), left: left.collect() })
}

/// Sends a trade through the deployed topic.
async fn smoke(
    site: &DeployContext,
    granted: bool,
    progress: &Progress,
) -> Result<smoke::Passed, Failure> {
    progress.now("smoke test: a trade on its way through the topic");
    let Ports { queue, store } = Ports::open(site).await?;
    let interval = *site.intervals()?.first().context("find an interval in trading.intervals")?;
    let symbol = site.smoke_symbol()?;
    let limits = site.smoke_limits(smoke::SPREAD_GCP, granted);
    let mut note = |text: String| progress.note(text);
    Ok(smoke::test(limits, &queue, &store, &symbol, interval, now_ms(), &mut note).await?)
}

/// The ports of a deployment.
struct Ports {
    queue: PubSubQueue,
    store: FirestoreStore,
}

impl Ports {
    async fn open(site: &DeployContext) -> Result<Self, Failure> {
        let gcp = &site.settings.gcp;
        let local = site.local.as_ref();
        let pubsub = local.map(|local| local.pubsub_endpoint.as_str());
        let firestore = local.map(|local| local.firestore_endpoint.as_str());
        let (topic, subscription) = (&gcp.pubsub.topic, &gcp.pubsub.subscription);
        let queue = PubSubQueue::connect(pubsub, &gcp.project, topic, subscription).await?;
        let (database, collection) = (&gcp.firestore.database, &gcp.firestore.collection);
        let store = FirestoreStore::connect(firestore, &gcp.project, database, collection).await?;
        Ok(Self { queue, store })
    }
}

async fn status(site: &DeployContext, progress: Option<&Progress>) -> CloudStatus {
    let mut status = CloudStatus::default();
    if let Err(failure) = fill(site, &mut status, progress).await {
        status.take::<()>(Err(failure));
    }
    status
}

async fn fill(
    site: &DeployContext,
    status: &mut CloudStatus,
    progress: Option<&Progress>,
) -> Result<(), Failure> {
    match (&site.local, progress) {
        (Some(_), _) => emulated::fill(site, status, progress.is_some()).await?,
        (None, Some(progress)) if site.is_home() => {
            let session = session(site, &known::known(site)?, progress).await?;
            on_cloud_status(&session, status).await?;
        }
        // Terraform would take many seconds, and for another environment its answer would be wrong.
        (None, _) => {
            let outputs = known::read(site, Part::Gcp)?;
            status.stack = outputs.map(|outputs| format!("{} outputs kept", outputs.len()));
        }
    }
    if status.stack.is_none() {
        return Ok(());
    }
    status.dead_letters = status.take(dead_letters(site).await);
    if progress.is_some() {
        let ports = Ports::open(site).await?;
        let candles = last_candles(site, &ports.store).await;
        status.last_candles = status.take(candles).unwrap_or_default();
    }
    Ok(())
}

async fn on_cloud_status(session: &Session<'_>, status: &mut CloudStatus) -> Result<(), Failure> {
    let resources = session.resources().await?;
    if resources.is_empty() {
        return Ok(());
    }
    status.stack = Some(format!("{} resources", resources.len()));
    let outputs = session.outputs().await?;
    let image = |name: &str| outputs.get(name).map(|image| images::in_brief(name, image));
    status.functions = ["ingest_image", "replicate_image"].into_iter().filter_map(image).collect();
    if outputs.contains_key("replicate_image") {
        let role = outputs.get("replicate_peer_role");
        status.replicate =
            Some(role.map_or_else(|| NO_PEER.to_owned(), |role| format!("as {role}")));
    }
    status.drift = status.take(session.drift().await).map(|changes| changes.len());
    Ok(())
}

/// The most dead letters to count.
const DEAD_LETTERS: usize = 100;

/// Counts the dead letters by receiving and releasing them, since no API returns their number.
async fn dead_letters(site: &DeployContext) -> Result<u64, Failure> {
    let gcp = &site.settings.gcp;
    let names = (&gcp.pubsub.dead_letter_topic, &gcp.pubsub.dead_letter_subscription);
    let endpoint = site.local.as_ref().map(|local| local.pubsub_endpoint.as_str());
    let queue = PubSubQueue::connect(endpoint, &gcp.project, names.0, names.1).await?;
    let received = queue.receive(DEAD_LETTERS).await?;
    for message in &received {
        queue.release(&message.receipt).await?;
    }
    Ok(received.len() as u64)
}

#[cfg(test)]
mod tests;
