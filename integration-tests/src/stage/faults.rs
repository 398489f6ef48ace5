//! The faults of scenarios on emulators: the links that each one breaks, and what the proxies on them do.

use anyhow::bail;
use fault_proxy::{
    AwsError, Direction, Ending, Fault as Spec, GoogleError, HttpFault, Loss, Match, TcpFault,
    Which,
};

use crate::environments::emulated::network::{Client, LINKS, Link, Service};
use crate::history::CloudId;
use crate::schedule::{self, Fault};
use crate::testbed::Injection;

const PRODUCER_TO_AWS: Link = (Client::Producer, Service::Aws);
const PRODUCER_TO_PUBSUB: Link = (Client::Producer, Service::PubSub);
const AWS_FUNCTIONS: Link = (Client::Aws, Service::Aws);
const AWS_TO_PEER: Link = (Client::Aws, Service::Storage);
const GCP_TO_PEER: Link = (Client::Gcp, Service::Aws);
const GCP_TO_FIRESTORE: Link = (Client::Gcp, Service::Firestore);
const GCP_TO_STORAGE: Link = (Client::Gcp, Service::Storage);
const PUBSUB_TO_INGEST: Link = (Client::PubSub, Service::Ingest);

/// The longest time for which a message is held back to be reordered.
const MAX_HOLD_MS: u64 = 400;

/// The links that a fault breaks, and what their proxies do.
pub(super) fn broken_links(injection: Injection) -> anyhow::Result<(Vec<Link>, Spec)> {
    let Injection { cloud, fault } = injection;
    let is_aws = cloud == CloudId::Aws;
    Ok(match fault {
        Fault::Cut { link, hang: false } => (links(cloud, link), cut()),
        Fault::Cut { link, hang: true } => (links(cloud, link), Spec::tcp(TcpFault::HalfOpen)),
        Fault::OneWay { link } => {
            let deaf = TcpFault::Blackhole { direction: Direction::Down };
            (links(cloud, link), Spec::tcp(deaf))
        }
        Fault::Fail { service, percent } => {
            let (links, calls) = service_of(cloud, service);
            // A service of Google that is gone for all is not reached; the queue's producer gets its answer.
            let is_gone = percent == 100 && service != schedule::Service::Queue;
            let spec = match cloud {
                CloudId::Gcp if is_gone => return Ok((links, cut())),
                CloudId::Aws => Spec::aws(AwsError::Unavailable),
                CloudId::Gcp => Spec::google(GoogleError::Unavailable),
            };
            (links, spec.on(calls).probability(fraction(percent)))
        }
        Fault::Hang { service } => {
            let (links, calls) = service_of(cloud, service);
            // The endpoint of Google's service is its own.
            let spec = match cloud {
                CloudId::Aws => Spec::http(HttpFault::Hang).on(calls),
                CloudId::Gcp => Spec::tcp(TcpFault::HalfOpen),
            };
            (links, spec)
        }
        Fault::Throttle { percent } => {
            let spec = match cloud {
                CloudId::Aws => Spec::aws(AwsError::Throttling),
                CloudId::Gcp => Spec::google(GoogleError::ResourceExhausted),
            };
            (callers(cloud, true), spec.probability(fraction(percent)))
        }
        Fault::LoseAnswers { service: schedule::Service::All, percent } => {
            let loss = if is_aws { Loss::Connection } else { Loss::Stream };
            let spec = Spec::http(HttpFault::LostResponse { loss });
            (callers(cloud, false), spec.probability(fraction(percent)))
        }
        Fault::LoseAnswers { service, percent } => {
            let loss = if is_aws { Loss::Connection } else { Loss::Stream };
            let (links, calls) = service_of(cloud, service);
            let spec = Spec::http(HttpFault::LostResponse { loss });
            (links, spec.on(calls).probability(fraction(percent)))
        }
        Fault::Slow { delay_ms } => {
            // Two parts of five are the same for every call.
            let fixed_ms = delay_ms * 2 / 5;
            let (jitter_ms, direction) = (delay_ms - fixed_ms, Direction::Both);
            let delay = TcpFault::Delay { delay_ms: fixed_ms, jitter_ms, direction };
            (links(cloud, schedule::Link::All), Spec::tcp(delay))
        }
        Fault::Duplicate { percent } => {
            let twice = Spec::http(HttpFault::Duplicate { answer: Which::Last });
            let (link, sent) = publishes(cloud);
            (vec![link], twice.on(sent).probability(fraction(percent)))
        }
        Fault::Reorder { percent } => {
            let late = Spec::http(HttpFault::Reorder { max_hold_ms: MAX_HOLD_MS });
            let (link, sent) = publishes(cloud);
            (vec![link], late.on(sent).probability(fraction(percent)))
        }
        Fault::StopFunctions if !is_aws => (vec![PUBSUB_TO_INGEST], cut()),
        Fault::ExpireCredentials => match cloud {
            CloudId::Aws => {
                let expired = AwsError::Named {
                    status: 403,
                    code: "ExpiredTokenException".to_owned(),
                    message: "The security token included in the request is expired".to_owned(),
                };
                (vec![PRODUCER_TO_AWS], Spec::aws(expired))
            }
            CloudId::Gcp => (vec![PRODUCER_TO_PUBSUB], Spec::google(GoogleError::Unauthenticated)),
        },
        Fault::Kill
        | Fault::Pause
        | Fault::StopFunctions
        | Fault::Skew { .. }
        | Fault::CrashFunction { .. }
        | Fault::CrashProducer => bail!("{injection} is no fault of a link"),
    })
}

fn cut() -> Spec {
    Spec::tcp(TcpFault::Cut { how: Ending::Reset })
}

/// The links to a cloud on which these clients call.
fn links(cloud: CloudId, link: schedule::Link) -> Vec<Link> {
    match (link, cloud) {
        (schedule::Link::Producer, CloudId::Aws) => vec![PRODUCER_TO_AWS],
        (schedule::Link::Producer, CloudId::Gcp) => vec![PRODUCER_TO_PUBSUB],
        (schedule::Link::Peer, CloudId::Aws) => vec![GCP_TO_PEER],
        (schedule::Link::Peer, CloudId::Gcp) => vec![AWS_TO_PEER],
        (schedule::Link::All, _) => {
            let others = LINKS.iter().copied().filter(|(client, _)| *client != Client::Harness);
            others.filter(|(_, service)| service.cloud() == cloud).collect()
        }
    }
}

/// The links on which calls of a cloud's services are throttled or lose their answers; those of its peer, too, if asked for.
fn callers(cloud: CloudId, with_peer_of_aws: bool) -> Vec<Link> {
    match cloud {
        CloudId::Aws if with_peer_of_aws => vec![PRODUCER_TO_AWS, AWS_FUNCTIONS, GCP_TO_PEER],
        CloudId::Aws => vec![PRODUCER_TO_AWS, AWS_FUNCTIONS],
        CloudId::Gcp => {
            vec![PRODUCER_TO_PUBSUB, GCP_TO_FIRESTORE, GCP_TO_STORAGE, AWS_TO_PEER]
        }
    }
}

/// The links to a service, and its calls. A queue is broken for the producer, another service for the cloud's functions.
fn service_of(cloud: CloudId, service: schedule::Service) -> (Vec<Link>, Match) {
    use schedule::Service::{All, Archive, Queue, Store};
    let (links, name) = match (cloud, service) {
        (CloudId::Aws, Queue) => (vec![PRODUCER_TO_AWS], "sqs"),
        (CloudId::Aws, Archive) => (vec![AWS_FUNCTIONS], "s3"),
        (CloudId::Aws, Store) => (vec![AWS_FUNCTIONS], "dynamodb"),
        (CloudId::Gcp, Queue) => (vec![PRODUCER_TO_PUBSUB], "pubsub"),
        (CloudId::Gcp, Archive) => (vec![GCP_TO_STORAGE], "storage"),
        (CloudId::Gcp, Store) => (vec![GCP_TO_FIRESTORE], "firestore"),
        (_, All) => return (callers(cloud, true), Match::default()),
    };
    (links, Match::service(name))
}

/// The link and the calls by which the producer sends messages.
fn publishes(cloud: CloudId) -> (Link, Match) {
    match cloud {
        CloudId::Aws => (PRODUCER_TO_AWS, Match::service("sqs").operation("SendMessageBatch")),
        CloudId::Gcp => (PRODUCER_TO_PUBSUB, Match::service("pubsub").operation("Publish")),
    }
}

#[expect(clippy::float_arithmetic, reason = "a probability, and no amount")]
fn fraction(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;
    use crate::testbed::{Step, capabilities};
    use args::Target;

    /// Every fault of a scenario that emulators can play is one of links, but for those of whole processes.
    #[test]
    fn every_fault_of_a_link_has_links_of_its_cloud() {
        let mut count = 0;
        for scenario in ALL {
            for step in (scenario.steps)() {
                let Step::Begin(injection) = step else { continue };
                let is_had = step
                    .needs()
                    .is_some_and(|need| capabilities(Target::Processes).contains(&need));
                let is_own = matches!(
                    injection.fault,
                    Fault::Kill | Fault::Pause | Fault::CrashFunction { .. } | Fault::CrashProducer
                );
                if !is_had || is_own {
                    continue;
                }
                let (links, _) = broken_links(injection).expect("links");
                assert!(!links.is_empty(), "{}: {injection}", scenario.name);
                let is_there =
                    |link: &Link| LINKS.contains(link) && link.1.cloud() == injection.cloud;
                assert!(links.iter().all(is_there), "{}: {links:?}", scenario.name);
                count += 1;
            }
        }
        assert!(count > 20, "{count}");
    }
}
