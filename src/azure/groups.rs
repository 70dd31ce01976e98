//! Reads resource groups. podid never creates one.

use super::{ArmId, Group, Result, arm::Arm, failures::absent};

const VERSION: &str = "2021-04-01";

pub async fn get(arm: &Arm, id: &ArmId) -> Result<Option<Group>> {
    absent(arm.get(id, VERSION).await)
}
