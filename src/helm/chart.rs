//! Name and version of a chart in a folder or an archive, which a release is compared with.

use super::error::Error;
use crate::files::whole::{self, Accept};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::{fs::File, io::Read, path::Path};

/// What `Chart.yaml` calls a chart (helm.sh/docs/topics/charts).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChartName {
    pub name: String,
    pub version: String,
}

const FILE: &str = "Chart.yaml";
/// helm accepts charts up to 100 MiB.
const LARGEST: u64 = 100 * 1024 * 1024;
const BLOCK: usize = 512;

impl ChartName {
    /// Reads it from a chart's folder, or from its archive (`NAME-VERSION.tgz`).
    pub fn at(path: &str) -> Result<Self, Error> {
        let failed = |cause: String| Error::Chart { path: path.to_owned(), cause };
        let place = Path::new(path);
        let text = if place.is_dir() {
            whole::read_text(&place.join(FILE), whole::CONFIG_LIMIT, Accept::Regular)
                .map_err(|e| failed(format!("{FILE}: {}", e.cause())))?
        } else {
            let file = File::open(place).map_err(|e| failed(e.to_string()))?;
            in_archive(GzDecoder::new(file).take(LARGEST)).map_err(failed)?
        };
        serde_saphyr::from_str(&text).map_err(|_| failed(format!("its {FILE} has no name and version")))
    }
}

/// Finds `CHART/Chart.yaml` in a tar file (POSIX ustar: a header of 512 bytes before each file, with the name in the first 100 and the
/// size in octal at 124).
fn in_archive(mut archive: impl Read) -> Result<String, String> {
    let mut header = [0; BLOCK];
    loop {
        archive.read_exact(&mut header).map_err(|_| format!("it is not a chart's folder or archive: it has no {FILE}"))?;
        if header.iter().all(|byte| *byte == 0) {
            return Err(format!("the archive has no {FILE}"));
        }
        let field = |from: usize, to: usize| String::from_utf8_lossy(&header[from..to]).trim_matches(['\0', ' ']).to_owned();
        let (name, size) = (field(0, 100), field(124, 136));
        let size = u64::from_str_radix(&size, 8).map_err(|_| "the archive is damaged".to_owned())?;
        let of_the_chart = name.trim_start_matches("./").split_once('/').is_some_and(|(_, file)| file == FILE);
        if of_the_chart && size <= whole::CONFIG_LIMIT {
            let mut text = String::new();
            archive.by_ref().take(size).read_to_string(&mut text).map_err(|e| e.to_string())?;
            return Ok(text);
        }
        let padded = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        std::io::copy(&mut archive.by_ref().take(padded), &mut std::io::sink()).map_err(|e| e.to_string())?;
    }
}
