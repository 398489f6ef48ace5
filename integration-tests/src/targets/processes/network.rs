//! The network between everybody and every service: who sees which service where, and links that can be broken.
//!
//! Each link is a proxy of its own, so that one can be cut while the others work: Google's functions lose sight of AWS's
//! archive, and the producer does not.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use fault_proxy::{Fault, FaultId, Happened, Level, OnEvent, Proxy};

use crate::history::{CloudName, Event, History};

/// Nobody listens there: where links lead before a service is started.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Who uses a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Viewer {
    /// The harness: it sends poison, starts replicate and reads what is there. Its links are never broken.
    Harness,
    /// The producer.
    Producer,
    /// The functions on AWS.
    Aws,
    /// The functions on Google Cloud.
    Gcp,
    /// Pub/Sub, which pushes.
    PubSub,
}

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// All of AWS: one endpoint.
    Aws,
    /// Pub/Sub.
    PubSub,
    /// Firestore.
    Firestore,
    /// Cloud Storage.
    Storage,
    /// The Cloud Run service that ingests.
    Ingest,
    /// The Cloud Run service that replicates.
    Replicate,
}

impl Service {
    /// The cloud that it belongs to.
    #[must_use]
    pub fn cloud(self) -> CloudName {
        match self {
            Self::Aws => CloudName::Aws,
            _ => CloudName::Gcp,
        }
    }
}

/// A link: who, and what.
pub type Link = (Viewer, Service);

/// All links that anybody uses.
pub const LINKS: [Link; 15] = [
    (Viewer::Harness, Service::Aws),
    (Viewer::Harness, Service::PubSub),
    (Viewer::Harness, Service::Firestore),
    (Viewer::Harness, Service::Storage),
    (Viewer::Harness, Service::Replicate),
    (Viewer::Producer, Service::Aws),
    (Viewer::Producer, Service::PubSub),
    (Viewer::Producer, Service::Firestore),
    (Viewer::Producer, Service::Storage),
    (Viewer::Aws, Service::Aws),
    (Viewer::Aws, Service::Storage),
    (Viewer::Gcp, Service::Aws),
    (Viewer::Gcp, Service::Firestore),
    (Viewer::Gcp, Service::Storage),
    (Viewer::PubSub, Service::Ingest),
];

/// The links.
#[derive(Debug)]
pub struct Network {
    /// None: everybody uses the services directly, and no link can be broken.
    proxies: Option<BTreeMap<Link, Proxy>>,
    direct: BTreeMap<Service, String>,
}

impl Network {
    /// Everybody uses the services directly.
    #[must_use]
    pub fn direct() -> Self {
        Self { proxies: None, direct: BTreeMap::new() }
    }

    /// A proxy for each link; what becomes of faults goes into the history.
    pub async fn of_proxies(level: Level, seed: u64, history: &History) -> anyhow::Result<Self> {
        let mut proxies = BTreeMap::new();
        for (number, link) in (0..).zip(LINKS) {
            let history = history.clone();
            let cloud = link.1.cloud();
            let on_event = OnEvent::new(move |event| {
                let fault = format!("{} {} {}", event.proxy, event.kind, event.fault.0);
                history.record(match event.happened {
                    Happened::Added { spec } => {
                        let detail = serde_json::to_string(&spec).unwrap_or_default();
                        Event::FaultBegun { cloud, fault, detail }
                    }
                    Happened::Removed { .. } => Event::FaultHealed { cloud, fault },
                    Happened::Fired { detail, .. } => Event::FaultFired { cloud, fault, detail },
                });
            });
            let proxy = Proxy::before(NOWHERE)?
                .level(level)
                .name(name(link))
                .seed(seed.wrapping_add(number))
                .on_event(on_event)
                .start();
            proxies.insert(link, proxy.await.context("start a proxy")?);
        }
        Ok(Self { proxies: Some(proxies), direct: BTreeMap::new() })
    }

    /// A service is there from now on, or somewhere else.
    pub fn leads_to(&mut self, service: Service, endpoint: &str) -> anyhow::Result<()> {
        self.direct.insert(service, endpoint.to_owned());
        let links = self.proxies.iter().flatten().filter(|((_, of), _)| *of == service);
        for (_, proxy) in links {
            proxy.set_upstream(endpoint)?;
        }
        Ok(())
    }

    /// Where `viewer` sees `service`; without proxies, nowhere before it is started.
    #[must_use]
    pub fn endpoint(&self, viewer: Viewer, service: Service) -> String {
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.get(&(viewer, service)));
        proxy.map_or_else(
            || self.direct.get(&service).cloned().unwrap_or_else(|| NOWHERE.to_owned()),
            Proxy::endpoint,
        )
    }

    /// Whether links can be broken.
    #[must_use]
    pub fn is_breakable(&self) -> bool {
        self.proxies.is_some()
    }

    /// Breaks links that are there; what comes back heals them.
    pub fn add(&self, links: &[Link], fault: &Fault) -> anyhow::Result<Broken> {
        let mut broken = Broken::default();
        for link in links {
            let proxy = self.proxy(*link)?;
            let id = proxy.faults().add(fault.clone());
            broken.0.push((*link, id.with_context(|| format!("break {}", name(*link)))?));
        }
        Ok(broken)
    }

    /// Takes faults off again, and says how often they fired.
    pub fn heal(&self, broken: Broken) -> u64 {
        let fired = broken.0.into_iter().filter_map(|(link, id)| {
            self.proxy(link).ok().and_then(|proxy| proxy.faults().remove(id))
        });
        fired.sum()
    }

    /// How often faults have fired so far.
    #[must_use]
    pub fn fired(&self, broken: &Broken) -> u64 {
        let fired = broken
            .0
            .iter()
            .filter_map(|(link, id)| self.proxy(*link).ok().map(|proxy| proxy.faults().fired(*id)));
        fired.sum()
    }

    /// Writes down what the functions of both clouds have called.
    pub fn tell_requests(&self, history: &History) {
        let of_functions = |(viewer, _): &Link| matches!(viewer, Viewer::Aws | Viewer::Gcp);
        let links = self.proxies.iter().flatten().filter(|(link, _)| of_functions(link));
        for (link, proxy) in links {
            for ((service, operation), count) in proxy.requests() {
                let link = name(*link);
                history.record(Event::Requests { link, service, operation, count });
            }
        }
    }

    /// Takes all faults off.
    pub fn heal_all(&self) {
        for proxy in self.proxies.iter().flat_map(BTreeMap::values) {
            proxy.faults().clear();
        }
    }

    fn proxy(&self, link: Link) -> anyhow::Result<&Proxy> {
        let proxies = self.proxies.as_ref().context("this run has no proxies to break")?;
        proxies.get(&link).with_context(|| format!("there is no link {}", name(link)))
    }
}

/// Faults in force.
#[derive(Debug, Default)]
#[must_use = "it is what heals them"]
pub struct Broken(Vec<(Link, FaultId)>);

fn name((viewer, service): Link) -> String {
    format!("{viewer} to {service}")
}

impl fmt::Display for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Harness => "harness",
            Self::Producer => "producer",
            Self::Aws => "aws-functions",
            Self::Gcp => "gcp-functions",
            Self::PubSub => "pubsub-push",
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Aws => "aws",
            Self::PubSub => "pubsub",
            Self::Firestore => "firestore",
            Self::Storage => "storage",
            Self::Ingest => "gcp-ingest",
            Self::Replicate => "gcp-replicate",
        })
    }
}
