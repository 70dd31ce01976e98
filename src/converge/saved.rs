//! A saved plan is a promise: it is done only if planning again gives the same.

use crate::{engine::plan::Plan, exit::Exit, failure::Failure, files};
use serde::{Deserialize, Serialize};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The spec that it was made from.
    #[serde(default)]
    pub spec: Option<PathBuf>,
    #[serde(flatten)]
    pub plan: Plan,
}

pub fn save(path: &Path, plan: &Plan, spec: Option<&Path>) -> Result<(), Failure> {
    let saved = Saved { spec: spec.map(Path::to_owned), plan: plan.clone() };
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
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let saved: Saved = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if saved.plan.version != crate::engine::plan::FORMAT {
        return Err(wrong(format!("it has format {}, this podid knows {}", saved.plan.version, crate::engine::plan::FORMAT)));
    }
    Ok(saved)
}

/// The promise: what would be done now is what was shown then.
pub fn kept(saved: &Plan, now: &Plan) -> Result<(), Failure> {
    if *saved == (Plan { warnings: Vec::new(), ..now.clone() }) {
        return Ok(());
    }
    let mut moved = Vec::new();
    for action in &now.actions {
        match saved.action(&action.key) {
            Some(then) if then == action => {}
            Some(then) if then.act == action.act => moved.push(format!("{}: still {}, but not the same", action.key, then.act.word())),
            Some(then) => moved.push(format!("{}: was {}, is {}", action.key, then.act.word(), action.act.word())),
            None => moved.push(format!("{}: is new ({})", action.key, action.act.word())),
        }
    }
    for then in saved.actions.iter().filter(|a| now.action(&a.key).is_none()) {
        moved.push(format!("{}: was {}, is no more", then.key, then.act.word()));
    }
    let failure = Failure::new(Exit::Refused, "reality, or the spec, has moved since the plan was made; nothing was changed");
    let failure = moved.into_iter().fold(failure, Failure::because);
    Err(failure.hint("Plan again: `podid plan --out FILE`, look at it, then `podid up --plan FILE`."))
}
