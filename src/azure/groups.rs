//! Reads resource groups. podid never creates one.

use super::{ArmId, Group, Read, Result};

const VERSION: &str = "2021-04-01";

impl Read {
    pub async fn group(&self, id: &ArmId) -> Result<Option<Group>> {
        self.resource(id, VERSION).await
    }
}
