//! The errors of Azure, distinguished by what the caller would do differently.

use super::LoginMethod;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No credential of the chain returned a token. `tried` has each credential with its reason.
    #[error("no Azure login was found")]
    NotLoggedIn { tried: Vec<(String, String)> },
    /// The login method that the user chose cannot be used. `tried` has its credentials with their reasons.
    #[error("the login method {} cannot be used", method.name())]
    MethodUnusable { method: LoginMethod, tried: Vec<(String, String)> },
    /// The token endpoint rejected the login, with an AADSTS code and a text.
    #[error("the login was refused: {code}: {message}")]
    LoginRefused { code: String, message: String },
    /// A variable of the login has a value that is not valid in a header or URL.
    #[error("could not use the variable {name}: it holds a line break or another control character")]
    Variable { name: String },
    #[error("{host} could not be reached: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("{host} shows a certificate that is not trusted: {cause}")]
    Untrusted { host: String, cause: String },
    /// The status was 403. `action` and `scope` are set if the response named them: ARM and RBAC in Key Vault name both, a refusal by a
    /// vault's access policy names only the permission.
    #[error("{message}")]
    Forbidden { code: String, message: String, action: Option<String>, scope: Option<String>, caller: Option<String> },
    /// The request was refused for a reason that no role removes.
    #[error("{message}")]
    Blocked { code: String, message: String, by: Box<Blocked> },
    /// The status was 404: the resource, its group (`ResourceGroupNotFound`) or its subscription (`SubscriptionNotFound`) does not exist.
    #[error("{message}")]
    NotFound { code: String, message: String },
    /// The status was 409 or 412.
    #[error("{message}")]
    Conflict { code: String, message: String },
    /// The status was still 429 after all tries.
    #[error("Azure limits the rate of requests: {message}")]
    Throttled { message: String, after: Option<Duration> },
    /// A created resource was still not visible everywhere when the time limit ended.
    #[error("{what} is still not visible after {waited:?}")]
    NotYet { what: String, waited: Duration },
    /// The status was any other 4xx.
    #[error("{code}: {message}")]
    Refused { status: u16, code: String, message: String },
    /// The status was still 5xx after all tries.
    #[error("Azure failed with {status} {code}: {message}")]
    Failed { status: u16, code: String, message: String },
    #[error("time ran out after {0:?}")]
    TimedOut(Duration),
    /// Azure reported success, but reading back shows that nothing changed.
    #[error("{message}")]
    NotDone { message: String, way_out: String },
    /// The response is larger than anything Azure sends of its kind. `most` is such as `32 MiB`.
    #[error("could not read {what} from {host}: it is larger than {most}")]
    TooLarge { what: String, host: String, most: String },
    /// A list returned a page that was read before, or has too many pages.
    #[error("could not read a list from {host}: {why}")]
    EndlessList { host: String, why: String },
    /// Azure returned an address that podid does not send a token to.
    #[error("could not use {what}: its address {given:?} is not {expected}")]
    ForeignAddress { what: String, given: String, expected: String },
    /// podid could not parse the response.
    #[error("could not parse a response of Azure: {0}")]
    Protocol(String),
}

/// The reason of a refusal that no role removes.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocked {
    /// Azure Policy, or a built-in rule of Azure (`RequestDisallowedByAzure`, such as the demand for a second factor).
    Policy { policies: Vec<DisallowingPolicy>, reasons: Option<String>, by_azure: bool },
    /// A deny assignment, with its name, its id and its scope.
    Deny { name: Option<String>, id: Option<String>, at: Option<String>, refused: RefusedAction },
    /// A role of the caller allows the action, but its condition (ABAC) is not fulfilled.
    Condition { refused: RefusedAction },
    /// The subscription is disabled and can only be read.
    Subscription,
}

/// The names and ids of a policy assignment and its definition, and the comparisons that made it refuse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DisallowingPolicy {
    pub assignment: Option<String>,
    pub assignment_id: Option<String>,
    pub definition: Option<String>,
    pub definition_id: Option<String>,
    pub compared: Vec<String>,
}

/// What was requested, at which scope, and by whom (object id), as far as the response names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RefusedAction {
    pub action: Option<String>,
    pub scope: Option<String>,
    pub caller: Option<String>,
}

impl Error {
    /// Returns whether a secret exists but cannot be read because it is disabled. Both codes were observed. Neither names an action, which
    /// a missing permission does.
    pub fn is_disabled_secret(&self) -> bool {
        matches!(self, Self::Forbidden { code, action: None, .. } if matches!(code.as_str(), "SecretDisabled" | "AccessDenied"))
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
