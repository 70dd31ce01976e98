//! The errors of Azure, by what the caller would do differently.

use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No credential of the chain returned a token; each with its reason.
    #[error("no Azure login was found")]
    NotLoggedIn { tried: Vec<(String, String)> },
    /// The token endpoint refused: AADSTS code and its text.
    #[error("the login was refused: {code}: {message}")]
    LoginRefused { code: String, message: String },
    /// A variable of the login has a value that is not valid in a header or URL.
    #[error("could not use the variable {name}: it holds a line break or another control character")]
    Variable { name: String },
    #[error("{host} could not be reached: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("{host} shows a certificate that is not trusted: {cause}")]
    Untrusted { host: String, cause: String },
    /// 403. `action` and `scope` where the answer named them (ARM: both; Key Vault: RBAC names both, a policy refusal names the permission).
    #[error("{message}")]
    Forbidden { code: String, message: String, action: Option<String>, scope: Option<String>, caller: Option<String> },
    /// A refusal that no role helps against.
    #[error("{message}")]
    Blocked { code: String, message: String, by: Box<Blocked> },
    /// 404: the thing itself, its group (`ResourceGroupNotFound`), its subscription (`SubscriptionNotFound`).
    #[error("{message}")]
    NotFound { code: String, message: String },
    /// 409, and 412.
    #[error("{message}")]
    Conflict { code: String, message: String },
    /// 429 after all tries.
    #[error("Azure throttles: {message}")]
    Throttled { message: String, after: Option<Duration> },
    /// Something that was made is still not visible where it must be, after the whole time limit.
    #[error("{what} is still not visible after {waited:?}")]
    NotYet { what: String, waited: Duration },
    /// Any other 4xx.
    #[error("{code}: {message}")]
    Refused { status: u16, code: String, message: String },
    /// 5xx after all tries.
    #[error("Azure failed with {status} {code}: {message}")]
    Failed { status: u16, code: String, message: String },
    #[error("time ran out after {0:?}")]
    TimedOut(Duration),
    /// Azure answered that it was done, and reading back shows that it was not.
    #[error("{message}")]
    NotDone { message: String, way_out: String },
    /// An answer that is larger than anything Azure sends of its kind; `most` as in `32 MiB`.
    #[error("could not read {what} from {host}: it is larger than {most}")]
    TooLarge { what: String, host: String, most: String },
    /// A list that comes back to a page that was read before, or goes on and on.
    #[error("could not read a list from {host}: {why}")]
    EndlessList { host: String, why: String },
    /// An address that Azure named, and that no token is sent to.
    #[error("could not use {what}: its address {given:?} is not {expected}")]
    ForeignAddress { what: String, given: String, expected: String },
    /// An answer that podid does not understand.
    #[error("an answer of Azure could not be read: {0}")]
    Protocol(String),
}

/// What stands in the way where no role helps.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocked {
    /// Azure Policy, or a rule of Azure itself (`RequestDisallowedByAzure`, such as the demand for a second factor).
    Policy { policies: Vec<DisallowingPolicy>, reasons: Option<String>, by_azure: bool },
    /// A deny assignment: its name, its id, and the scope that it holds at.
    Deny { name: Option<String>, id: Option<String>, at: Option<String>, refused: RefusedAction },
    /// A role of the caller allows the action, but its condition (ABAC) is not fulfilled.
    Condition { refused: RefusedAction },
    /// The subscription is disabled and can only be read.
    Subscription,
}

/// Names and ids of a policy assignment and its definition, and the comparisons that made it refuse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DisallowingPolicy {
    pub assignment: Option<String>,
    pub assignment_id: Option<String>,
    pub definition: Option<String>,
    pub definition_id: Option<String>,
    pub compared: Vec<String>,
}

/// What was asked for, where, and by whom (object id), as far as the answer names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RefusedAction {
    pub action: Option<String>,
    pub scope: Option<String>,
    pub caller: Option<String>,
}

impl Error {
    /// A secret that exists and may not be read because it is disabled. Both codes were seen; neither names an action, as a missing right does.
    pub fn is_disabled_secret(&self) -> bool {
        matches!(self, Self::Forbidden { code, action: None, .. } if matches!(code.as_str(), "SecretDisabled" | "AccessDenied"))
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
