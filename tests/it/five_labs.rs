//! The five labs and those of Workload ID as whole specs (templates/labs): from a bare world and from one with components, proved, repeated, and back; and by single
//! commands in the order of their documents.

use crate::common::{
    Output, World,
    both::{Side, run},
    plane::Plane,
    same,
};
use serde_json::Value;

/// A lab and the arguments that let `down` delete its data.
struct Lab {
    name: &'static str,
    data: &'static [&'static str],
    cluster: &'static str,
    /// Whether the lab creates its cluster.
    creates: bool,
    /// The container in which the pod of its document writes a blob.
    storage: Option<&'static str>,
}

/// A lab on a cluster that is there already.
const fn of(name: &'static str, data: &'static [&'static str], cluster: &'static str) -> Lab {
    Lab { name, data, cluster, creates: false, storage: None }
}

const LABS: [Lab; 7] = [
    of("000", &["claims-api-kv"], "aks-sp"),
    of("001", &["demo-settings-kv"], "aks-sp"),
    Lab {
        creates: true,
        storage: Some("aadpodidentitydemo/pod-identity-demo"),
        ..of("002", &["aad-pod-identity-demo-kv", "aadpodidentitydemo"], "aks-experimental")
    },
    of("003", &["orders-lab-kv", "billing-lab-kv"], "aks-mi"),
    Lab { creates: true, ..of("004", &["myk8skv"], "myk8s") },
    Lab { creates: true, ..of("workload-id", &["kv-orders-wi"], "aks-orders") },
    Lab { creates: true, ..of("identity-binding", &["kv-orders-ib"], "aks-orders-ib") },
];

fn world(bare: bool) -> World {
    let mut world = World::new();
    world.serve_with(if bare { &["--bare"] } else { &[] });
    world
}

/// The export, without what AKS keeps for itself once it was on: an empty profile of the pod identity add-on, and a registered feature.
fn settled(world: &World) -> String {
    let mut export: Value = serde_json::from_str(&world.export()).unwrap();
    fn settle(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, value| !(name == "podIdentityProfile" && value.as_object().is_some_and(serde_json::Map::is_empty)));
                map.retain(|name, _| !name.contains("/features/") && !name.contains("EnablePodIdentityPreview"));
                map.values_mut().for_each(settle);
            }
            Value::Array(items) => items.iter_mut().for_each(settle),
            _ => {}
        }
    }
    settle(&mut export);
    format!("{export:#}")
}

fn up_and_down(lab: &Lab, bare: bool) {
    there_and_back(lab, &world(bare));
}

/// The same with a real control plane in the place of the lab's cluster.
fn on(plane: &Plane, lab: &Lab) {
    let mut world = World::new();
    world.serve_with(&["--bare", "--cluster", &format!("{}={}", lab.cluster, plane.kubeconfig().display())]);
    there_and_back(lab, &world);
}

fn there_and_back(lab: &Lab, world: &World) {
    let spec = format!("labs/{}.yaml", lab.name);
    let before = settled(world);
    let up = world.up(&spec, &["--verify"]).ok();
    assert!(up.stdout.contains("proved "), "{}", up.stdout);
    if let Some(place) = lab.storage {
        let verify = world.podid(&["verify", "-f", &spec, "--storage", place]).ok();
        assert!(verify.stdout.contains(&format!("writes, reads and deletes a blob in {place}")), "{}", verify.stdout);
    }
    world.up(&spec, &[]).ok().says("nothing to do");
    let data: Vec<&str> = lab.data.iter().flat_map(|name| ["--delete-data", name]).collect();
    world.down(&spec, &data).ok();
    let is_left = |export: String| {
        let mut export: Value = serde_json::from_str(&export).unwrap();
        if lab.creates {
            // nobody deletes what is in a cluster that is deleted, if it is one from outside
            export["kubernetes"].as_object_mut().unwrap().remove(lab.cluster);
        }
        format!("{export:#}")
    };
    same(&format!("lab {} after `down`", lab.name), &is_left(before), &is_left(settled(world)));
}

/// Random values and what derives from them differ between two runs.
fn by_steps(lab: &Lab, bare: bool) {
    let (whole, steps) = (world(bare), world(bare));
    whole.up(&format!("labs/{}.yaml", lab.name), &["--verify"]).ok();
    let bin = steps.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(crate::common::PODID, bin.join("podid")).unwrap();
    let script = format!("labs/{}.steps.sh", lab.name);
    let mut command = steps.program("sh", &[&script]);
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    Output::of(&["(steps)", &script], command.output().unwrap()).ok().says("proved ");
    let comparable = |world: &World| {
        let mut export: Value = serde_json::from_str(&settled(world)).unwrap();
        if ["003", "workload-id", "identity-binding"].contains(&lab.name) {
            // generated values
            export["secrets"] = Value::Null;
            export["kubernetes"].as_object_mut().unwrap().values_mut().for_each(|cluster| cluster["secrets"] = Value::Null);
        }
        format!("{export:#}")
    };
    same(&format!("lab {} by single commands", lab.name), &comparable(&whole), &comparable(&steps));
}

#[test]
fn lab_000_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[0], true);
}

#[test]
fn lab_001_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[1], true);
}

#[test]
fn lab_002_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[2], true);
}

#[test]
fn lab_003_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[3], true);
}

#[test]
fn lab_004_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[4], true);
}

#[test]
fn workload_id_goes_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[5], true);
}

#[test]
fn identity_bindings_go_from_a_bare_world_to_the_proved_read_and_back() {
    up_and_down(&LABS[6], true);
}

#[test]
fn all_labs_work_where_components_are_there_already() {
    for lab in &LABS {
        up_and_down(lab, false);
    }
}

#[test]
fn labs_000_001_and_003_work_on_a_real_control_plane_without_components() {
    run(module_path!(), Side::ControlPlane, |_| {
        let plane = Plane::start();
        for lab in [&LABS[0], &LABS[1], &LABS[3]] {
            on(&plane, lab);
        }
    });
}

#[test]
fn labs_that_create_their_cluster_work_with_a_real_control_plane_as_that_cluster() {
    run(module_path!(), Side::ControlPlane, |_| {
        for lab in LABS[4..].iter().chain([&LABS[2]]) {
            on(&Plane::start(), lab);
        }
    });
}

#[test]
fn the_steps_of_lab_000_give_what_its_spec_gives() {
    by_steps(&LABS[0], true);
}

#[test]
fn the_steps_of_lab_001_give_what_its_spec_gives() {
    by_steps(&LABS[1], true);
}

#[test]
fn the_steps_of_lab_002_give_what_its_spec_gives() {
    by_steps(&LABS[2], true);
}

#[test]
fn the_steps_of_lab_003_give_what_its_spec_gives() {
    by_steps(&LABS[3], true);
}

#[test]
fn the_steps_of_lab_004_give_what_its_spec_gives() {
    by_steps(&LABS[4], true);
}

#[test]
fn the_steps_of_workload_id_give_what_its_spec_gives() {
    by_steps(&LABS[5], true);
}

#[test]
fn the_steps_of_identity_bindings_give_what_their_spec_gives() {
    by_steps(&LABS[6], true);
}
