//! Images on disk, as an OCI image layout, as for `skopeo inspect oci:FOLDER`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Blob, Descriptor, Error, Image, ImageError, Manifest};
use crate::package::{Digest, failed};

/// A folder with one image.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    manifests: Vec<Descriptor>,
}

impl Layout {
    /// The layout in this folder, which need not exist yet.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Replaces the image in the folder by `image`. The index is replaced last, by a rename: until then readers find
    /// the former image.
    pub fn write(&self, image: &Image) -> Result<(), Error> {
        let blobs = self.folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(failed("create the folder", &blobs))?;
        for blob in image.blobs().chain([&image.manifest]) {
            let path = self.blob(&blob.descriptor)?;
            // The file's name is its hash.
            if Digest::of_file(&path).is_ok_and(|found| path.ends_with(found.sha256)) {
                continue;
            }
            replace(&path, &blob.content)?;
        }
        replace(&self.folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let index =
            json!(Index { schema_version: 2, manifests: vec![image.manifest.descriptor.clone()] });
        replace(&self.folder.join("index.json"), index.to_string().as_bytes())?;
        self.prune(image)
    }

    /// Removes the image, if there is one.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &self.folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// The image in the folder, with each blob checked against its digest.
    pub fn read(&self) -> Result<Image, Error> {
        let index = self.folder.join("index.json");
        let index = fs::read(&index).map_err(failed("read", &index))?;
        let index: Index = self.parse("index.json", &index)?;
        let [manifest] = index.manifests.as_slice() else {
            return Err(self.wrong(format!("it holds {} images, not one", index.manifests.len())));
        };
        let manifest = self.read_blob(manifest)?;
        let Manifest { config, layers, .. } = self.parse("its manifest", &manifest.content)?;
        let layers = layers.iter().map(|layer| self.read_blob(layer)).collect::<Result<_, _>>()?;
        Ok(Image { config: self.read_blob(&config)?, manifest, layers })
    }

    fn read_blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let path = self.blob(descriptor)?;
        let content = fs::read(&path).map_err(failed("read", &path))?;
        let blob = Blob::new(&descriptor.media_type, content);
        if blob.descriptor == *descriptor {
            return Ok(blob);
        }
        Err(self.wrong(format!("{} isn't what its name says", descriptor.digest)))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<PathBuf, Error> {
        let hex = descriptor
            .digest
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let hex = hex.ok_or_else(|| self.wrong(format!("{} is no digest", descriptor.digest)))?;
        Ok(self.folder.join("blobs/sha256").join(hex))
    }

    /// Removes blobs of former images.
    fn prune(&self, image: &Image) -> Result<(), Error> {
        let kept: Vec<PathBuf> = image
            .blobs()
            .chain([&image.manifest])
            .map(|blob| self.blob(&blob.descriptor))
            .collect::<Result<_, _>>()?;
        let blobs = self.folder.join("blobs/sha256");
        for entry in fs::read_dir(&blobs).map_err(failed("list", &blobs))? {
            let path = entry.map_err(failed("list", &blobs))?.path();
            if !kept.contains(&path) {
                match fs::remove_file(&path) {
                    // A concurrent build may have removed it.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed("remove", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, what: &str, text: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(text).map_err(|error| self.wrong(format!("{what}: {error}")))
    }

    fn wrong(&self, problem: String) -> Error {
        ImageError::Layout { folder: self.folder.clone(), problem }.into()
    }
}

fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    // Concurrent builds use different partial files.
    let part = path.with_extension(format!("part-{}", std::process::id()));
    fs::write(&part, content).map_err(failed("write", &part))?;
    fs::rename(&part, path).map_err(failed("put in place", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Service;
    use crate::settings::Architecture;

    fn image(binary: &[u8]) -> Image {
        Image::build(&Service::ALL[0], binary, Architecture::X86_64, None).expect("it builds")
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let layout = Layout::at(folder.path());
        layout.write(&image(b"first")).expect("write");
        assert_eq!(layout.read().expect("read"), image(b"first"));
        layout.write(&image(b"second")).expect("write");
        assert_eq!(layout.read().expect("read"), image(b"second"));
        let blobs = fs::read_dir(folder.path().join("blobs/sha256")).expect("list");
        assert_eq!(blobs.count(), 3, "manifest, configuration and one layer");
    }

    #[test]
    fn a_changed_blob_is_noticed() {
        let folder = tempfile::tempdir().expect("folder");
        let layout = Layout::at(folder.path());
        let image = image(b"binary");
        layout.write(&image).expect("write");
        let layer = layout.blob(&image.layers[0].descriptor).expect("a digest");
        fs::write(&layer, b"other").expect("write");
        let error = layout.read().expect_err("changed").to_string();
        assert!(
            error.ends_with("isn't what its name says; make it again: cargo xtask build"),
            "{error}"
        );
        layout.write(&image).expect("write");
        assert_eq!(layout.read().expect("read"), image, "and mended");
    }
}
