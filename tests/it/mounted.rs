//! What a vault holds and how pods get it: options of a vault, keys and certificates, typed Secrets, a secret more in a class, a pod that keeps
//! a class mounted, and rotation.

mod keys;
mod options;
mod polling;
pub mod rotation;

use crate::common::{Output, World, until};
use serde_json::{Value, json};

const VAULT: &str = "kv-shop-x2";
const STATUSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasspodstatuses";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";

const SPEC: &str = "\
apiVersion: podid/v1
kind: App
metadata: {name: shop}
resourceGroup: podid-lab
cluster: {name: aks-mi}
vault:
  name: kv-shop-x2
  model: access-policy
  secrets:
    - {name: conn, value: {generate: 20}}
workloads:
  - name: web
    namespace: shop
    identity: {name: shop-mid}
    secrets:
      - {name: conn, sync: {secret: web, key: conn}, env: CONN}
";

/// Returns a served world with the app above.
fn world() -> World {
    let world = World::served();
    world.write("podid.yaml", SPEC);
    world.up("podid.yaml", &[]).ok();
    world
}

impl World {
    fn shop_secret(&self, name: &str) -> Value {
        self.vault("GET", VAULT, &format!("/secrets/{name}"), None).ok()
    }

    fn of_shop(&self, words: &[&str]) -> Output {
        self.podid(&[words, &["--yes"]].concat())
    }

    /// Returns the type and the data of a Secret of the namespace once it is there.
    fn synced(&self, name: &str) -> Value {
        let path = format!("/api/v1/namespaces/shop/secrets/{name}");
        until("the Secret is synced", || Some(self.kube("GET", "aks-mi", &path, None)).filter(|answer| answer.status == 200)).body
    }

    /// Runs a Deployment as an app's chart would: it mounts the class, and reads the synced Secret as a variable.
    fn deploy(&self, name: &str) {
        let labels = json!({ "app": name, "aadpodidbinding": "shop-mid" });
        let csi = json!({ "driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": { "secretProviderClass": "web" } });
        let container = json!({ "name": "app", "image": "example.com/app:1", "volumeMounts": [{ "name": "secrets", "mountPath": "/mnt" }],
            "env": [{ "name": "CONN", "valueFrom": { "secretKeyRef": { "name": "web", "key": "conn" } } }] });
        let spec = json!({ "containers": [container], "volumes": [{ "name": "secrets", "csi": csi }] });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "shop" },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": name } }, "template": { "metadata": { "labels": labels }, "spec": spec } } });
        self.kube("POST", "aks-mi", DEPLOYMENTS, Some(deployment)).ok();
        until("its pods mount the class", || Some(()).filter(|()| self.mounted_versions().len() == 2));
    }

    /// Returns the version of `conn` in each pod of the namespace, as the driver reports it.
    fn mounted_versions(&self) -> Vec<String> {
        let answer = self.kube("GET", "aks-mi", STATUSES, None).ok();
        let versions = answer["items"].as_array().unwrap().iter().flat_map(|status| status["status"]["objects"].as_array().unwrap());
        versions.filter(|object| object["id"] == "secret/conn").map(|object| object["version"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_secret_is_added_to_vault_and_class_in_one_plan() {
    let world = world();
    world.write("smtp.txt", "letters");
    let add = ["mount", "add", "smtp", "-n", "shop", "--name", "web", "--vault", VAULT, "--alias", "smtp.txt", "--sync", "web:SMTP"];
    let plan = world.of_shop(&[&add[..], &["--file", "smtp.txt", "--dry-run"]].concat()).ok();
    assert!(plan.stdout.contains("+ create  secret/kv-shop-x2/smtp"), "{}", plan.stdout);
    assert!(plan.stdout.contains("~ update  secretproviderclass/aks-mi/shop/web"), "{}", plan.stdout);
    world.of_shop(&[&add[..], &["--file", "smtp.txt"]].concat()).ok();
    assert_eq!(world.shop_secret("smtp")["value"], "letters");
    let class = world.kube("GET", "aks-mi", "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/shop/secretproviderclasses/web", None).ok();
    let objects = class["spec"]["parameters"]["objects"].as_str().unwrap();
    assert!(objects.contains("objectName: conn") && objects.contains("objectName: smtp"), "{objects}");
    assert_eq!(class["spec"]["secretObjects"][0]["data"].as_array().unwrap().len(), 2);
    let again = world.of_shop(&[&add[..], &["--file", "smtp.txt"]].concat()).ok();
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    let other = ["mount", "add", "other", "-n", "shop", "--name", "web", "--alias", "smtp.txt", "--generate"];
    world.of_shop(&other).exits(4).says("already mounts secret/smtp as the file smtp.txt");
    world
        .of_shop(&["mount", "add", "other", "-n", "shop", "--name", "nobody", "--generate"])
        .exits(4)
        .says("no SecretProviderClass shop/nobody");
}

#[test]
fn a_kept_class_has_its_secret_without_any_pod_of_the_app() {
    let world = world();
    world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web"]).ok();
    let synced = world.synced("web");
    assert_eq!(synced["type"], "Opaque");
    let again = world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web"]).ok();
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web", "--remove"]).ok();
    let path = format!("{DEPLOYMENTS}/podid-keep-web");
    assert_eq!(world.kube("GET", "aks-mi", &path, None).status, 404);
    world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web", "--remove"]).exits(4).says("keeps the class shop/web");
    world.of_shop(&["mount", "keep", "-n", "shop", "--name", "web"]).ok();
    world.down("podid.yaml", &["--delete-data", VAULT]).ok();
    assert_eq!(world.kube("GET", "aks-mi", &path, None).status, 404);
    assert_eq!(world.listed()["entries"], json!([]));
}
