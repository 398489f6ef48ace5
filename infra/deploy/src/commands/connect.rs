//! Parts that aren't connected yet. Each part is told of the others when it is deployed, and says things that the others
//! must be told; so it takes more than one deploy of some parts until all is connected.

use std::fmt;

use args::Part;
use infra::files::Known;
use serde::Serialize;

use super::failure::Failure;
use super::known::{self, Outputs};
use super::site::Site;

/// The names of parameters that the stack gives again, as outputs of the same names.
pub(super) const TOLD: [&str; 3] = ["PeerAudience", "AlertTopicArn", "PermissionsBoundaryArn"];
/// The role by which Google's side was told to read AWS's archive, among its outputs.
const PEER_ROLE: &str = "replicate_peer_role";

/// The missing connections, and the command that comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Connections {
    /// The feature that doesn't work yet, in words.
    pub(super) not_connected: Vec<&'static str>,
    /// The command that comes next.
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
    known: Known,
    aws: Option<Outputs>,
    gcp: Option<Outputs>,
    aws_replicates: bool,
}

/// Of what is deployed and kept here. On emulators, endpoints stand in for what the clouds have to know of each other.
pub(super) fn of(site: &Site) -> Result<Connections, Failure> {
    if site.local.is_some() {
        return Ok(Connections::default());
    }
    let home = site.of(site.settings.home())?;
    let parts = Parts {
        known: known::known(site)?,
        aws: known::read(site, Part::Aws)?,
        gcp: known::read(&home, Part::Gcp)?,
        aws_replicates: site.settings.aws.replicate.enabled,
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
        ];
        let missing = || all.iter().filter_map(|(what, next)| Some((*what, (*next)?)));
        Connections {
            not_connected: missing().map(|(what, _)| what).collect(),
            next: None,
            part: missing().map(|(_, part)| part).next(),
        }
    }

    /// The part to be deployed next, if Google's side has no role yet by which it reads AWS's archive.
    fn google_reads_aws(&self) -> Option<Part> {
        let known = &self.known;
        let Some(role) = &known.google_reader_role_arn else {
            let made_for = known.google_replicate_subject.is_some();
            return Some(if made_for { Part::Foundation } else { Part::Gcp });
        };
        let told = self.gcp.as_ref().and_then(|outputs| outputs.get(PEER_ROLE));
        (told != Some(role)).then_some(Part::Gcp)
    }

    /// The same of AWS's side and the audience by which it reads Google's.
    fn aws_reads_google(&self) -> Option<Part> {
        if !self.aws_replicates {
            return None;
        }
        let known = &self.known;
        let Some(audience) = &known.google_audience_for_aws else {
            return Some(if known.aws_account.is_some() { Part::Gcp } else { Part::Aws });
        };
        let told = self.aws.as_ref().and_then(|outputs| outputs.get("PeerAudience"));
        (told != Some(audience)).then_some(Part::Aws)
    }

    /// The same of what the stack has to know of the foundation.
    fn aws_is_told(&self, name: &str, known: Option<&String>) -> Option<Part> {
        let Some(known) = known else { return Some(Part::Foundation) };
        let told = self.aws.as_ref().and_then(|outputs| outputs.get(name));
        (told != Some(known)).then_some(Part::Aws)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deployment whose parts say and are told what the real ones are.
    struct Model(Parts);

    impl Model {
        fn new() -> Self {
            Self(Parts { known: Known::default(), aws: None, gcp: None, aws_replicates: true })
        }

        fn deploy(&mut self, part: Part) {
            let Parts { known, aws, gcp, .. } = &mut self.0;
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
                    *gcp = given(&[(PEER_ROLE, &known.google_reader_role_arn)]);
                }
            }
        }
    }

    const PARTS: [Part; 3] = [Part::Foundation, Part::Aws, Part::Gcp];

    /// All orders of all of the parts and of some of them.
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
        for order in orders {
            let mut model = Model::new();
            for part in &order {
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
                assert!(then.len() <= 5, "{order:?}, then {then:?}");
                model.deploy(next);
            }
            assert!(!then.is_empty(), "{order:?}: once each is never enough");
        }
    }

    #[test]
    fn the_order_of_the_readme_is_the_printed_one() {
        let mut model = Model::new();
        let mut order = Vec::new();
        while let Some(next) = model.0.connections().part {
            order.push(next.to_string());
            model.deploy(next);
        }
        let readmes = [
            include_str!("../../../../README.md"),
            include_str!("../../../../terraform-gcp/README.md"),
        ];
        let sentence = format!("`{}`", order.join("`, `"));
        for readme in readmes {
            let text = readme.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(&sentence), "a README does not say {sentence}");
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
}
