//! Applications of Microsoft's own tenant. A tenant may have service principals for them, but no registrations. Ids and names are public
//! ("verify first-party Microsoft applications in sign-in reports").

/// The tenant that owns these applications.
pub const TENANT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

pub struct FirstPartyApplication {
    pub app_id: &'static str,
    pub name: &'static str,
    pub uris: &'static [&'static str],
    pub replies: &'static [&'static str],
    /// Delegated permissions as pairs of value and title.
    pub scopes: &'static [(&'static str, &'static str)],
}

const ALL: &[FirstPartyApplication] = &[
    FirstPartyApplication {
        app_id: "00000003-0000-0000-c000-000000000000",
        name: "Microsoft Graph",
        uris: &["https://graph.microsoft.com", "https://graph.microsoft.com/"],
        replies: &[],
        scopes: &[("User.Read", "Sign in and read user profile")],
    },
    FirstPartyApplication {
        app_id: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        name: "Windows Azure Service Management API",
        uris: &["https://management.azure.com/", "https://management.core.windows.net/"],
        replies: &[],
        scopes: &[("user_impersonation", "Access Azure Service Management as organization users")],
    },
    FirstPartyApplication {
        app_id: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        name: "Azure Key Vault",
        uris: &["https://vault.azure.net"],
        replies: &[],
        scopes: &[("user_impersonation", "Have full access to the Azure Key Vault service")],
    },
    FirstPartyApplication {
        app_id: "6dae42f8-4368-4678-94ff-3960e28e3630",
        name: "Azure Kubernetes Service AAD Server",
        uris: &["https://aks-aad-server.azure.com"],
        replies: &[],
        scopes: &[("user.read", "Access to AKS AAD Server")],
    },
    FirstPartyApplication {
        app_id: "abfa0a7c-a6b6-4736-8310-5855508787cd",
        name: "Microsoft Azure App Service",
        uris: &["https://appservice.azure.com", "Microsoft.Azure.WebSites"],
        replies: &["https://functions.azure.com", "https://db3.sso.azurewebsites.windows.net/"],
        scopes: &[("user_impersonation", "Access APIs registered with App Service")],
    },
];

pub fn find(app_id: &str) -> Option<&'static FirstPartyApplication> {
    ALL.iter().find(|application| application.app_id.eq_ignore_ascii_case(app_id))
}
