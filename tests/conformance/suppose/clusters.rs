//! Managed clusters, to be read: those that the sandbox has.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let place = Place::of(&record.path);
    let group = place.group.clone().unwrap_or_default();
    match record.status {
        200 if record.op.contains(".list.") => {
            let all = record.body["value"].as_array().cloned().unwrap_or_default();
            match all.first() {
                Some(document) => build.cluster(&group, document["name"].as_str().unwrap_or_default(), document)?,
                None => build.group_for(record)?,
            }
        }
        200 => build.cluster(&group, place.name("managedClusters").unwrap_or_default(), &record.body)?,
        404 if record.has("NotFound") => return Err("a cluster that ARM knows and AKS does not is no state of the sandbox".to_owned()),
        401 | 403 | 404 | 429 => build.group_for(record)?,
        status => return Err(format!("a cluster that answers {status} is not understood")),
    }
    Ok(Ask::of(record, build))
}
