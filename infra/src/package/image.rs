//! The image of a Cloud Run service or of the producer, built without a container engine: one layer with a static binary
//! and its trusted authorities, on nothing (`scratch`) or on a base. Equal input gives equal bytes, so the digest
//! identifies the content on any machine.

mod layer;
mod layout;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use crate::image_reference::{ImageReference, ReferenceError, Repository};
pub use layout::Layout;

use super::{Digest, Error, Service};
use crate::settings::Architecture;

/// The default port of a service.
pub const PORT: u16 = 8080;
/// The user of a service: a number, as an image without a base has no user names.
pub const USER: u32 = 65_532;

/// Media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Docker's media type of a layer; a base that Docker pushed has it.
const DOCKER_LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The timestamp in an image, which is always the same.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// An image, ready to be written or pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The manifest; its digest is the image's.
    pub manifest: Blob,
    /// The configuration.
    pub config: Blob,
    /// The base's layers, then this service's.
    pub layers: Vec<Blob>,
}

/// Content with its descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The descriptor.
    pub descriptor: Descriptor,
    /// The content.
    pub content: Vec<u8>,
}

/// A manifest's reference to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// `sha256:` and its hash in lowercase hex.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A `manifest` of OCI. Other fields of a base's are not copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`MANIFEST_TYPE`].
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// The base of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its full reference, by digest.
    pub reference: String,
    /// Its configuration.
    pub config: Value,
    /// Its layers, lowest first.
    pub layers: Vec<Blob>,
}

/// The reason why an image could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The base is for another processor, or is not an image.
    #[error("put the service {service} on {base}: {problem}; name another gcp.images.base")]
    Base {
        /// The service.
        service: String,
        /// The base's reference.
        base: String,
        /// The problem.
        problem: String,
    },
    /// The layout on disk is invalid.
    #[error("read the image {}: {problem}; make it again: cargo xtask build", folder.display())]
    Layout {
        /// The folder of the layout.
        folder: PathBuf,
        /// The problem.
        problem: String,
    },
}

impl Blob {
    /// Computes the descriptor of content.
    #[must_use]
    pub fn new(media_type: &str, content: Vec<u8>) -> Self {
        let Digest { bytes, sha256 } = Digest::of(&content);
        let digest = format!("sha256:{sha256}");
        Self {
            descriptor: Descriptor { media_type: media_type.to_owned(), digest, size: bytes },
            content,
        }
    }
}

impl Image {
    /// Builds an image with `binary` as `/NAME`, on a base or on nothing.
    pub fn build(
        service: &Service,
        binary: &[u8],
        architecture: Architecture,
        base: Option<&Base>,
    ) -> Result<Self, Error> {
        let layer = layer::of(service, binary)?;
        let config = config(service, architecture, base, &layer.diff_id)?;
        let config = Blob::new(CONFIG_TYPE, to_json(&config));
        let mut layers = base.map(|base| base.layers.clone()).unwrap_or_default();
        for layer in &mut layers {
            if layer.descriptor.media_type == DOCKER_LAYER_TYPE {
                LAYER_TYPE.clone_into(&mut layer.descriptor.media_type);
            }
        }
        layers.push(Blob::new(LAYER_TYPE, layer.compressed));
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            config: config.descriptor.clone(),
            layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
        };
        let manifest = Blob::new(MANIFEST_TYPE, to_json(&json!(manifest)));
        Ok(Self { manifest, config, layers })
    }

    /// The digest, `sha256:…`, by which it is deployed.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.manifest.descriptor.digest
    }

    /// The blobs that a registry needs before the manifest.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }
}

/// The configuration: the base's, if there is one, with the changes of a service.
fn config(
    service: &Service,
    architecture: Architecture,
    base: Option<&Base>,
    diff_id: &str,
) -> Result<Value, Error> {
    let architecture = match architecture {
        Architecture::X86_64 => "amd64",
        Architecture::Arm64 => "arm64",
    };
    let mut config = base.map_or_else(|| json!({}), |base| base.config.clone());
    if let Some(base) = base {
        let refused = |problem: String| ImageError::Base {
            service: service.name.to_owned(),
            base: base.reference.clone(),
            problem,
        };
        let of_base = config["architecture"].as_str().unwrap_or("no processor");
        let os = config["os"].as_str().unwrap_or("no system");
        if of_base != architecture || os != "linux" {
            let problem = format!("it is for {os} on {of_base}, not for linux on {architecture}");
            return Err(refused(problem).into());
        }
        let layers = config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        if layers != base.layers.len() {
            let problem = format!("it has {} layers and names {layers}", base.layers.len());
            return Err(refused(problem).into());
        }
    }
    config["created"] = json!(EPOCH);
    config["architecture"] = json!(architecture);
    config["os"] = json!("linux");
    let run = &mut config["config"];
    run["User"] = json!(format!("{USER}:{USER}"));
    run["ExposedPorts"] = json!({ (format!("{PORT}/tcp")): {} });
    run["Entrypoint"] = json!([format!("/{}", service.name)]);
    if let Some(volume) = service.volume {
        run["Volumes"] = json!({ (format!("/{volume}")): {} });
    }
    if let Some(run) = run.as_object_mut() {
        run.remove("Cmd");
    }
    let authorities = format!("SSL_CERT_FILE=/{}", layer::AUTHORITIES);
    let own = service.env.iter().map(|&variable| variable.to_owned()).chain([authorities]);
    extend(&mut run["Env"], own);
    let rootfs = &mut config["rootfs"];
    rootfs["type"] = json!("layers");
    extend(&mut rootfs["diff_ids"], [diff_id.to_owned()]);
    // It must have an entry for each layer, or none.
    if base.is_none() || config["history"].is_array() {
        let entry =
            json!({ "created": EPOCH, "created_by": format!("twincloud: /{}", service.name) });
        match &mut config["history"] {
            Value::Array(entries) => entries.push(entry),
            none => *none = json!([entry]),
        }
    }
    Ok(config)
}

fn extend(list: &mut Value, more: impl IntoIterator<Item = String>) {
    let more = more.into_iter().map(Value::String);
    match list {
        Value::Array(items) => items.extend(more),
        none => *none = more.collect(),
    }
}

/// Encodes with sorted keys, whatever the order of insertion.
fn to_json(value: &Value) -> Vec<u8> {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(base: Option<&Base>) -> Image {
        Image::build(&Service::ALL[0], b"binary", Architecture::X86_64, base).expect("it builds")
    }

    fn base() -> Base {
        let layer = Blob::new(DOCKER_LAYER_TYPE, b"layer".to_vec());
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Env": ["PATH=/bin"], "Cmd": ["/bin/sh"], "Labels": { "z": "1", "a": "2" } },
            "rootfs": { "type": "layers", "diff_ids": ["sha256:0"] },
            "history": [{ "created_by": "them" }],
        });
        Base { reference: "registry.example/base@sha256:0".to_owned(), config, layers: vec![layer] }
    }

    #[test]
    fn on_nothing() {
        let image = image(None);
        let config = String::from_utf8_lossy(&image.config.content);
        insta::assert_snapshot!(config.replace(&image_diff_id(&image), "DIFF_ID"), @r#"{"architecture":"amd64","config":{"Entrypoint":["/ingest"],"Env":["PORT=8080","SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],"ExposedPorts":{"8080/tcp":{}},"User":"65532:65532"},"created":"1970-01-01T00:00:00Z","history":[{"created":"1970-01-01T00:00:00Z","created_by":"twincloud: /ingest"}],"os":"linux","rootfs":{"diff_ids":["DIFF_ID"],"type":"layers"}}"#);
        assert_eq!(image, self::image(None), "the same input gives the same image");
        let other = Image::build(&Service::ALL[0], b"another", Architecture::X86_64, None)
            .expect("it builds");
        assert_ne!(image.digest(), other.digest());
    }

    #[test]
    fn the_producer_has_a_volume_and_all_of_its_arguments() {
        let producer = Service::PRODUCER;
        let image =
            Image::build(&producer, b"binary", Architecture::X86_64, None).expect("it builds");
        let config: Value = serde_json::from_slice(&image.config.content).expect("JSON");
        let run = &config["config"];
        assert_eq!(run["Entrypoint"], json!(["/producer"]));
        assert_eq!(run["Volumes"], json!({ "/spool": {} }));
        let port = format!("TWINCLOUD_LISTEN=0.0.0.0:{PORT}");
        assert!(producer.env.contains(&port.as_str()), "the port that the image exposes");
        assert_eq!(run["Env"].as_array().map(Vec::len), Some(producer.env.len() + 1), "{run}");
    }

    #[test]
    fn on_a_base_its_layers_come_first_and_its_variables_stay() {
        let image = image(Some(&base()));
        let config: Value = serde_json::from_slice(&image.config.content).expect("JSON");
        assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
        assert_eq!(config["history"].as_array().map(Vec::len), Some(2));
        assert_eq!(config["config"]["Env"][0], "PATH=/bin");
        assert_eq!(config["config"]["Cmd"], Value::Null, "nothing of it is run");
        let manifest: Manifest = serde_json::from_slice(&image.manifest.content).expect("JSON");
        assert_eq!(manifest.layers.len(), 2);
        assert_eq!(manifest.layers[0].media_type, LAYER_TYPE);
        assert_eq!(manifest.layers[0].digest, base().layers[0].descriptor.digest);
    }

    #[test]
    fn a_base_for_another_processor_is_refused() {
        let error = Image::build(&Service::ALL[0], b"binary", Architecture::Arm64, Some(&base()));
        insta::assert_snapshot!(error.expect_err("another processor"), @"put the service ingest on registry.example/base@sha256:0: it is for linux on amd64, not for linux on arm64; name another gcp.images.base");
    }

    fn image_diff_id(image: &Image) -> String {
        let config: Value = serde_json::from_slice(&image.config.content).expect("JSON");
        config["rootfs"]["diff_ids"][0].as_str().expect("a digest").to_owned()
    }
}
