//! `[containers]`: what the target `containers` runs. Nothing here is deployed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[containers]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Containers {
    /// The emulator of AWS. None: `LocalStack` where its image can be had, else ministack.
    pub aws_emulator: Option<AwsEmulator>,
    /// Images, in the place of those that are known.
    pub images: ContainerImages,
}

/// An emulator of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AwsEmulator {
    /// `LocalStack`. It runs functions in containers of their own.
    LocalStack,
    /// ministack. It runs functions as processes in its own container.
    MiniStack,
}

/// `[containers.images]`: references of images, with a tag or a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerImages {
    /// AWS, by `LocalStack`.
    pub localstack: Option<String>,
    /// AWS, by ministack.
    pub ministack: Option<String>,
    /// Pub/Sub.
    pub pubsub: Option<String>,
    /// Firestore.
    pub firestore: Option<String>,
    /// Cloud Storage.
    pub storage: Option<String>,
}

impl ContainerImages {
    /// Each key below `[containers.images]`, and its value.
    pub(super) fn all(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("localstack", self.localstack.as_deref()),
            ("ministack", self.ministack.as_deref()),
            ("pubsub", self.pubsub.as_deref()),
            ("firestore", self.firestore.as_deref()),
            ("storage", self.storage.as_deref()),
        ]
    }
}

/// True if a reference names one image for good: `latest` is another one tomorrow.
pub(super) fn is_exact(reference: &str) -> bool {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    let spaceless = !reference.contains(char::is_whitespace);
    let exact = name.split_once('@').or_else(|| name.split_once(':'));
    spaceless && exact.is_some_and(|(name, which)| !name.is_empty() && !which.is_empty())
}

#[cfg(test)]
mod tests {
    use super::is_exact;

    #[test]
    fn a_reference_has_a_tag_or_a_digest() {
        for exact in ["a:1", "localstack/localstack:4.14.0", "h:5000/a@sha256:00", "h:5000/a:1"] {
            assert!(is_exact(exact), "{exact}");
        }
        for vague in ["", "a", "a:", ":1", "h:5000/a", "a b:1", "localstack/localstack"] {
            assert!(!is_exact(vague), "{vague}");
        }
    }
}
