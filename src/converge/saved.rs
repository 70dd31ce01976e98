//! A saved plan is a promise: `up --plan` plans again, and goes on only if the two plans are equal.

mod promise;

use crate::{
    engine::plan::{Action, Plan},
    exit::Exit,
    failure::Failure,
    files::{
        self,
        whole::{self, Accept},
    },
};
pub use promise::{Basis, Promise};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// The spec that it was made from. For messages only: which spec is used is for the user to say, not for the file.
    #[serde(default)]
    spec: Option<PathBuf>,
    promise: Promise,
    #[serde(flatten)]
    plan: Plan,
}

pub fn save(path: &Path, plan: &Plan, spec: Option<&Path>, basis: &Basis<'_>) -> Result<(), Failure> {
    let saved = Saved { spec: spec.map(Path::to_owned), promise: Promise::of(plan, basis)?, plan: plan.clone() };
    let text = serde_json::to_string_pretty(&saved).map_err(|e| Failure::new(Exit::Bug, e.to_string()))?;
    let failed = |why: String| Failure::new(Exit::Failed, format!("could not write the plan to {}", path.display())).because(why);
    let mut file = files::create(path).map_err(|e| e.way_out().into_iter().fold(failed(e.to_string()), Failure::hint))?;
    file.write_all((text + "\n").as_bytes()).map_err(|e| failed(e.to_string()))
}

pub fn read(path: &Path) -> Result<Saved, Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Usage, format!("could not read the plan {}", path.display()))
            .because(why)
            .hint("Make it with `podid plan --out FILE`.")
    };
    let text = whole::read_text(path, whole::PLAN_LIMIT, Accept::Pipes).map_err(|e| wrong(e.cause()))?;
    let document: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if let Some(version) = document.get("version").filter(|v| **v != crate::engine::plan::FORMAT) {
        return Err(wrong(format!("it has format {version}, and this podid reads format {}", crate::engine::plan::FORMAT)));
    }
    // parsed again from the text, so that an error names its line
    serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))
}

impl Saved {
    /// Fails if what would be done now is not what was planned then.
    pub fn check(&self, now: &Plan, basis: &Basis<'_>) -> Result<(), Failure> {
        let mut moved = self.promise.broken_options(basis);
        moved.extend(self.other_actions(now));
        let (resources, values) = self.promise.broken(now, basis);
        // one line for each resource
        moved.extend(
            resources.into_iter().filter(|(key, _)| self.plan.action(key) == now.action(key)).map(|(key, why)| format!("{key}: {why}")),
        );
        moved.extend(values);
        if moved.is_empty() && self.plan == (Plan { warnings: Vec::new(), ..now.clone() }) {
            return Ok(());
        }
        let failure =
            Failure::new(Exit::Refused, "resources, the spec or a secret's value changed since the plan was saved; nothing was changed");
        let failure = moved.into_iter().fold(failure, Failure::because);
        let failure = failure.hint("Plan again: `podid plan --out FILE`, look at it, then `podid up --plan FILE`.");
        Err(match &self.spec {
            Some(spec) => failure.hint(format!("The plan was made from {}; give another spec with `-f`.", spec.display())),
            None => failure,
        })
    }

    /// What to do if there is no spec where it is looked for.
    pub fn spec_hint(&self, plan: &Path) -> Option<String> {
        let spec = self.spec.as_ref()?.display();
        Some(format!(
            "The plan file says that it was made from {spec}. If that is the spec you want: `podid up --plan {} -f {spec}`.",
            plan.display()
        ))
    }

    fn other_actions(&self, now: &Plan) -> Vec<String> {
        let mut moved = Vec::new();
        for action in &now.actions {
            match self.plan.action(&action.key) {
                Some(then) if then == action => {}
                Some(then) if then.act == action.act => {
                    moved.push(format!("{}: still {}, but {}", action.key, then.act.word(), differing(then, action)))
                }
                Some(then) => moved.push(format!("{}: was {}, is {}", action.key, then.act.word(), action.act.word())),
                None => moved.push(format!("{}: is new ({})", action.key, action.act.word())),
            }
        }
        for then in self.plan.actions.iter().filter(|a| now.action(&a.key).is_none()) {
            moved.push(format!("{}: was {}, is no longer in the plan", then.key, then.act.word()));
        }
        moved
    }
}

/// The fields in which two actions of one kind differ.
fn differing(then: &Action, now: &Action) -> String {
    let value = |action: &Action, field: &str| action.changes.iter().find(|c| c.field == field).cloned();
    let all: BTreeSet<&str> = then.changes.iter().chain(&now.changes).map(|c| c.field.as_str()).collect();
    let fields: Vec<&str> = all.into_iter().filter(|field| value(then, field) != value(now, field)).collect();
    if fields.is_empty() { "is not the same".to_owned() } else { format!("differs in {}", fields.join(", ")) }
}
