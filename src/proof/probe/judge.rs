//! What the lines of a probe mean: each hop with its verdict, and a broken one with its cause and what to do.

use super::{
    hop::{Hop, Verdict},
    lines::{Answer, Connection, Lines, TokenOrigin, is_public},
};
use crate::{
    chain::{
        link::{GRANT, LinkName, Meaning, MissingLink, SECRET, TOKEN, VAULT},
        pages::{self, network},
        texts::{cut, first_lines, short},
        view::View,
    },
    deliveries::in_pod,
    proof::target::Target,
};

/// What is read where no secret is known: the vault says that it is not there only to who may read.
pub(super) const NOTHING: &str = "secrets/podid-probe-of-a-right";

/// What a probe is judged by.
pub(super) struct Facts<'a> {
    pub(super) target: &'a Target,
    pub(super) view: &'a View<'a>,
    pub(super) vault_host: &'a str,
    pub(super) login_host: &'a str,
    /// Whether the vault answers only through private endpoints; None: not known.
    pub(super) is_private: Option<bool>,
    /// The first link of the chain of which the cluster shows that it is missing.
    pub(super) missing: Option<MissingLink>,
}

pub(super) fn hops(lines: &Lines, facts: &Facts<'_>) -> Vec<Hop> {
    let login = lines.connections.first().filter(|one| one.host != facts.vault_host);
    let login_host = login.map_or(facts.login_host, |one| one.host.as_str());
    let mut hops = of_connection(lines, login, login_host, facts);
    if lines.origin != TokenOrigin::Entra {
        // neither NMI nor the cluster's token proxy is asked through it
        for hop in hops.iter_mut().filter(|hop| hop.verdict == Verdict::Broken) {
            hop.verdict = Verdict::Warning;
            hop.fault.iter_mut().for_each(|fault| fault.causes.push("the token of this workload does not come from there".to_owned()));
        }
    }
    let login_fails = lines.origin == TokenOrigin::Entra && hops.iter().any(|hop| hop.verdict == Verdict::Broken);
    let vault = lines.connection(facts.vault_host);
    let to_vault = of_connection(lines, vault, facts.vault_host, facts);
    let vault_fails = vault.is_none_or(|one| one.exit != 0);
    hops.extend(to_vault);
    hops.push(token(lines, facts, login_fails));
    hops.extend(reads(lines, facts, vault_fails));
    hops
}

/// The part of a connection at which it ended.
#[derive(Clone, Copy, PartialEq)]
enum Ended {
    Never,
    Name,
    Proxy,
    Port,
    Tls,
}

/// By the exit codes of curl(1).
fn ended(one: &Connection) -> Ended {
    let refused = one.proxy_status >= 400 || one.error.contains("CONNECT") || one.error.contains("proxy");
    match one.exit {
        0 => Ended::Never,
        _ if one.secured > 0.0 => Ended::Never,
        5 | 97 => Ended::Proxy,
        _ if one.is_proxied && (one.connected == 0.0 || refused) => Ended::Proxy,
        6 => Ended::Name,
        28 if one.resolved == 0.0 && one.addresses.is_empty() => Ended::Name,
        7 => Ended::Port,
        _ if one.connected == 0.0 => Ended::Port,
        _ => Ended::Tls,
    }
}

fn of_connection(lines: &Lines, one: Option<&Connection>, host: &str, facts: &Facts<'_>) -> Vec<Hop> {
    let Some(one) = one else { return vec![Hop::skipped("dns", host, "the pod did not come so far")] };
    let ended = ended(one);
    let shown = one.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let is_vault = host == facts.vault_host;
    let mut hops = Vec::new();
    if one.is_proxied || ended == Ended::Proxy {
        if ended == Ended::Proxy {
            let fault = proxy_fault(lines, one, host);
            return vec![Hop::broken("proxy", host, one.connected, fault), Hop::skipped("tls", host, "there is no connection")];
        }
        hops.push(Hop::ok("proxy", host, one.connected, lines.proxy().unwrap_or_default().to_owned()));
    } else {
        if ended == Ended::Name {
            let rest = ["tcp", "tls"].map(|hop| Hop::skipped(hop, host, "the name has no address"));
            return [Hop::broken("dns", host, 0.0, name_fault(lines, one, is_vault, host, facts))].into_iter().chain(rest).collect();
        }
        let leads_outside = is_vault && facts.is_private == Some(true) && one.addresses.iter().any(is_public);
        hops.push(if leads_outside {
            Hop::broken("dns", host, one.resolved, private_fault(lines, &shown, facts))
        } else {
            Hop::ok("dns", host, one.resolved, shown.clone())
        });
        if ended == Ended::Port {
            hops.push(Hop::broken("tcp", host, 0.0, port_fault(one, &shown, is_vault, host, facts)));
            hops.push(Hop::skipped("tls", host, "there is no connection"));
            return hops;
        }
        hops.push(Hop::ok("tcp", host, one.connected - one.resolved, "port 443".to_owned()));
    }
    hops.push(match ended {
        Ended::Tls => Hop::broken("tls", host, 0.0, tls_fault(one, is_vault, host, facts)),
        _ => Hop::ok("tls", host, one.secured - one.connected, issued(one)),
    });
    hops
}

fn issued(one: &Connection) -> String {
    if one.issuer.is_empty() { "the certificate is trusted".to_owned() } else { format!("issued by {}", one.issuer) }
}

fn link_of(is_vault: bool) -> LinkName {
    if is_vault { VAULT } else { TOKEN }
}

fn with_error(fault: MissingLink, one: &Connection) -> MissingLink {
    if one.error.is_empty() { fault } else { fault.because(format!("curl: {}", one.error)) }
}

fn proxy_fault(lines: &Lines, one: &Connection, host: &str) -> MissingLink {
    let proxy = lines.proxy().unwrap_or("the proxy");
    let what = match one.proxy_status {
        407 => format!("the proxy {proxy} asks for a password before it lets the pod through to {host}"),
        status if status >= 400 => format!("the proxy {proxy} does not let the pod through to {host} (status {status})"),
        _ => format!("the pod does not reach its proxy {proxy}"),
    };
    let fault = with_error(MissingLink::new(VAULT, what).page(&network::PROXY), one);
    fault.hint(format!("Allow {host} in the proxy, or name it in NO_PROXY of the pods: `az aks show -g GROUP -n CLUSTER --query httpProxyConfig` shows what the cluster sets."))
}

fn asked(lines: &Lines) -> String {
    if lines.servers.is_empty() { String::new() } else { format!("the pod asks the DNS server {}", lines.servers.join(", ")) }
}

fn name_fault(lines: &Lines, one: &Connection, is_vault: bool, host: &str, facts: &Facts<'_>) -> MissingLink {
    let what = if one.exit == 28 {
        format!("the DNS of the pod does not answer for {host}")
    } else {
        format!("the name {host} does not resolve in the pod")
    };
    let fault = with_error(MissingLink::new(link_of(is_vault), what), one);
    let fault = match asked(lines) {
        servers if servers.is_empty() => fault,
        servers => fault.because(servers),
    };
    if is_vault {
        let vault = facts.view.vault();
        return fault.page(&pages::DNS).hint(format!(
            "Look whether the vault is there: `az keyvault show --name {vault}`; a private vault needs its private DNS zone linked to the cluster's network: `az network private-dns link vnet list -g GROUP -z privatelink.vaultcore.azure.net`."
        ));
    }
    fault.page(&network::ENTRA).hint("Look at the cluster's DNS: `kubectl get pods -n kube-system -l k8s-app=kube-dns`, `kubectl get configmap coredns-custom -n kube-system -o yaml`; and whether a NetworkPolicy of the namespace allows port 53.")
}

fn private_fault(lines: &Lines, shown: &str, facts: &Facts<'_>) -> MissingLink {
    let (host, vault) = (facts.vault_host, facts.view.vault());
    let what =
        format!("the name {host} leads to the public address {shown}, and the vault {vault} answers only through its private endpoint");
    let fault = MissingLink::new(VAULT, what).page(&network::PRIVATE_NAME);
    let fault = if lines.servers.is_empty() { fault } else { fault.because(asked(lines)) };
    fault.hint("Link the private DNS zone to the network of the nodes, and let DNS servers of your own forward vault.azure.net to 168.63.129.16: `az network private-dns link vnet list -g GROUP -z privatelink.vaultcore.azure.net -o table`.")
}

fn port_fault(one: &Connection, shown: &str, is_vault: bool, host: &str, facts: &Facts<'_>) -> MissingLink {
    let at = if shown.is_empty() { host.to_owned() } else { format!("{host} ({shown})") };
    let what = if one.exit == 28 {
        format!("port 443 of {at} does not answer: something on the way drops the packets")
    } else {
        format!("port 443 of {at} refuses the connection")
    };
    let page = if is_vault { &pages::TIMEOUT } else { &network::ENTRA };
    let fault = with_error(MissingLink::new(link_of(is_vault), what).page(page), one);
    let policies = format!("kubectl get networkpolicies -n {}", facts.view.bound.namespace);
    let is_private = !one.addresses.is_empty() && !one.addresses.iter().any(is_public);
    if is_vault && is_private {
        return fault.hint(format!(
            "The address is that of a private endpoint: look at the peering and routes from the nodes' network to it, at the security group of its subnet, and at `{policies}`."
        ));
    }
    fault.hint(format!(
        "Allow outgoing traffic to {host} on port 443 in the firewall and routes of the nodes' subnet, and in the NetworkPolicies of the namespace: `{policies}`."
    ))
}

fn tls_fault(one: &Connection, is_vault: bool, host: &str, facts: &Facts<'_>) -> MissingLink {
    let link = link_of(is_vault);
    if one.exit == 60 || one.exit == 51 {
        let error = one.error.to_lowercase();
        if error.contains("not yet valid") || error.contains("has expired") {
            let what = format!("the certificate of {host} is not valid at the time of the pod's node");
            let hint = "Compare the clock of the node: `kubectl debug node/NODE -it --image=busybox -- date -u`.";
            return with_error(MissingLink::new(link, what).page(&pages::CLOCK), one).hint(hint);
        }
        let issuer = if one.issuer.is_empty() { "an unknown authority".to_owned() } else { format!("{:?}", one.issuer) };
        let what = format!(
            "the certificate that the pod gets for {host} is issued by {issuer}, which the pod does not trust: a proxy on the way replaces it"
        );
        return with_error(MissingLink::new(link, what).page(&network::INTERCEPTED), one)
            .hint(format!("Exempt {host} from TLS inspection in the firewall or proxy that this authority belongs to."));
    }
    let what = if one.exit == 28 {
        format!("{host} takes the connection and does not answer to TLS")
    } else {
        format!("the TLS connection to {host} is cut off")
    };
    let page = if is_vault { &pages::TIMEOUT } else { &network::ENTRA };
    with_error(MissingLink::new(link, what).page(page), one)
        .because("a firewall that decides by the name in the TLS hello lets the connection begin, and ends it then")
        .hint(format!(
            "Allow {host} in the firewall by name (in Azure Firewall an application rule), and look at `kubectl get networkpolicies -n {}`.",
            facts.view.bound.namespace
        ))
}

fn token(lines: &Lines, facts: &Facts<'_>, login_fails: bool) -> Hop {
    let from = match lines.origin {
        TokenOrigin::Entra => lines.connections.first().map_or(facts.login_host, |one| one.host.as_str()),
        TokenOrigin::Metadata => "169.254.169.254",
        TokenOrigin::Binding => "the cluster's token proxy",
    };
    let Some(answer) = &lines.token else {
        let why = if login_fails { "Entra cannot be reached" } else { "the pod did not come so far" };
        return Hop::skipped("token", from, why);
    };
    if answer.status == 200 {
        let (application, object) = answer.text.split_once(' ').unwrap_or((&answer.text, ""));
        let own = facts.target.bound.identity.client_id();
        if let Some(own) = own.filter(|own| !own.eq_ignore_ascii_case(application)) {
            let what = format!("the pod got the token of another identity (client id {application}), not the one of {own}");
            let fault = facts.missing.clone().map_or_else(
                || MissingLink::new(TOKEN, what.clone()).page(&pages::OTHER_IDENTITY).hint(more(facts)),
                |missing| missing.because(what.clone()),
            );
            return Hop::broken("token", from, answer.seconds, fault);
        }
        return Hop::ok("token", from, answer.seconds, format!("client id {application}, object id {object}"));
    }
    let told = in_pod::readable(&format!("{:03}", answer.status), &answer.text);
    // the address tells what did not answer
    let text = if answer.status == 0 && lines.origin == TokenOrigin::Metadata { format!("{from}: {told}") } else { told };
    let whole = format!("{text}\n{}", answer.text);
    let fault = of_text(facts, &whole, &text).or_else(|| facts.missing.clone().map(|missing| missing.because(cut(&text))));
    let fault = fault.unwrap_or_else(|| {
        let what = format!("{from} gives the pod no token");
        MissingLink::new(TOKEN, what).page(&pages::TOKEN).because(cut(&text)).hint(more(facts))
    });
    Hop::broken("token", from, answer.seconds, fault)
}

fn more(facts: &Facts<'_>) -> String {
    format!("Look at the links behind it: {}.", facts.view.commands.podid(&["doctor", "-n", &facts.view.bound.namespace]))
}

fn reads(lines: &Lines, facts: &Facts<'_>, vault_fails: bool) -> Vec<Hop> {
    let vault = facts.vault_host;
    if lines.reads.is_empty() {
        let why = match &lines.token {
            _ if vault_fails => "the vault cannot be reached",
            Some(answer) if answer.status == 200 => "the pod did not come so far",
            _ => "there is no token",
        };
        return vec![Hop::skipped("read", vault, why)];
    }
    lines.reads.iter().map(|(path, answer)| read(lines, facts, path, answer)).collect()
}

fn read(lines: &Lines, facts: &Facts<'_>, path: &str, answer: &Answer) -> Hop {
    let vault = facts.vault_host;
    match answer.status {
        200 => return Hop::ok("read", vault, answer.seconds, format!("{path} version {}", short(&answer.text))),
        // `SecretNotFound` comes after the check of the right
        404 if path == NOTHING => {
            return Hop::ok("read", vault, answer.seconds, "the identity may read secrets; podid knows of none that is used".to_owned());
        }
        _ => {}
    }
    let text = in_pod::readable(&format!("{:03}", answer.status), &answer.text);
    let public: Vec<String> =
        lines.connection(vault).into_iter().flat_map(|one| &one.addresses).filter(|one| is_public(one)).map(ToString::to_string).collect();
    if answer.text.contains("Public network access is disabled") && !public.is_empty() {
        let fault = private_fault(lines, &public.join(", "), facts).because(cut(&text));
        return Hop::broken("read", vault, answer.seconds, fault);
    }
    let whole = format!("{text}\n{}", answer.text);
    let fault = of_text(facts, &whole, &text).unwrap_or_else(|| {
        let (link, what, page) = match answer.status {
            0 => (VAULT, format!("the vault does not answer the request for {path}"), &pages::TIMEOUT),
            401 | 403 => (GRANT, format!("the vault does not let the pod read {path}"), &pages::GRANT),
            404 => (SECRET, format!("the vault has no {path}"), &pages::SECRET),
            status => (VAULT, format!("the vault answers the request for {path} with {status}"), &pages::TIMEOUT),
        };
        MissingLink::new(link, what).page(page).because(cut(&text)).hint(more(facts))
    });
    Hop::broken("read", vault, answer.seconds, fault)
}

/// What an answer means, where the chain knows that. None: it does not, or the answer only says that its sender waited.
fn of_text(facts: &Facts<'_>, text: &str, shown: &str) -> Option<MissingLink> {
    let (link, symptom) = facts.target.symptom(text)?;
    let page = symptom.page.unwrap_or(link.page);
    let because = cut(&first_lines(shown));
    match symptom.means {
        Meaning::Known { what, hint, .. } => {
            Some(MissingLink::new(link.name, what).page(page).because(because).hint(hint(facts.view, link)))
        }
        Meaning::Read(read) => {
            let missing = read(facts.view, link, text).missing;
            let page = missing.page.unwrap_or(page);
            Some(missing.page(page).because(because))
        }
        Meaning::Waiting => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(exit: u32, [resolved, connected, secured]: [f64; 3]) -> Connection {
        Connection { exit, resolved, connected, secured, ..Connection::default() }
    }

    #[test]
    fn where_a_connection_ended_is_told_by_curls_exit_code_and_times() {
        let at = |exit, times| ended(&one(exit, times));
        assert!(at(0, [0.1, 0.2, 0.3]) == Ended::Never);
        assert!(at(6, [0.0; 3]) == Ended::Name && at(28, [0.0; 3]) == Ended::Name);
        assert!(at(7, [0.1, 0.0, 0.0]) == Ended::Port && at(28, [0.1, 0.0, 0.0]) == Ended::Port);
        assert!(at(35, [0.1, 0.2, 0.0]) == Ended::Tls && at(60, [0.1, 0.2, 0.0]) == Ended::Tls && at(28, [0.1, 0.2, 0.0]) == Ended::Tls);
        // there is a connection, and only no answer to the request
        assert!(at(28, [0.1, 0.2, 0.3]) == Ended::Never && at(52, [0.1, 0.2, 0.3]) == Ended::Never);
        // an address of its own resolves at once
        let literal = Connection { addresses: vec!["10.0.0.1".parse().unwrap()], ..one(28, [0.0; 3]) };
        assert!(ended(&literal) == Ended::Port);
        let proxied = |exit, times, status| ended(&Connection { is_proxied: true, proxy_status: status, ..one(exit, times) });
        assert!(proxied(56, [0.1, 0.2, 0.0], 403) == Ended::Proxy && proxied(7, [0.1, 0.0, 0.0], 0) == Ended::Proxy);
        assert!(proxied(60, [0.1, 0.2, 0.0], 200) == Ended::Tls, "the proxy let it through, and shows its own certificate");
        assert!(at(5, [0.0; 3]) == Ended::Proxy);
    }
}
