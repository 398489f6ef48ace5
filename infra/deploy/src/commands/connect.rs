//! Missing connections between parts. Each part gets values of the others when it is deployed, and has outputs that the
//! others need; so some parts must be deployed more than once until all are connected.

use std::fmt;

use args::Part;
use infra::files::ResolvedOutputs;
use infra::names;
use serde::Serialize;

use super::known::{self, Outputs};
use super::site::DeployContext;
use cli::Failure;

/// Parameters that the stack returns as outputs of the same names.
pub(super) const TOLD: [&str; 3] = ["PeerAudience", "AlertTopicArn", "PermissionsBoundaryArn"];
/// The output of Google's side with the role by which it reads AWS's archive.
const PEER_ROLE: &str = "replicate_peer_role";
/// The output of Google's side with the AWS role by which the producer's instance on Google Cloud publishes.
const PRODUCER_AWS_ROLE: &str = "producer_aws_role";
/// The output of Google's side with the role of the producer's instance on AWS that may publish there.
const PRODUCER_ROLE: &str = "aws_producer_role";
/// The output of the foundation with the audience for which the producer's instance on AWS signs in to Google Cloud.
const PRODUCER_AUDIENCE: &str = "producer_google_audience";

/// The missing connections, and the next command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Connections {
    /// The features that don't work yet.
    pub(super) not_connected: Vec<&'static str>,
    /// The next command.
    pub(super) next: Option<String>,
    #[serde(skip)]
    part: Option<Part>,
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(next) = &self.next else { return Ok(()) };
        writeln!(f, "not connected yet: {}; next: {next}", self.not_connected.join("; "))
    }
}

/// The kept outputs of the parts.
struct Parts {
    known: ResolvedOutputs,
    aws: Option<Outputs>,
    gcp: Option<Outputs>,
    foundation: Option<Outputs>,
    aws_replicates: bool,
    /// True if the producer has an instance on Google Cloud that publishes to AWS.
    producer_at_gcp: bool,
    /// The role of the producer's instance on AWS, if it has one that publishes to Google Cloud.
    producer_at_aws: Option<String>,
}

/// The missing connections according to the kept outputs. On emulators, endpoints replace the values that the clouds
/// need of each other.
pub(super) fn of(site: &DeployContext) -> Result<Connections, Failure> {
    if site.local.is_some() {
        return Ok(Connections::default());
    }
    let home = site.of(site.settings.home())?;
    let settings = &site.settings;
    // An instance needs rights only for clouds that it publishes to.
    let sends_from = |cloud: &str, to: &str| {
        let is_target = |target: &String| target.split('-').next() == Some(to);
        settings.has_producer_at(cloud) && settings.route.targets.iter().any(is_target)
    };
    let parts = Parts {
        known: known::known(site)?,
        aws: known::read(site, Part::Aws)?,
        gcp: known::read(&home, Part::Gcp)?,
        foundation: known::read(site, Part::Foundation)?,
        aws_replicates: site.settings.aws.replicate.enabled,
        producer_at_gcp: sends_from("gcp", "aws"),
        producer_at_aws: sends_from("aws", "gcp").then(|| names::aws_producer_role(settings)),
    };
    let mut connections = parts.connections();
    let environment = |part| match part {
        Part::Gcp => site.settings.home(),
        _ => &site.settings.project.environment,
    };
    connections.next = connections
        .part
        .map(|part| format!("cargo xtask deploy {part} --env {}", environment(part)));
    Ok(connections)
}

impl Parts {
    fn connections(&self) -> Connections {
        let all = [
            ("Google does not copy from AWS", self.google_reads_aws()),
            ("AWS does not copy from Google", self.aws_reads_google()),
            (
                "AWS's alarms tell no topic",
                self.aws_is_told("AlertTopicArn", self.known.alert_topic_arn.as_ref()),
            ),
            (
                "the stack's roles have no boundary",
                self.aws_is_told(
                    "PermissionsBoundaryArn",
                    self.known.functions_boundary_arn.as_ref(),
                ),
            ),
            ("the producer on Google Cloud does not send to AWS", self.google_sends_to_aws()),
            ("the producer on AWS does not send to Google Cloud", self.aws_sends_to_google()),
        ];
        let missing = || all.iter().filter_map(|(what, next)| Some((*what, (*next)?)));
        Connections {
            not_connected: missing().map(|(what, _)| what).collect(),
            next: None,
            part: missing().map(|(_, part)| part).next(),
        }
    }

    /// The part to deploy next, if Google's side lacks the role by which it reads AWS's archive.
    fn google_reads_aws(&self) -> Option<Part> {
        let known = &self.known;
        let Some(role) = &known.google_reader_role_arn else {
            let made_for = known.google_replicate_subject.is_some();
            return Some(if made_for { Part::Foundation } else { Part::Gcp });
        };
        (told(self.gcp.as_ref(), PEER_ROLE) != Some(role)).then_some(Part::Gcp)
    }

    /// The same for AWS's side and the audience by which it reads Google's archive.
    fn aws_reads_google(&self) -> Option<Part> {
        if !self.aws_replicates {
            return None;
        }
        let known = &self.known;
        let Some(audience) = &known.google_audience_for_aws else {
            return Some(if known.aws_account.is_some() { Part::Gcp } else { Part::Aws });
        };
        (told(self.aws.as_ref(), "PeerAudience") != Some(audience)).then_some(Part::Aws)
    }

    /// The same for a value of the foundation that the stack needs.
    fn aws_is_told(&self, name: &str, known: Option<&String>) -> Option<Part> {
        let Some(known) = known else { return Some(Part::Foundation) };
        (told(self.aws.as_ref(), name) != Some(known)).then_some(Part::Aws)
    }

    /// The same for the producer's instance on Google Cloud and the role by which it publishes to AWS.
    fn google_sends_to_aws(&self) -> Option<Part> {
        if !self.producer_at_gcp {
            return None;
        }
        let producer = &self.known.producer;
        let Some(role) = &producer.google_role_arn else {
            let made_for = producer.google_subject.is_some();
            return Some(if made_for { Part::Foundation } else { Part::Gcp });
        };
        (told(self.gcp.as_ref(), PRODUCER_AWS_ROLE) != Some(role)).then_some(Part::Gcp)
    }

    /// The same for the producer's instance on AWS: Google Cloud must admit its role, and it needs the audience.
    fn aws_sends_to_google(&self) -> Option<Part> {
        let role = self.producer_at_aws.as_ref()?;
        if told(self.gcp.as_ref(), PRODUCER_ROLE) != Some(role) {
            // Google Cloud identifies the role by the account's number.
            let account = self.known.aws_account.is_some();
            return Some(if account { Part::Gcp } else { Part::Foundation });
        }
        let Some(audience) = &self.known.google_audience_for_aws else { return Some(Part::Gcp) };
        let told = told(self.foundation.as_ref(), PRODUCER_AUDIENCE);
        (told != Some(audience)).then_some(Part::Foundation)
    }
}

/// An output of a part that was deployed.
fn told<'a>(outputs: Option<&'a Outputs>, name: &str) -> Option<&'a String> {
    outputs.and_then(|outputs| outputs.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model deployment whose parts have the same inputs and outputs as the real ones.
    struct Model(Parts);

    impl Model {
        fn new() -> Self {
            Self::with_producer_at(&[])
        }

        fn with_producer_at(clouds: &[&str]) -> Self {
            Self(Parts {
                known: ResolvedOutputs::default(),
                aws: None,
                gcp: None,
                foundation: None,
                aws_replicates: true,
                producer_at_gcp: clouds.contains(&"gcp"),
                producer_at_aws: clouds.contains(&"aws").then(|| "producer".to_owned()),
            })
        }

        fn deploy(&mut self, part: Part) {
            let Parts { known, aws, gcp, foundation, producer_at_gcp, producer_at_aws, .. } =
                &mut self.0;
            let some = |text: &str| Some(text.to_owned());
            let given = |pairs: &[(&str, &Option<String>)]| {
                let pairs = pairs.iter().filter_map(|(name, value)| {
                    Some(((*name).to_owned(), value.as_ref()?.clone()))
                });
                Some(pairs.collect::<Outputs>())
            };
            match part {
                Part::Foundation => {
                    known.aws_account = some("account");
                    known.alert_topic_arn = some("topic");
                    known.functions_boundary_arn = some("boundary");
                    known.google_reader_role_arn =
                        known.google_replicate_subject.as_ref().map(|_| "role".to_owned());
                    known.producer.google_role_arn =
                        known.producer.google_subject.as_ref().map(|_| "producer's".to_owned());
                    let audience = known.google_audience_for_aws.clone();
                    let audience = audience.filter(|_| producer_at_aws.is_some());
                    *foundation = given(&[(PRODUCER_AUDIENCE, &audience)]);
                }
                Part::Aws | Part::All => {
                    known.aws_account = some("account");
                    *aws = given(&[
                        ("PeerAudience", &known.google_audience_for_aws),
                        ("AlertTopicArn", &known.alert_topic_arn),
                        ("PermissionsBoundaryArn", &known.functions_boundary_arn),
                    ]);
                }
                Part::Gcp => {
                    known.google_replicate_subject = some("subject");
                    known.google_audience_for_aws =
                        known.aws_account.as_ref().map(|_| "audience".to_owned());
                    known.producer.google_subject = producer_at_gcp.then(|| "subject".to_owned());
                    let let_in = producer_at_aws.clone().filter(|_| known.aws_account.is_some());
                    *gcp = given(&[
                        (PEER_ROLE, &known.google_reader_role_arn),
                        (PRODUCER_AWS_ROLE, &known.producer.google_role_arn),
                        (PRODUCER_ROLE, &let_in),
                    ]);
                }
            }
        }
    }

    const PARTS: [Part; 3] = [Part::Foundation, Part::Aws, Part::Gcp];

    /// All orders of all parts, and of subsets of them.
    fn orders() -> Vec<Vec<Part>> {
        let mut orders = vec![Vec::new()];
        let mut begun = 0;
        while begun < orders.len() {
            for part in PARTS {
                if !orders[begun].contains(&part) {
                    let longer = [orders[begun].as_slice(), &[part]].concat();
                    orders.push(longer);
                }
            }
            begun += 1;
        }
        orders
    }

    #[test]
    fn from_any_order_the_printed_next_steps_connect_everything() {
        let orders = orders();
        assert_eq!(orders.len(), 16);
        let hosts: [&[&str]; 4] = [&[], &["aws"], &["gcp"], &["aws", "gcp"]];
        for (order, host) in orders.iter().flat_map(|order| hosts.map(|host| (order, host))) {
            let mut model = Model::with_producer_at(host);
            for part in order {
                model.deploy(*part);
            }
            let mut then = Vec::new();
            loop {
                let connections = model.0.connections();
                let Some(next) = connections.part else {
                    assert_eq!(connections.not_connected, [""; 0]);
                    break;
                };
                assert!(!connections.not_connected.is_empty());
                then.push(next);
                assert!(then.len() <= 6, "{host:?}: {order:?}, then {then:?}");
                model.deploy(next);
            }
            assert!(!then.is_empty(), "{order:?}: once each is never enough");
        }
    }

    #[test]
    fn the_order_of_the_documents_is_the_printed_one() {
        let mut model = Model::new();
        let mut order = Vec::new();
        while let Some(next) = model.0.connections().part {
            order.push(next.to_string());
            model.deploy(next);
        }
        let documents = [
            include_str!("../../../../docs/deploy.md"),
            include_str!("../../../../terraform-gcp/README.md"),
        ];
        let sentence = format!("`{}`", order.join("`, `"));
        for document in documents {
            let text = document.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(&sentence), "a document does not say {sentence}");
        }
    }

    #[test]
    fn what_was_deployed_with_something_else_is_not_connected() {
        let mut model = Model::new();
        for part in [Part::Gcp, Part::Foundation, Part::Gcp, Part::Aws] {
            model.deploy(part);
        }
        assert_eq!(model.0.connections(), Connections::default());
        // The role is another one by now.
        model.0.known.google_reader_role_arn = Some("another".to_owned());
        let connections = model.0.connections();
        assert_eq!(connections.not_connected, ["Google does not copy from AWS"]);
        assert_eq!(connections.part, Some(Part::Gcp));
    }

    /// A change to the known values after a deploy.
    type Change = fn(&mut Parts);

    #[test]
    fn a_producer_that_was_deployed_with_something_else_is_not_connected() {
        let at_gcp = "the producer on Google Cloud does not send to AWS";
        let at_aws = "the producer on AWS does not send to Google Cloud";
        let cases: [(&str, Change, &str, Part); 4] = [
            (
                "gcp",
                |parts| parts.known.producer.google_role_arn = Some("another".to_owned()),
                at_gcp,
                Part::Gcp,
            ),
            ("gcp", |parts| parts.known.producer.google_role_arn = None, at_gcp, Part::Foundation),
            ("aws", |parts| parts.foundation = Some(Outputs::new()), at_aws, Part::Foundation),
            ("aws", |parts| parts.producer_at_aws = Some("another".to_owned()), at_aws, Part::Gcp),
        ];
        for (host, change, problem, next) in cases {
            let mut model = Model::with_producer_at(&[host]);
            while let Some(part) = model.0.connections().part {
                model.deploy(part);
            }
            change(&mut model.0);
            let connections = model.0.connections();
            assert_eq!(connections.not_connected, [problem]);
            assert_eq!(connections.part, Some(next), "{problem}");
        }
    }
}
