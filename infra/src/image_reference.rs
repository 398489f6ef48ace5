//! References to images: a repository of a registry, and an image in it by digest. Tags are not supported: a tag can be
//! moved, and then the planned image is not the one that runs.

use std::fmt;
use std::str::FromStr;

/// A repository, `HOST[:PORT]/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    registry: String,
    path: String,
}

/// An image, `HOST[:PORT]/PATH@sha256:DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// Its repository.
    pub repository: Repository,
    /// `sha256:` and 64 digits.
    pub digest: String,
}

/// The text is not a repository, or not an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` must be {expected}")]
pub struct ReferenceError {
    text: String,
    expected: &'static str,
}

impl Repository {
    /// The registry, `HOST[:PORT]`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's name in the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The repository of this name below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { registry: self.registry.clone(), path: format!("{}/{name}", self.path) }
    }

    /// True if the registry is on this machine: only there is TLS not required.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.registry.split(':').next().unwrap_or_default();
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// True if the registry is Google's, which accepts access tokens.
    #[must_use]
    pub fn is_google(&self) -> bool {
        self.registry == "gcr.io"
            || self.registry.ends_with(".gcr.io")
            || self.registry.ends_with("-docker.pkg.dev")
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a repository, HOST/PATH in lower case, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY";
        let error = || ReferenceError { text: text.to_owned(), expected: EXPECTED };
        let (registry, path) = text.split_once('/').ok_or_else(error)?;
        let (host, port) = registry.split_once(':').map_or((registry, None), |(h, p)| (h, Some(p)));
        // Docker's rule, by which `library/name` names no host.
        let is_host = host.contains('.') || host == "localhost" || port.is_some();
        let fits = is_host
            && made_of(host, ".-")
            && port.is_none_or(|port| port.parse::<u16>().is_ok())
            && path.split('/').all(|part| {
                made_of(part, "._-") && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            });
        if fits {
            Ok(Self { registry: registry.to_owned(), path: path.to_owned() })
        } else {
            Err(error())
        }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "an image by digest, HOST/PATH@sha256:DIGEST, not by a tag, which can be moved";
        let error = || ReferenceError { text: text.to_owned(), expected: EXPECTED };
        let (repository, digest) = text.split_once('@').ok_or_else(error)?;
        let repository = repository.parse().map_err(|_| error())?;
        let hex = digest.strip_prefix("sha256:").ok_or_else(error)?;
        let fits = hex.len() == 64 && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if fits { Ok(Self { repository, digest: digest.to_owned() }) } else { Err(error()) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

fn made_of(text: &str, marks: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(c);
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_wanted_and_a_tag_refused() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let text = format!("127.0.0.1:5000/a/b@{digest}");
        let image: ImageReference = text.parse().expect("an image");
        assert_eq!(image.to_string(), text);
        assert_eq!(
            (image.repository.registry(), image.repository.path()),
            ("127.0.0.1:5000", "a/b")
        );
        for wrong in ["host.example/a:latest", "host.example/a", "host.example/a@sha256:0", "a@b"] {
            wrong.parse::<ImageReference>().expect_err(wrong);
        }
        insta::assert_snapshot!("host.example/a:1".parse::<ImageReference>().expect_err("a tag"), @"`host.example/a:1` must be an image by digest, HOST/PATH@sha256:DIGEST, not by a tag, which can be moved");
    }

    #[test]
    fn a_repository_names_its_host() {
        let parse = |text: &str| text.parse::<Repository>();
        for right in ["localhost/a", "127.0.0.1:5000/a/b", "us-central1-docker.pkg.dev/p/r"] {
            assert_eq!(parse(right).expect(right).to_string(), right);
        }
        let wrong = [
            "library/a",
            "host.example",
            "host.example/",
            "host.example/A",
            "host:x/a",
            "host.example/a:1",
        ];
        for wrong in wrong {
            parse(wrong).expect_err(wrong);
        }
        let right = |text: &str| parse(text).expect(text);
        assert!(right("127.0.0.2:5000/a").is_loopback() && right("localhost:1/a").is_loopback());
        assert!(!right("127.0.0.1.example.com/a").is_loopback());
        assert!(right("us-docker.pkg.dev/p/r").is_google() && right("eu.gcr.io/p").is_google());
        assert!(!right("pkg.dev.example.com/a").is_google());
    }
}
