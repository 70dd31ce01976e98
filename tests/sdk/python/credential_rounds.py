"""Federated credentials of an identity: create, read, list, update, delete."""

from azure.mgmt.msi import ManagedServiceIdentityClient
from place import names, pages, step

ISSUER = "https://issuer.example/one/"


def run(place):
    client = ManagedServiceIdentityClient(place.credential, place.subscription)
    credentials, group, identity = client.federated_identity_credentials, place.group, f"sdk-{place.tag}-f"
    client.user_assigned_identities.create_or_update(group, identity, {"location": "westeurope"})

    def put(name, subject):
        wish = {"issuer": ISSUER, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}
        return credentials.create_or_update(group, identity, name, wish)

    def told(credential):
        return {field: getattr(credential, field) for field in ("id", "name", "type", "issuer", "subject", "audiences")}

    step("federated.absent", lambda: credentials.get(group, identity, "one"))
    step("federated.create", lambda: told(put("one", "system:serviceaccount:shop:cart")))
    step("federated.get", lambda: told(credentials.get(group, identity, "one")))
    step("federated.update", lambda: told(put("one", "system:serviceaccount:shop:till")))
    step("federated.same subject", lambda: told(put("two", "system:serviceaccount:shop:till")))
    for number in range(3):
        put(f"more-{number}", f"system:serviceaccount:shop:more-{number}")
    step("federated.list", lambda: names(credentials.list(group, identity)))
    step("federated.list by twos", lambda: [names(page) for page in pages(credentials.list(group, identity, top=2))])
    step("federated.delete", lambda: credentials.delete(group, identity, "one"))
    step("federated.delete again", lambda: credentials.delete(group, identity, "one"))
    step("federated.list after", lambda: names(credentials.list(group, identity)))
    client.user_assigned_identities.delete(group, identity)
    step("federated.no identity", lambda: told(put("one", "system:serviceaccount:shop:cart")))
