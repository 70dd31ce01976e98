//! The links of an app that reads the vault by itself, and what a proof waits for.

use super::{CLIENT_ID, check};
use crate::chain::{
    facts::{Bound, Delivered},
    ground,
    link::{Heals, Link, Meaning, START, Symptom, TOKEN, UNKNOWN, VERSION},
    stage::{Otherwise, Stage, Until},
};

pub(super) fn links(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let mut links = ground::of_vault(delivered, bound);
    links.extend([
        Link::new(START, "the container that reads the vault", Vec::new()).symptoms(OF_CONTAINER),
        Link::new(VERSION, "the versions that it reads", Vec::new()),
    ]);
    links
}

const OF_CONTAINER: &[Symptom] = &[Symptom {
    any_of: &["curl: not found", "executable file not found", "exit code 126", "exit code 127"],
    none_of: &[],
    means: Meaning::Known {
        heals: Heals::Never,
        what: "the image of the proof has no sh or no curl",
        hint: |_, _| "Give the proof an image that has both, with `--image`.".into(),
    },
}];

pub(super) fn stages(delivered: &Delivered) -> Vec<Stage> {
    let names: Vec<String> = delivered.objects.iter().map(|object| object.name.clone()).collect();
    let expected = delivered.parameters.get(CLIENT_ID).and_then(|id| id.known()).cloned();
    let (of_token, of_versions) = (names.clone(), names.clone());
    vec![
        Stage {
            step: "token",
            waits_for: "waiting until the pod has a token".into(),
            in_vain: "the pod did not get a token".into(),
            until: Until::Pod(Box::new(move |pod| check::token(pod, expected.as_deref()))),
            link: TOKEN,
            otherwise: Otherwise::Chain,
            telling: &[],
            over: &[],
            report: Some(Box::new(move |pod| check::report(pod, &of_token))),
        },
        Stage {
            step: "read",
            waits_for: "waiting until the pod has read the secrets".into(),
            in_vain: "the pod did not read its secrets".into(),
            until: Until::Pod(Box::new(move |pod| check::versions(pod, &names))),
            link: UNKNOWN,
            otherwise: Otherwise::Chain,
            telling: &[],
            over: &[],
            report: Some(Box::new(move |pod| check::report(pod, &of_versions))),
        },
    ]
}
