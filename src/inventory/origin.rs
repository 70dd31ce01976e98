//! Who made an object or applies it: a chart, a GitOps controller, AKS, podid, or somebody with a command.

use crate::{chain::texts::field, resources::running::Installer};
use serde_json::Value;

/// Managers of GitOps controllers, with the label or annotation that names the application.
const CONTROLLERS: &[(&str, &str, &str)] = &[
    ("argocd-", "Argo CD", "app.kubernetes.io/instance"),
    ("kustomize-controller", "Flux", "kustomize.toolkit.fluxcd.io/name"),
    ("helm-controller", "Flux", "helm.toolkit.fluxcd.io/name"),
];

/// Managers that only fill in what others made.
const HELPERS: &[&str] = &["kube-controller-manager", "kubelet", "mic", "nmi", "aad-pod-identity", "secrets-store-csi-driver"];

/// Names who owns an object: `Helm (release NAMESPACE/NAME)`, `Argo CD (APP)`, `AKS`, `podid (app APP)`, or the program that wrote it, such
/// as `kubectl`. `unknown` if the object shows neither.
pub fn origin(object: &Value) -> String {
    let marked = Installer::of(object);
    if matches!(marked, Installer::Podid(_) | Installer::Aks | Installer::GitOps { .. }) {
        return marked.to_string();
    }
    let managers = managers(object);
    // a controller that applies a chart's output leaves the chart's labels
    let controller = CONTROLLERS.iter().find(|(manager, ..)| managers.iter().any(|own| own.starts_with(manager)));
    if let Some((_, controller, label)) = controller {
        let named =
            object.pointer("/metadata/labels").and_then(|all| all.get(label)).and_then(Value::as_str).unwrap_or("unknown application");
        return format!("{controller} ({named})");
    }
    match marked {
        Installer::Unknown { .. } => {
            let own = managers.iter().find(|manager| !HELPERS.contains(&manager.as_str()));
            own.cloned().unwrap_or_else(|| "unknown".to_owned())
        }
        marked => marked.to_string(),
    }
}

/// Those who wrote the object itself, not only its status, the first one first. `kubectl` counts as one, whatever its subcommand.
fn managers(object: &Value) -> Vec<String> {
    let all = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let of_object = all.into_iter().filter(|one| field(one, "/subresource").is_empty());
    let mut found: Vec<(String, String)> =
        of_object.map(|one| (field(one, "/time").to_owned(), field(one, "/manager").to_owned())).collect();
    found.sort();
    let short = |(_, manager): (String, String)| if manager.starts_with("kubectl") { "kubectl".to_owned() } else { manager };
    found.into_iter().map(short).filter(|manager| !manager.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::origin;
    use serde_json::{Value, json};

    fn of(metadata: Value) -> String {
        origin(&json!({ "metadata": metadata }))
    }

    #[test]
    fn the_owner_is_told_by_marks_then_by_who_wrote_it() {
        let managed = |names: &[&str]| -> Value {
            let all =
                names.iter().enumerate().map(|(at, name)| json!({ "manager": name, "time": format!("2026-01-0{}T00:00:00Z", at + 1) }));
            Value::Array(all.collect())
        };
        assert_eq!(of(json!({ "managedFields": managed(&["kubectl-client-side-apply", "kube-controller-manager"]) })), "kubectl");
        assert_eq!(of(json!({ "managedFields": managed(&["kube-controller-manager", "terraform"]) })), "terraform");
        assert_eq!(of(json!({})), "unknown");
        let instance = json!({ "app.kubernetes.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm" });
        assert_eq!(of(json!({ "labels": instance, "managedFields": managed(&["argocd-controller"]) })), "Argo CD (shop)");
        assert_eq!(of(json!({ "namespace": "n", "labels": instance })), "Helm (release n/shop)");
        assert_eq!(of(json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:n/web" } })), "Argo CD (shop)");
        let flux = json!({ "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" });
        assert_eq!(of(json!({ "labels": flux })), "Flux (apps)");
        assert_eq!(of(json!({ "labels": { "addonmanager.kubernetes.io/mode": "Reconcile" } })), "AKS");
        assert_eq!(of(json!({ "labels": { "managed-by": "podid", "podid-app": "shop" } })), "podid (app shop)");
        let status = json!([{ "manager": "kubelet", "subresource": "status" }, { "manager": "kubectl-create" }]);
        assert_eq!(of(json!({ "managedFields": status })), "kubectl");
    }
}
