//! The network between clients and services: the endpoint of each service for each client, and links that can be broken.
//!
//! Each link is a proxy of its own, so that one can be cut while the others work: Google's functions lose sight of AWS's
//! archive, and the producer does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use fault_proxy::{Fault, FaultEventKind, FaultId, Level, OnEvent, Proxy};

use crate::fault::Fault as RunFault;
use crate::history::{CloudId, Event, History};

/// An address without a listener: links lead there before a service is started.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A client of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
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

impl Client {
    /// True if it runs beside the emulators: one of them, or functions that one of them runs.
    #[must_use]
    pub fn is_among_emulators(self) -> bool {
        matches!(self, Self::Aws | Self::PubSub)
    }
}

/// A service.
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
    pub fn cloud(self) -> CloudId {
        match self {
            Self::Aws => CloudId::Aws,
            _ => CloudId::Gcp,
        }
    }
}

/// A link: who, and what.
pub type Link = (Client, Service);

/// All links that anybody uses.
pub const LINKS: [Link; 14] = [
    (Client::Harness, Service::Aws),
    (Client::Harness, Service::PubSub),
    (Client::Harness, Service::Firestore),
    (Client::Harness, Service::Storage),
    (Client::Harness, Service::Replicate),
    (Client::Producer, Service::Aws),
    (Client::Producer, Service::PubSub),
    (Client::Producer, Service::Firestore),
    (Client::Aws, Service::Aws),
    (Client::Aws, Service::Storage),
    (Client::Gcp, Service::Aws),
    (Client::Gcp, Service::Firestore),
    (Client::Gcp, Service::Storage),
    (Client::PubSub, Service::Ingest),
];

/// The links.
#[derive(Debug)]
pub struct Network {
    /// None: clients use the services directly, and no link can be broken.
    proxies: Option<BTreeMap<Link, Proxy>>,
    direct: BTreeMap<Service, String>,
    /// The proxies' addresses for those who have another loopback.
    from_elsewhere: BTreeMap<Link, String>,
    names: Arc<Mutex<Names>>,
    history: Option<History>,
}

/// The faults in force as the history has them: a fault on several links is one, and counts as fired where it has hit
/// something on any of them.
#[derive(Debug, Default)]
struct Names {
    by_id: BTreeMap<(Link, FaultId), RunFault>,
    /// The fault being added: it may hit something before its id is known here.
    latest: Option<RunFault>,
}

impl Network {
    /// A network without proxies: clients use the services directly.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            proxies: None,
            direct: BTreeMap::new(),
            from_elsewhere: BTreeMap::new(),
            names: Arc::default(),
            history: None,
        }
    }

    /// A proxy for each link; what faults hit goes into the history.
    pub async fn of_proxies(level: Level, seed: u64, history: &History) -> anyhow::Result<Self> {
        let names: Arc<Mutex<Names>> = Arc::default();
        let mut proxies = BTreeMap::new();
        for (number, link) in (0..).zip(LINKS) {
            let (history, names) = (history.clone(), Arc::clone(&names));
            let on_event = OnEvent::new(move |event| {
                let FaultEventKind::Fired { detail, .. } = event.happened else { return };
                let names = names.lock().unwrap_or_else(PoisonError::into_inner);
                let fault = names.by_id.get(&(link, event.fault)).copied().or(names.latest);
                let Some(fault) = fault else { return };
                let (cloud, detail) = (link.1.cloud(), format!("{}: {detail}", event.proxy));
                history.record(Event::FaultFired { cloud, fault, detail });
            });
            let proxy = Proxy::before(NOWHERE)?
                .level(level)
                .name(name(link))
                .seed(seed.wrapping_add(number))
                .on_event(on_event)
                .start();
            proxies.insert(link, proxy.await.context("start a proxy")?);
        }
        let (proxies, history) = (Some(proxies), Some(history.clone()));
        Ok(Self { proxies, names, history, ..Self::direct() })
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

    /// The port of a link's proxy on this machine's loopback.
    pub fn port(&self, link: Link) -> anyhow::Result<u16> {
        Ok(self.proxy(link)?.address().port())
    }

    /// Sets the proxy's address for a client with a loopback of its own, as in a container.
    pub fn is_reached_by(&mut self, link: Link, endpoint: String) {
        self.from_elsewhere.insert(link, endpoint);
    }

    /// Endpoint of `service` for `viewer`; without proxies, none before it is started.
    #[must_use]
    pub fn endpoint(&self, viewer: Client, service: Service) -> String {
        let link = (viewer, service);
        if let Some(endpoint) = self.from_elsewhere.get(&link) {
            return endpoint.clone();
        }
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.get(&link));
        proxy.map_or_else(
            || self.direct.get(&service).cloned().unwrap_or_else(|| NOWHERE.to_owned()),
            Proxy::endpoint,
        )
    }

    /// True if links can be broken.
    #[must_use]
    pub fn is_breakable(&self) -> bool {
        self.proxies.is_some()
    }

    /// Breaks links with a fault of the run; the result heals them.
    pub fn add(&self, fault: RunFault, links: &[Link], spec: &Fault) -> anyhow::Result<Broken> {
        let clouds: BTreeSet<CloudId> = links.iter().map(|(_, of)| of.cloud()).collect();
        for cloud in &clouds {
            let detail = serde_json::to_string(spec).unwrap_or_default();
            self.tell(Event::FaultBegun { cloud: *cloud, fault, detail });
        }
        let mut broken = Broken { fault, clouds, links: Vec::new() };
        for link in links {
            // Not held while a fault is added: its proxy may be telling of another one just then.
            self.names().latest = Some(fault);
            let id = self.proxy(*link)?.faults().add(spec.clone());
            let id = id.with_context(|| format!("break {}", name(*link)))?;
            self.names().by_id.insert((*link, id), fault);
            broken.links.push((*link, id));
        }
        Ok(broken)
    }

    /// Takes faults off again.
    pub fn heal(&self, broken: Broken) {
        for (link, id) in broken.links {
            if let Ok(proxy) = self.proxy(link) {
                proxy.faults().remove(id);
            }
        }
        for cloud in broken.clouds {
            self.tell(Event::FaultHealed { cloud, fault: broken.fault });
        }
    }

    /// True if faults have hit something in every cloud that they are to hit.
    #[must_use]
    pub fn has_fired(&self, broken: &Broken) -> bool {
        let fired = broken.links.iter().filter(|(link, id)| {
            self.proxy(*link).is_ok_and(|proxy| proxy.faults().fired(*id) > 0)
        });
        let hit: BTreeSet<CloudId> = fired.map(|((_, of), _)| of.cloud()).collect();
        hit == broken.clouds
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        if let Some(history) = &self.history {
            history.record(event);
        }
    }

    /// Writes down what the functions of both clouds have called.
    pub fn tell_requests(&self, history: &History) {
        let of_functions = |(viewer, _): &Link| matches!(viewer, Client::Aws | Client::Gcp);
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

/// A fault in force.
#[derive(Debug)]
#[must_use = "it is what heals them"]
pub struct Broken {
    fault: RunFault,
    clouds: BTreeSet<CloudId>,
    links: Vec<(Link, FaultId)>,
}

fn name((viewer, service): Link) -> String {
    format!("{viewer} to {service}")
}

impl fmt::Display for Client {
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
