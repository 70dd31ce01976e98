//! The links of an app that reads the vault by itself, and what a proof waits for.

use super::check;
use crate::{
    chain::{
        facts::{Bound, Delivered},
        ground,
        link::{Link, UNKNOWN, VERSION},
        stage::{Otherwise, Stage, Until},
    },
    deliveries::in_pod,
};

pub(super) fn links(delivered: &Delivered, bound: &Bound) -> Vec<Link> {
    let mut links = ground::of_vault(delivered, bound);
    links.extend([
        in_pod::container("the container that reads the vault"),
        ground::container(),
        Link::new(VERSION, "the versions that it reads", Vec::new()),
    ]);
    links
}

pub(super) fn stages(delivered: &Delivered) -> Vec<Stage> {
    let names: Vec<String> = delivered.objects.iter().map(|object| object.name.clone()).collect();
    let asked = check::asked(&names);
    vec![
        in_pod::token_stage(delivered, check::asked(&names)),
        Stage {
            step: "read",
            waits_for: "waiting until the pod has read the secrets".into(),
            in_vain: "the pod did not read its secrets".into(),
            until: Until::Pod(Box::new(move |pod| check::versions(pod, &names))),
            link: UNKNOWN,
            otherwise: Otherwise::Chain,
            telling: &[],
            over: &[],
            report: Some(Box::new(move |pod| in_pod::report(pod, &asked))),
        },
    ]
}
