//! Where the other cloud's archive is, and by what right it is read, as the environment says.
//!
//! | variable | meaning |
//! |---|---|
//! | `TWINCLOUD_PEER_BUCKET` | the peer's bucket; without it there is no peer |
//! | `TWINCLOUD_PEER_ENDPOINT` | an emulator's URL; not set, or empty, on the clouds |
//! | `TWINCLOUD_PEER_AUDIENCE` | the audience for which the peer takes our identity |
//! | `TWINCLOUD_PEER_ROLE` | on Google Cloud: the AWS role that reads, as an ARN |
//! | `TWINCLOUD_PEER_REGION` | on Google Cloud: the region of the bucket |
//! | `TWINCLOUD_PEER_2_BUCKET` and so on | on Google Cloud: AWS's archive in another region, with `_3_` behind it |
//!
//! A deployment is of use without a peer: the other cloud may not be there yet. A function says so and does nothing.

use anyhow::Context as _;
use aws_credential_types::Credentials;
use cloud_aws::{Clients, S3Archive, config_loader};
use cloud_gcp::GcsArchive;

/// Name of AWS's first archive.
pub(crate) const FIRST: &str = "aws";
/// The region of an emulator that none is named for.
const EMULATOR_REGION: &str = "us-east-1";

/// Google's archive, as AWS reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GooglePeer {
    bucket: String,
    place: GooglePlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum GooglePlace {
    Emulator { endpoint: String },
    Cloud { audience: String },
}

impl GooglePeer {
    /// Reads the variables through `get`.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, NoPeer> {
        let bucket = set(&get, "TWINCLOUD_PEER_BUCKET")?;
        let place = match set(&get, "TWINCLOUD_PEER_ENDPOINT") {
            Ok(endpoint) => GooglePlace::Emulator { endpoint },
            Err(_) => GooglePlace::Cloud { audience: set(&get, "TWINCLOUD_PEER_AUDIENCE")? },
        };
        Ok(Self { bucket, place })
    }

    /// The archive. No token is requested before the first request to it.
    pub async fn connect(&self) -> anyhow::Result<GcsArchive> {
        match &self.place {
            GooglePlace::Emulator { endpoint } => {
                GcsArchive::connect(Some(endpoint), &self.bucket).await
            }
            GooglePlace::Cloud { audience } => {
                let credentials = federation::google_credentials(audience, federation::GOOGLE_STS)?;
                GcsArchive::connect_as(None, &self.bucket, credentials).await
            }
        }
    }
}

/// AWS's archive, as Google Cloud reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsPeer {
    bucket: String,
    region: String,
    place: AwsPlace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AwsPlace {
    Emulator { endpoint: String },
    Cloud { audience: String, role: String },
}

impl AwsPeer {
    /// Reads the variables of all peers through `get`. By name: `aws`, and `aws-REGION` for each other region. One that
    /// lacks a variable is left out, with a warning; if none is left, that is the error.
    pub fn all_from_vars(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<(String, Self)>, NoPeer> {
        let first = Self::numbered(&get, 1);
        let mut peers = Vec::new();
        let others = (2..).take_while(|&number| get(&variable(number, "BUCKET")).is_some());
        for other in others.map(|number| Self::numbered(&get, number)) {
            match other {
                Ok(peer) => peers.push((format!("{FIRST}-{}", peer.region), peer)),
                Err(no_peer) => tracing::warn!("left out: {no_peer}"),
            }
        }
        match first {
            Ok(peer) => peers.insert(0, (FIRST.to_owned(), peer)),
            Err(no_peer) if peers.is_empty() => return Err(no_peer),
            Err(no_peer) => tracing::warn!("left out: {no_peer}"),
        }
        Ok(peers)
    }

    fn numbered(get: impl Fn(&str) -> Option<String>, number: u32) -> Result<Self, NoPeer> {
        let set = |name| set(&get, &variable(number, name));
        let bucket = set("BUCKET")?;
        let region = set("REGION");
        if let Ok(endpoint) = set("ENDPOINT") {
            let region = region.unwrap_or_else(|_| EMULATOR_REGION.to_owned());
            return Ok(Self { bucket, region, place: AwsPlace::Emulator { endpoint } });
        }
        let audience = set("AUDIENCE")?;
        let role = set("ROLE")?;
        Ok(Self { bucket, region: region?, place: AwsPlace::Cloud { audience, role } })
    }

    /// The archive. No token is requested before the first request to it.
    pub async fn connect(&self) -> anyhow::Result<S3Archive> {
        let region = aws_config::Region::new(self.region.clone());
        let loader = config_loader().region(region.clone());
        let config = match &self.place {
            AwsPlace::Emulator { endpoint } => {
                let test = Credentials::new("test", "test", None, None, "emulator");
                loader.endpoint_url(endpoint).credentials_provider(test).load().await
            }
            AwsPlace::Cloud { audience, role } => {
                let sts = config_loader().region(region).no_credentials().load().await;
                let identity = federation::AwsIdentity::new(audience, role, &sts, None);
                let identity = identity.context("prepare the identity for AWS")?;
                loader.credentials_provider(identity).load().await
            }
        };
        Ok(S3Archive::new(Clients::new(&config).s3, &self.bucket))
    }
}

/// There is no peer: a variable is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no peer: {variable} is not set")]
pub struct NoPeer {
    /// The variable.
    pub variable: String,
}

impl NoPeer {
    /// One line for each run that copies nothing: `not connected`, with the other cloud and the next step. A deploy whose
    /// other side is not there yet is no failure, but one that stays so has no second copy.
    pub(crate) fn warn(&self, peer: &str) {
        tracing::warn!(
            peer,
            variable = self.variable,
            "not connected: nothing is copied, as {} is not set; `cargo xtask status` and each deploy say what comes next",
            self.variable
        );
    }
}

fn set(get: impl Fn(&str) -> Option<String>, variable: &str) -> Result<String, NoPeer> {
    let value = get(variable).filter(|value| !value.is_empty());
    value.ok_or_else(|| NoPeer { variable: variable.to_owned() })
}

/// The first peer's variables have no number.
fn variable(number: u32, name: &str) -> String {
    match number {
        1 => format!("TWINCLOUD_PEER_{name}"),
        _ => format!("TWINCLOUD_PEER_{number}_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars<'v>(vars: &'v [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'v {
        |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_is_missing_is_named_and_an_emulator_needs_no_right() {
        let missing = |set: &[(&str, &str)]| {
            (
                GooglePeer::from_vars(vars(set)).err().map(|no| no.variable),
                AwsPeer::numbered(vars(set), 1).err().map(|no| no.variable),
            )
        };
        let bucket = ("TWINCLOUD_PEER_BUCKET", "b");
        let both = |variable: &str| (Some(variable.to_owned()), Some(variable.to_owned()));
        assert_eq!(missing(&[]), both("TWINCLOUD_PEER_BUCKET"));
        assert_eq!(missing(&[("TWINCLOUD_PEER_BUCKET", "")]), both("TWINCLOUD_PEER_BUCKET"));
        assert_eq!(missing(&[bucket]), both("TWINCLOUD_PEER_AUDIENCE"));
        let audience = ("TWINCLOUD_PEER_AUDIENCE", "a");
        assert_eq!(missing(&[bucket, audience]), (None, Some("TWINCLOUD_PEER_ROLE".to_owned())));
        let role = ("TWINCLOUD_PEER_ROLE", "r");
        assert_eq!(
            missing(&[bucket, audience, role]),
            (None, Some("TWINCLOUD_PEER_REGION".to_owned()))
        );
        let region = ("TWINCLOUD_PEER_REGION", "eu-west-1");
        assert_eq!(missing(&[bucket, audience, role, region]), (None, None));
        let endpoint = ("TWINCLOUD_PEER_ENDPOINT", "http://127.0.0.1:1");
        assert_eq!(missing(&[bucket, endpoint]), (None, None));
    }

    #[test]
    fn other_regions_are_peers_too_and_one_that_lacks_something_is_left_out() {
        let first = [("TWINCLOUD_PEER_BUCKET", "b"), ("TWINCLOUD_PEER_ENDPOINT", "http://e")];
        let second = [
            ("TWINCLOUD_PEER_2_BUCKET", "b2"),
            ("TWINCLOUD_PEER_2_REGION", "eu-west-1"),
            ("TWINCLOUD_PEER_2_AUDIENCE", "a"),
            ("TWINCLOUD_PEER_2_ROLE", "r2"),
        ];
        let third = [("TWINCLOUD_PEER_3_BUCKET", "b3"), ("TWINCLOUD_PEER_3_ENDPOINT", "http://e")];
        let of = |lists: &[&[(&str, &str)]]| {
            let set = lists.concat();
            let peers = AwsPeer::all_from_vars(vars(&set)).map_err(|no| no.variable)?;
            Ok::<_, String>(peers.into_iter().map(|(name, peer)| (name, peer.bucket)).collect())
        };
        let named = |names: &[(&str, &str)]| {
            Ok(names.iter().map(|(name, of)| ((*name).to_owned(), (*of).to_owned())).collect())
        };
        let (aws, eu) = (("aws", "b"), ("aws-eu-west-1", "b2"));
        let third_name = ("aws-us-east-1", "b3");
        assert_eq!(of(&[&first]), named(&[aws]));
        assert_eq!(of(&[&first, &second, &third]), named(&[aws, eu, third_name]));
        assert_eq!(of(&[&second]), named(&[eu]));
        assert_eq!(of(&[&first, &second[..2], &third]), named(&[aws, third_name]));
        assert_eq!(of(&[&second[..3]]), Err::<Vec<_>, _>("TWINCLOUD_PEER_BUCKET".to_owned()));
    }
}
